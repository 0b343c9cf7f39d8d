// SPDX-License-Identifier: BSL-1.0
#include "support/child.hpp"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdio>
#include <exception>

namespace kvdb::testing {

void run_and_leave(const std::function<int()>& work) noexcept
{
    // Boost.Test's handlers would jump back into the middle of the parent's test.
    for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
        ::signal(number, SIG_DFL);
    }
    int status = 1;
    try {
        status = work();
    } catch (const std::exception& caught) {
        std::fprintf(stderr, "child %d: %s\n", static_cast<int>(::getpid()), caught.what());
    } catch (...) {
        std::fprintf(stderr, "child %d: unknown exception\n", static_cast<int>(::getpid()));
    }
    ::_exit(status);
}

child::child(const std::function<int()>& work)
{
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) {
        throw std::runtime_error("fork failed");
    }
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) {
            ::_exit(1);
        }
        run_and_leave(work);
    }
}

child& child::operator=(child&& other) noexcept
{
    if (this != &other) {
        kill_and_reap();
        pid_ = std::exchange(other.pid_, -1);
    }
    return *this;
}

int child::wait()
{
    // A child that hangs fails its test, not the whole run.
    constexpr int patience_ms = 240'000;
    demand(pid_ > 0, "no child to wait for");
    const int watch = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
    if (watch >= 0) {
        pollfd ended{watch, POLLIN, 0};
        if (::poll(&ended, 1, patience_ms) == 0) {
            std::fprintf(stderr, "child %d hangs\n", static_cast<int>(pid_));
            signal(SIGKILL);
        }
        ::close(watch);
    }
    int status = 0;
    if (::waitpid(std::exchange(pid_, -1), &status, 0) < 0) {
        throw std::runtime_error("waitpid failed");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int child::kill()
{
    signal(SIGKILL);
    return wait();
}

bool child::wait_until_stopped()
{
    int status = 0;
    if (::waitpid(pid_, &status, WUNTRACED) == pid_ && WIFSTOPPED(status)) {
        return true;
    }
    pid_ = -1;
    return false;
}

bool child::ended() const
{
    siginfo_t info{};
    demand(pid_ > 0, "no child to ask about");
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0;
}

void child::kill_and_reap() noexcept
{
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    }
}

int in_child(const std::function<int()>& work)
{
    return child(work).wait();
}

}  // namespace kvdb::testing
