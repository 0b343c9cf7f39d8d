// SPDX-License-Identifier: BSL-1.0
// The handler writes a byte into a pipe, so that a wait for input cannot miss it: between a look at a flag and a
// read() it could.
#include "interrupt.hpp"

#include "failure.hpp"
#include "report.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace kvdb::app {
namespace {

volatile std::sig_atomic_t seen = 0;
int wake_pipe[2] = {-1, -1};

void on_interrupt(int)
{
    const int saved = errno;
    seen = 1;
    const char byte = 0;
    const ssize_t ignored = ::write(wake_pipe[1], &byte, 1);
    static_cast<void>(ignored);
    errno = saved;
}

}  // namespace

interrupt_guard::interrupt_guard()
{
    ::sigaction(SIGINT, nullptr, &before_);
    if (before_.sa_handler == SIG_IGN || (wake_pipe[0] < 0 && ::pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) != 0)) {
        return;
    }
    struct sigaction action = {};
    action.sa_handler = on_interrupt;
    // The library's system calls go on as if nothing had happened; a second SIGINT finds the default action.
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    ::sigaction(SIGINT, &action, nullptr);
}

interrupt_guard::~interrupt_guard()
{
    struct sigaction now = {};
    ::sigaction(SIGINT, nullptr, &now);
    if (now.sa_handler == on_interrupt) {
        ::sigaction(SIGINT, &before_, nullptr);
    }
}

bool interrupt_guard::requested() noexcept
{
    return seen != 0;
}

bool interrupt_guard::wait_readable(int descriptor) noexcept
{
    pollfd watched[2] = {{descriptor, POLLIN, 0}, {wake_pipe[0], POLLIN, 0}};
    while (!requested()) {
        if (::poll(watched, 2, -1) >= 0 || errno != EINTR) {
            return !requested();
        }
    }
    return false;
}

void interrupt_guard::leave(const char* what_was_done) noexcept
{
    try {
        say(what_was_done);
    } catch (...) {
        // no memory for the message; the status still tells
    }
    std::_Exit(exit_interrupt);
}

}  // namespace kvdb::app
