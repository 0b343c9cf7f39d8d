// SPDX-License-Identifier: BSL-1.0
// A record of the log: never changed once a slot points at it.
//
//   0  u32 checksum       of everything behind it, padding included; seeded with nonce + offset of the record
//   4  u16 key length
//   6  u16 meta           bits 0-1 kind, 2 supersedes, 3 expiry, 4 previous, 5 batch, 6 wide sequence, 7 zero,
//                         8-15 units between the record's own unit and its extent's header
//   8  u32 value length
//  12  u32 sequence       minus the extent's base; zero if bit 6 is set
//  16  u64 each, as flagged and in this order: wide sequence, supersedes, expiry, previous, batch id, batch count
//      key, value, zeros up to a multiple of 4
//
// In an extent of kind large, key and value are hashed by themselves (seed: nonce), before the lock is taken, and the
// checksum covers the header and that hash instead of the bytes.
#ifndef KVDB_FORMAT_RECORD_HPP
#define KVDB_FORMAT_RECORD_HPP

#include "format/constants.hpp"
#include "format/layout.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace kvdb::format {

enum class record_kind : std::uint8_t { value = 1, tombstone = 2, end = 3 };

inline constexpr std::uint16_t meta_kind_mask = 3;
inline constexpr std::uint16_t meta_supersedes = 1U << 2;
inline constexpr std::uint16_t meta_expiry = 1U << 3;
inline constexpr std::uint16_t meta_previous = 1U << 4;
inline constexpr std::uint16_t meta_batch = 1U << 5;
inline constexpr std::uint16_t meta_wide_sequence = 1U << 6;
inline constexpr std::uint16_t meta_reserved = 1U << 7;
inline constexpr std::uint32_t meta_back_shift = 8;

struct record_header {
    std::uint32_t checksum;
    std::uint16_t key_length;
    std::uint16_t meta;
    std::uint32_t value_length;
    std::uint32_t sequence;
};
static_assert(on_disk<record_header, 16>);
static_assert(offsetof(record_header, meta) == 6);

inline constexpr std::uint64_t record_header_size = sizeof(record_header);
inline constexpr std::uint64_t record_alignment = 4;

[[nodiscard]] constexpr record_kind kind_of(std::uint16_t meta) noexcept
{
    return static_cast<record_kind>(meta & meta_kind_mask);
}
namespace detail {

inline constexpr unsigned first_flag = 2;  // bit of meta
inline constexpr unsigned all_flags =
    (meta_supersedes | meta_expiry | meta_previous | meta_batch | meta_wide_sequence) >> first_flag;

/// Where the key begins, by flags.
inline constexpr auto key_starts = [] {
    std::array<std::uint8_t, all_flags + 1> table{};
    for (unsigned flags = 0; flags <= all_flags; ++flags) {
        const bool of_batch = (flags << first_flag & meta_batch) != 0;  // its id, and its count
        table[flags] = static_cast<std::uint8_t>(
            record_header_size + 8U * (static_cast<unsigned>(std::popcount(flags)) + (of_batch ? 1U : 0U)));
    }
    return table;
}();

}  // namespace detail

/// Bytes of header and optional fields: where the key begins.
[[nodiscard]] constexpr std::uint64_t key_start(std::uint16_t meta) noexcept
{
    return detail::key_starts[meta >> detail::first_flag & detail::all_flags];
}
[[nodiscard]] constexpr std::uint64_t record_size(std::uint16_t meta, std::uint64_t key_length,
                                                  std::uint64_t value_length) noexcept
{
    return (key_start(meta) + key_length + value_length + record_alignment - 1) & ~(record_alignment - 1);
}
[[nodiscard]] constexpr std::uint64_t wide_sequence_at(std::uint16_t) noexcept
{
    return record_header_size;
}
[[nodiscard]] constexpr std::uint64_t supersedes_at(std::uint16_t meta) noexcept
{
    return record_header_size + ((meta & meta_wide_sequence) != 0 ? 8U : 0U);
}
/// A victim as a record names it: offset / 4 in the low 40 bits, the low 24 bits of its checksum above.
[[nodiscard]] constexpr std::uint64_t make_victim(std::uint64_t offset, std::uint32_t checksum) noexcept
{
    return (offset >> 2) | (static_cast<std::uint64_t>(checksum) << 40);
}
namespace detail {

[[nodiscard]] inline std::uint64_t field_at(const std::byte* record, std::uint64_t at) noexcept
{
    std::uint64_t value = 0;
    std::memcpy(&value, record + at, sizeof value);
    return value;
}

}  // namespace detail

/// The sequence number of a record whose header is `header` and whose head lies at `record`, in an extent of that
/// base.
[[nodiscard]] inline std::uint64_t sequence_of(const std::byte* record, const record_header& header,
                                               std::uint64_t base) noexcept
{
    return (header.meta & meta_wide_sequence) != 0 ? detail::field_at(record, wide_sequence_at(header.meta))
                                                   : base + header.sequence;
}
/// The victim that it names; 0 = none.
[[nodiscard]] inline std::uint64_t victim_of(const std::byte* record, const record_header& header) noexcept
{
    return (header.meta & meta_supersedes) != 0 ? detail::field_at(record, supersedes_at(header.meta)) : 0;
}
/// Offset of the extent header that a record's meta points back to.
[[nodiscard]] constexpr std::uint64_t extent_of(std::uint64_t offset, std::uint16_t meta) noexcept
{
    return offset - offset % unit_size - (static_cast<std::uint64_t>(meta >> meta_back_shift) * unit_size);
}

}  // namespace kvdb::format

#endif
