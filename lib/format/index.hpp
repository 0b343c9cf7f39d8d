// SPDX-License-Identifier: BSL-1.0
// The index at rest: directory -> segments of 64 buckets of 8 slots. Volatile: everything here follows from the log.
//
// 64 bits of hash:     63 ........ 28 | 27 ...... 6 | 5 .... 0
//                      top bits: shard |   tag, 22   | home bucket
// slot, 8 bytes:       63   62          61 ..... 40   39 ........ 0
//                      mark displaced       tag       record offset / 4; 0 = empty
// directory word:      depth << 56 | offset / 64
// directory entry:     local depth << 56 | segment offset / 64; entry number = top `depth` bits of the tag
// segment:             one line of header, then 64 buckets of one line each
// overflow block:      7 slots and a link word: ordinal << 40 | offset / 64 of the next block (ordinals fall to 1)
//
// The mark of slot 7 says that entries whose home is this bucket may lie in their alternative bucket; the mark of
// slot 6, that some may lie in the segment's overflow chain. Marks outlive the entry of their slot.
#ifndef KVDB_FORMAT_INDEX_HPP
#define KVDB_FORMAT_INDEX_HPP

#include "format/constants.hpp"
#include "format/layout.hpp"

namespace kvdb::format {

inline constexpr std::uint32_t position_bits = 40;
inline constexpr std::uint64_t position_mask = (std::uint64_t{1} << position_bits) - 1;
inline constexpr std::uint32_t tag_bits = 22;
inline constexpr std::uint64_t tag_mask = (std::uint64_t{1} << tag_bits) - 1;
inline constexpr std::uint32_t bucket_bits = 6;
inline constexpr std::uint32_t buckets_per_segment = 64;
inline constexpr std::uint32_t slots_per_bucket = 8;
inline constexpr std::uint64_t slot_displaced = std::uint64_t{1} << 62;
inline constexpr std::uint64_t slot_mark = std::uint64_t{1} << 63;
inline constexpr std::uint32_t displaced_mark_slot = 7;
inline constexpr std::uint32_t overflow_mark_slot = 6;
inline constexpr std::uint32_t depth_shift = 56;
inline constexpr std::uint32_t max_depth = tag_bits;

struct bucket {
    std::uint64_t slots[slots_per_bucket];
};
static_assert(on_disk<bucket, 64>);

struct segment {
    std::uint64_t overflow;  // link word of the first overflow block; 0 = none
    std::uint64_t reserved[7];
    bucket buckets[buckets_per_segment];
};
static_assert(on_disk<segment, 4160>);

struct overflow_block {
    std::uint64_t slots[7];
    std::uint64_t next;
};
static_assert(on_disk<overflow_block, 64>);

inline constexpr std::uint32_t ordinal_shift = 40;

[[nodiscard]] constexpr std::uint32_t shard_of(std::uint64_t hash, std::uint32_t shard_bits) noexcept
{
    return static_cast<std::uint32_t>((hash >> 1) >> (63 - shard_bits));
}
[[nodiscard]] constexpr std::uint32_t home_of(std::uint64_t hash) noexcept
{
    return static_cast<std::uint32_t>(hash & (buckets_per_segment - 1));
}
[[nodiscard]] constexpr std::uint64_t tag_of(std::uint64_t hash) noexcept
{
    return (hash >> bucket_bits) & tag_mask;
}
/// The partner of a bucket for a tag: its own inverse.
[[nodiscard]] constexpr std::uint32_t partner_of(std::uint32_t bucket_index, std::uint64_t tag) noexcept
{
    return bucket_index ^ (static_cast<std::uint32_t>(tag & (buckets_per_segment - 1)) | 1U);
}
[[nodiscard]] constexpr std::uint64_t slot_tag(std::uint64_t slot) noexcept
{
    return (slot >> position_bits) & tag_mask;
}
[[nodiscard]] constexpr std::uint64_t slot_offset(std::uint64_t slot) noexcept
{
    return (slot & position_mask) << 2;
}
[[nodiscard]] constexpr std::uint64_t make_slot(std::uint64_t offset, std::uint64_t tag) noexcept
{
    return (offset >> 2) | (tag << position_bits);
}

}  // namespace kvdb::format

#endif
