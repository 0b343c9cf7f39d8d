// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_APP_INTERRUPT_HPP
#define KVDB_APP_INTERRUPT_HPP

#include <csignal>

namespace kvdb::app {

/// While one of these lives, the first SIGINT is noted instead of killing; a second one kills, which harms no
/// database. In the main thread; they may nest. A SIGINT that was ignored from the start (nohup, background jobs of
/// a script) stays ignored.
class interrupt_guard {
public:
    interrupt_guard();
    interrupt_guard(const interrupt_guard&) = delete;
    interrupt_guard& operator=(const interrupt_guard&) = delete;
    ~interrupt_guard();

    [[nodiscard]] static bool requested() noexcept;
    /// Until `descriptor` can be read, or is at its end. False when SIGINT came first.
    [[nodiscard]] static bool wait_readable(int descriptor) noexcept;
    /// Leaves the process at once with the status of an interrupt: for callbacks out of which nothing may be thrown.
    [[noreturn]] static void leave(const char* what_was_done) noexcept;

private:
    struct sigaction before_ = {};
};

}  // namespace kvdb::app

#endif
