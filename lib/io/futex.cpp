// SPDX-License-Identifier: BSL-1.0
#include "io/futex.hpp"

#include <bit>
#include <ctime>
#include <limits>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kvdb::io {

static_assert(std::endian::native == std::endian::little, "a .kvdb file is little-endian and shared in place");

void futex_wait(std::uint64_t& word, std::uint64_t expected, std::chrono::microseconds limit) noexcept
{
    timespec timeout{};
    timeout.tv_sec = static_cast<time_t>(limit.count() / 1'000'000);
    timeout.tv_nsec = static_cast<long>(limit.count() % 1'000'000 * 1'000);
    ::syscall(SYS_futex, &word, FUTEX_WAIT, static_cast<std::uint32_t>(expected), &timeout, nullptr, 0);
}

void futex_wake_one(std::uint64_t& word) noexcept
{
    ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void futex_wake_all(std::uint64_t& word) noexcept
{
    ::syscall(SYS_futex, &word, FUTEX_WAKE, std::numeric_limits<int>::max(), nullptr, nullptr, 0);
}

}  // namespace kvdb::io
