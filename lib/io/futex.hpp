// SPDX-License-Identifier: BSL-1.0
// Sleeping on the low half of a 64-bit word that processes share.
#ifndef KVDB_IO_FUTEX_HPP
#define KVDB_IO_FUTEX_HPP

#include <chrono>
#include <cstdint>

namespace kvdb::io {

/// Sleeps while the low half of `word` is that of `expected`, for at most `limit`. May wake for no reason.
void futex_wait(std::uint64_t& word, std::uint64_t expected, std::chrono::microseconds limit) noexcept;
void futex_wake_one(std::uint64_t& word) noexcept;
void futex_wake_all(std::uint64_t& word) noexcept;

}  // namespace kvdb::io

#endif
