// SPDX-License-Identifier: BSL-1.0
// A lock in one 64-bit word of the file: generation << 32 | waiters << 31 | attachment slot + 1; zero is free.
//
// The holder's sign of life is not in the word: it is an open-file-description lock on a byte of the attachment slot,
// which the kernel drops when the process dies, in whatever PID namespace it lived. A waiter that has slept a little
// asks for that byte and compares the generation in the slot; if either says that the holder is gone, it takes the
// lock over by one compare-and-swap of the whole word, so that it can only ever strike the owner it judged.
//
// Publication: acquire pairs with the release in `unlock`; after a takeover it pairs with nothing, and the caller
// must repair what the dead holder left before it trusts any of it. Death while waiting leaves at most a needless
// waiters bit. Death between unlock's exchange and its wake leaves a waiter asleep for one nap.
#ifndef KVDB_IO_LOCK_WORD_HPP
#define KVDB_IO_LOCK_WORD_HPP

#include "base/atomic.hpp"
#include "io/attachment.hpp"
#include "io/futex.hpp"

#include <chrono>
#include <cstdint>

namespace kvdb::io {

enum class acquired : std::uint8_t { fresh, taken_over };

/// When a wait of `limit` that begins now is over. Limits beyond a year mean a year: the clock must not wrap.
[[nodiscard]] std::chrono::steady_clock::time_point deadline_after(std::chrono::milliseconds limit);

/// Waits for the word, at most `limit`. Throws errc::busy naming `what` and the holder.
[[nodiscard]] acquired lock_slowly(std::uint64_t& word, const attachment& self, std::chrono::milliseconds limit,
                                   const char* what);

[[nodiscard]] inline acquired lock(std::uint64_t& word, const attachment& self, std::chrono::milliseconds limit,
                                   const char* what)
{
    std::uint64_t expected = 0;
    if (std::atomic_ref<std::uint64_t>(word).compare_exchange_strong(
            expected, self.lock_word(), std::memory_order_acquire, std::memory_order_relaxed)) [[likely]] {
        return acquired::fresh;
    }
    return lock_slowly(word, self, limit, what);
}

/// Takes a free word without waiting.
[[nodiscard]] inline bool try_lock(std::uint64_t& word, const attachment& self) noexcept
{
    std::uint64_t expected = 0;
    return std::atomic_ref<std::uint64_t>(word).compare_exchange_strong(
        expected, self.lock_word(), std::memory_order_acquire, std::memory_order_relaxed);
}

inline void unlock(std::uint64_t& word) noexcept
{
    const std::uint64_t before = std::atomic_ref<std::uint64_t>(word).exchange(0, std::memory_order_release);
    if ((before & format::lock_waiters) != 0) [[unlikely]] {
        futex_wake_one(word);
    }
}

}  // namespace kvdb::io

#endif
