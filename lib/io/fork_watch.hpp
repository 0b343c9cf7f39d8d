// SPDX-License-Identifier: BSL-1.0
// Noticing that the process is a forked child, and letting go at once of what only the parent may hold.
//
// Two nets: a handler that runs in the child of fork() closes inherited lock descriptions, so that they do not keep a
// dead parent's signs of life up; and a page that the kernel wipes in every child, whatever made it, is compared at
// the start of each operation.
#ifndef KVDB_IO_FORK_WATCH_HPP
#define KVDB_IO_FORK_WATCH_HPP

#include "base/atomic.hpp"

#include <cstdint>

namespace kvdb::io {

/// A handle that must know of forks. The three calls come around every fork() of the process.
class fork_aware {
public:
    virtual void before_fork() noexcept = 0;
    virtual void after_fork_in_parent() noexcept = 0;
    virtual void after_fork_in_child() noexcept = 0;

protected:
    ~fork_aware() = default;
};

void watch_forks(fork_aware& handle);
void unwatch_forks(fork_aware& handle) noexcept;

/// Held while a description for locks is opened and stored where the fork handler finds it: a fork comes before or
/// after.
class fork_pause {
public:
    fork_pause() noexcept;
    fork_pause(const fork_pause&) = delete;
    fork_pause& operator=(const fork_pause&) = delete;
    ~fork_pause();
};

namespace detail {
/// First word of the wiped page; null until somebody watches.
extern std::uint64_t* fork_page;
std::uint64_t renew_stamp() noexcept;
}  // namespace detail

/// Zero only in a child that has not renewed it yet. A handle keeps the stamp of the process that attached it.
[[nodiscard]] inline std::uint64_t process_stamp() noexcept
{
    return load_relaxed(*detail::fork_page);
}
/// The stamp of this process, drawn anew if it is a child that has none.
[[nodiscard]] inline std::uint64_t current_stamp() noexcept
{
    const std::uint64_t stamp = process_stamp();
    return stamp != 0 ? stamp : detail::renew_stamp();
}

}  // namespace kvdb::io

#endif
