// SPDX-License-Identifier: BSL-1.0
// Checkpoints in a thread of their own, by time, by bytes, or both.
//
// Threads: `wrote` by any; construction and destruction by whoever opens and closes the handle.
// The thread holds none of this object's locks while a checkpoint runs or while user code is told of a failure. It
// takes no signals: those are for the threads of the user.
// A forked child has the object without its thread, so it must neither use nor destroy it.
#ifndef KVDB_DATABASE_BACKGROUND_HPP
#define KVDB_DATABASE_BACKGROUND_HPP

#include <kvdb/error.hpp>
#include <kvdb/options.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace kvdb {

class background_checkpoints {
public:
    [[nodiscard]] static bool wanted(const options& how) noexcept
    {
        return how.mode != open_mode::read_only &&
               (how.checkpoint_interval.count() != 0 || how.checkpoint_bytes != 0);
    }

    /// `run` makes a checkpoint if there is anything to make durable; what it throws goes to the user's
    /// `on_checkpoint_failure`, and the next one is tried when it is due.
    background_checkpoints(const options& how, std::function<void()> run);
    background_checkpoints(const background_checkpoints&) = delete;
    background_checkpoints& operator=(const background_checkpoints&) = delete;
    /// Waits for a checkpoint that is running.
    ~background_checkpoints();

    /// So many bytes were written through this handle.
    void wrote(std::uint64_t bytes) noexcept
    {
        // Only the one that reaches the limit wakes the thread.
        if (limit_ != 0) {
            const std::uint64_t before = written_.fetch_add(bytes, std::memory_order_relaxed);
            if (before < limit_ && before + bytes >= limit_) {
                wake();
            }
        }
    }

private:
    void loop();
    void report(const error& failure) const;
    void wake() noexcept;
    [[nodiscard]] bool due() const noexcept
    {
        return stopping_ || (limit_ != 0 && written_.load(std::memory_order_relaxed) >= limit_);
    }

    const std::chrono::milliseconds interval_;  // 0: not by time
    const std::uint64_t limit_;                 // 0: not by bytes
    const std::function<void(const error&)> on_failure_;
    const std::function<void()> run_;
    const error no_memory_{errc::no_memory, "no memory for a checkpoint"};  // made while there is some
    std::atomic<std::uint64_t> written_{0};                                 // since the latest checkpoint began
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;  // guarded by mutex_
    std::thread thread_;
};

}  // namespace kvdb

#endif
