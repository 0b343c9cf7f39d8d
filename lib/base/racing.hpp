// SPDX-License-Identifier: BSL-1.0
// Reading bytes that somebody may be changing: what was read is believed only after something else proved that nobody
// was (a shard's shape, an extent's first word, a checksum). ThreadSanitizer, which cannot know, is told here.
#ifndef KVDB_BASE_RACING_HPP
#define KVDB_BASE_RACING_HPP

#include "base/atomic.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SANITIZE_THREAD__)
#define KVDB_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define KVDB_THREAD_SANITIZED 1
#endif
#endif

namespace kvdb {

#ifdef KVDB_THREAD_SANITIZED

__attribute__((no_sanitize("thread"), noinline)) inline void copy_unwatched(void* target, const void* source,
                                                                            std::size_t size) noexcept
{
    const volatile auto* const from = static_cast<const volatile unsigned char*>(source);
    volatile auto* const to = static_cast<volatile unsigned char*>(target);
    for (std::size_t i = 0; i < size; ++i) {
        to[i] = from[i];
    }
}
inline std::uint64_t load_unwatched(const std::uint64_t& word) noexcept
{
    std::uint64_t value = 0;
    copy_unwatched(&value, &word, sizeof value);
    return value;
}

#else

inline void copy_unwatched(void* target, const void* source, std::size_t size) noexcept
{
    std::memcpy(target, source, size);
}
inline std::uint64_t load_unwatched(const std::uint64_t& word) noexcept
{
    return load_relaxed(word);
}

#endif

}  // namespace kvdb

#endif
