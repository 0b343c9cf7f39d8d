// SPDX-License-Identifier: BSL-1.0
// Cross-process words are plain integers in the format and atomics here.
#ifndef KVDB_BASE_ATOMIC_HPP
#define KVDB_BASE_ATOMIC_HPP

#include <atomic>
#include <cstdint>

namespace kvdb {

static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic_ref<std::uint32_t>::is_always_lock_free);

template <class Word>
[[nodiscard]] inline Word load_relaxed(const Word& word) noexcept
{
    return std::atomic_ref<Word>(const_cast<Word&>(word)).load(std::memory_order_relaxed);
}
template <class Word>
[[nodiscard]] inline Word load_acquire(const Word& word) noexcept
{
    return std::atomic_ref<Word>(const_cast<Word&>(word)).load(std::memory_order_acquire);
}
template <class Word>
inline void store_relaxed(Word& word, Word value) noexcept
{
    std::atomic_ref<Word>(word).store(value, std::memory_order_relaxed);
}
template <class Word>
inline void store_release(Word& word, Word value) noexcept
{
    std::atomic_ref<Word>(word).store(value, std::memory_order_release);
}

}  // namespace kvdb

#endif
