// SPDX-License-Identifier: BSL-1.0
#include "io/lock_word.hpp"

#include "io/cancellation.hpp"
#include "io/crash_point.hpp"

#include <algorithm>
#include <string>

namespace kvdb::io {
namespace {

using clock = std::chrono::steady_clock;

constexpr int spins = 64;
constexpr std::chrono::microseconds first_nap{200};
constexpr std::chrono::microseconds longest_nap{4'000};

inline void pause() noexcept
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

[[noreturn]] void give_up(std::uint64_t holder, const attachment& self, const char* what)
{
    throw error(errc::busy, std::string("cannot get ") + what + " of '" + self.path().string() +
                                "' in time: it is held by " + self.describe(holder));
}

}  // namespace

std::chrono::steady_clock::time_point deadline_after(std::chrono::milliseconds limit)
{
    constexpr std::chrono::milliseconds longest = std::chrono::hours{24 * 365};
    return clock::now() + std::min(limit, longest);
}

acquired lock_slowly(std::uint64_t& word, const attachment& self, std::chrono::milliseconds limit, const char* what)
{
    std::atomic_ref<std::uint64_t> shared(word);
    for (int i = 0; i < spins; ++i) {
        std::uint64_t expected = 0;
        if (shared.load(std::memory_order_relaxed) == 0 &&
            shared.compare_exchange_weak(expected, self.lock_word(), std::memory_order_acquire,
                                         std::memory_order_relaxed)) {
            return acquired::fresh;
        }
        pause();
    }
    const no_cancellation whole;
    const clock::time_point deadline = deadline_after(limit);
    std::chrono::microseconds nap = first_nap;
    for (;;) {
        std::uint64_t seen = shared.load(std::memory_order_relaxed);
        // Whoever has slept takes the lock with the waiters bit: others may still be asleep.
        const std::uint64_t mine = self.lock_word() | format::lock_waiters;
        if (seen == 0) {
            if (shared.compare_exchange_strong(seen, mine, std::memory_order_acquire, std::memory_order_relaxed)) {
                return acquired::fresh;
            }
            continue;
        }
        if ((seen & format::lock_waiters) == 0) {
            if (!shared.compare_exchange_strong(seen, seen | format::lock_waiters, std::memory_order_relaxed)) {
                continue;
            }
            seen |= format::lock_waiters;
        }
        futex_wait(word, seen, nap);
        nap = std::min(nap * 2, longest_nap);
        std::uint64_t holder = shared.load(std::memory_order_relaxed);
        if (holder != 0 && self.holder_is_dead(holder)) {
            crash_point("lock.before-takeover");
            if (shared.compare_exchange_strong(holder, mine, std::memory_order_acquire, std::memory_order_relaxed)) {
                crash_point("lock.taken-over");
                return acquired::taken_over;
            }
            continue;
        }
        if (holder != 0 && clock::now() >= deadline) {
            give_up(holder, self, what);
        }
    }
}

}  // namespace kvdb::io
