// SPDX-License-Identifier: BSL-1.0
// Looking for a tag in a bucket of eight slots: a portable truth and an accelerated variant, under the same tests.
#ifndef KVDB_INDEX_BUCKET_HPP
#define KVDB_INDEX_BUCKET_HPP

#include "base/atomic.hpp"
#include "format/index.hpp"

#include <cstdint>

#if defined(__SSE4_1__) && !defined(__SANITIZE_THREAD__)
#define KVDB_BUCKET_SSE 1
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef KVDB_BUCKET_SSE
#endif
#endif
#endif

#ifdef KVDB_BUCKET_SSE
#include <immintrin.h>
#endif

namespace kvdb::index {

/// Bits of a slot that are compared: the tag and whether the entry is displaced.
inline constexpr std::uint64_t compared_bits = (format::tag_mask << format::position_bits) | format::slot_displaced;

[[nodiscard]] constexpr std::uint64_t pattern_of(std::uint64_t tag, bool displaced) noexcept
{
    return (tag << format::position_bits) | (displaced ? format::slot_displaced : 0);
}

/// Bit i is set if slot i compares equal. Empty slots can match: the caller loads the slot again before use.
[[nodiscard]] inline std::uint32_t match_portable(const format::bucket& bucket, std::uint64_t pattern) noexcept
{
    std::uint32_t mask = 0;
    for (std::uint32_t i = 0; i < format::slots_per_bucket; ++i) {
        mask |= static_cast<std::uint32_t>((load_relaxed(bucket.slots[i]) & compared_bits) == pattern) << i;
    }
    return mask;
}

#ifdef KVDB_BUCKET_SSE
/// A word for each slot, all ones where it compares equal. The upper halves of the slots hold all compared bits.
/// Vector loads of aligned lines do not tear 8-byte words on x86-64; what matters is loaded again atomically by the
/// caller.
[[nodiscard]] inline __m128i equal_slots(const format::bucket& bucket, std::uint64_t pattern) noexcept
{
    const auto* lines = reinterpret_cast<const __m128*>(bucket.slots);
    const __m128i wanted = _mm_set1_epi32(static_cast<int>(pattern >> 32));
    const __m128i bits = _mm_set1_epi32(static_cast<int>(compared_bits >> 32));
    const __m128i low = _mm_castps_si128(_mm_shuffle_ps(lines[0], lines[1], 0xdd));
    const __m128i high = _mm_castps_si128(_mm_shuffle_ps(lines[2], lines[3], 0xdd));
    return _mm_packs_epi32(_mm_cmpeq_epi32(_mm_and_si128(low, bits), wanted),
                           _mm_cmpeq_epi32(_mm_and_si128(high, bits), wanted));
}

[[nodiscard]] inline std::uint32_t match_sse(const format::bucket& bucket, std::uint64_t pattern) noexcept
{
    return static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_packs_epi16(equal_slots(bucket, pattern), _mm_setzero_si128())));
}
#endif

/// Both buckets of a hash at once: bits 0 to 7 are the home's, 8 to 15 the partner's.
[[nodiscard]] inline std::uint32_t match_both(const format::bucket& home, const format::bucket& partner,
                                              std::uint64_t tag) noexcept
{
    const std::uint64_t at_home = pattern_of(tag, false);
    const std::uint64_t displaced = pattern_of(tag, true);
#ifdef KVDB_BUCKET_SSE
    return static_cast<std::uint32_t>(
        _mm_movemask_epi8(_mm_packs_epi16(equal_slots(home, at_home), equal_slots(partner, displaced))));
#else
    return match_portable(home, at_home) | match_portable(partner, displaced) << format::slots_per_bucket;
#endif
}

[[nodiscard]] inline std::uint32_t match(const format::bucket& bucket, std::uint64_t pattern) noexcept
{
#ifdef KVDB_BUCKET_SSE
    return match_sse(bucket, pattern);
#else
    return match_portable(bucket, pattern);
#endif
}

}  // namespace kvdb::index

#endif
