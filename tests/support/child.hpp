// SPDX-License-Identifier: BSL-1.0
// Real processes for tests, and memory that they share outside any database.
#ifndef KVDB_TESTS_SUPPORT_CHILD_HPP
#define KVDB_TESTS_SUPPORT_CHILD_HPP

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace kvdb::testing {

inline constexpr int skipped = 77;

/// For use in a child, where Boost.Test has nobody to report to.
inline void demand(bool condition, const std::string& what)
{
    if (!condition) {
        throw std::runtime_error(what);
    }
}

/// To that one process. Anything but its number would mean a group of processes, with the test and its runner in it.
inline void send_signal(pid_t pid, int number)
{
    demand(pid > 0, "no process to send a signal to");
    ::kill(pid, number);
}

/// A forked child. Killed and reaped with this object at the latest.
class child {
public:
    child() noexcept = default;
    /// `work` returns the exit status; an exception becomes a line on stderr and status 1.
    explicit child(const std::function<int()>& work);
    child(child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    child& operator=(child&& other) noexcept;
    ~child() { kill_and_reap(); }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    void signal(int number) const { send_signal(pid_, number); }

    /// The exit status, or minus the number of the signal that ended it.
    int wait();
    int kill();
    /// Returns once the child is stopped by a signal. False if it ended instead.
    [[nodiscard]] bool wait_until_stopped();
    [[nodiscard]] bool ended() const;

private:
    void kill_and_reap() noexcept;

    pid_t pid_ = -1;
};

/// Runs `work` in a process of its own and returns its status.
int in_child(const std::function<int()>& work);

/// What a forked child runs instead of the test: never returns into Boost.Test.
[[noreturn]] void run_and_leave(const std::function<int()>& work) noexcept;

/// One object in memory that forked children share with their parent.
template <class Object>
class shared {
    static_assert(std::is_trivially_destructible_v<Object>);

public:
    shared() : memory_(::mmap(nullptr, sizeof(Object), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
    {
        if (memory_ == MAP_FAILED) {
            throw std::bad_alloc();
        }
        object_ = new (memory_) Object{};
    }
    shared(const shared&) = delete;
    shared& operator=(const shared&) = delete;
    ~shared() { ::munmap(memory_, sizeof(Object)); }

    Object* operator->() const noexcept { return object_; }
    Object& operator*() const noexcept { return *object_; }

private:
    void* memory_;
    Object* object_ = nullptr;
};

/// Waits for other processes to bring something about. False if they did not within a bound far beyond any load.
template <class Condition>
[[nodiscard]] bool eventually(const Condition& met, std::chrono::seconds bound = std::chrono::seconds(60))
{
    const auto deadline = std::chrono::steady_clock::now() + bound;
    while (!met()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        ::sched_yield();
    }
    return true;
}

}  // namespace kvdb::testing

#endif
