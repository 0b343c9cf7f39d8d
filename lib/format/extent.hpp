// SPDX-License-Identifier: BSL-1.0
// An extent: a run of units that begins with this header.
#ifndef KVDB_FORMAT_EXTENT_HPP
#define KVDB_FORMAT_EXTENT_HPP

#include "format/constants.hpp"
#include "format/layout.hpp"

namespace kvdb::format {

enum class extent_kind : std::uint16_t { log = 1, index = 2, large = 3, journal = 4 };

/// `checksum` covers the bytes from `kind` to `base_sequence`, seeded with the file's seed + the extent's offset.
struct extent_header {
    std::uint64_t checksum;
    std::uint16_t kind;
    std::uint16_t shard;
    std::uint32_t units;          // length of the run, this header's unit included
    std::uint64_t order;          // raised with every extent of the file
    std::uint64_t nonce;          // random; seeds the checksums of the records inside
    std::uint64_t base_sequence;  // records count from here
    std::uint64_t link;           // volatile: bytes that were cleaned << 32 | unit number of the next of its list
    std::uint64_t wear;           // volatile: number of checkpoints when it was left << 32 | bytes of dead records
    std::uint64_t since;          // volatile: the shard's next sequence number when its cleaning began
};
static_assert(on_disk<extent_header, 64>);
static_assert(offsetof(extent_header, kind) == 8);
static_assert(offsetof(extent_header, base_sequence) == 32);

static_assert(offsetof(extent_header, link) == 40);

[[nodiscard]] constexpr extent_kind kind_of(const extent_header& header) noexcept
{
    return static_cast<extent_kind>(header.kind);
}
/// Length of the whole run.
[[nodiscard]] constexpr std::uint64_t bytes_of(const extent_header& header) noexcept
{
    return std::uint64_t{header.units} * unit_size;
}

inline constexpr std::uint64_t extent_header_size = sizeof(extent_header);
inline constexpr std::size_t extent_checksummed_from = 8;
inline constexpr std::size_t extent_checksummed_to = 40;

// The volatile words of a header. Extents of one shard stand in lists, linked by `link`.
[[nodiscard]] constexpr std::uint64_t make_link(std::uint64_t cleaned, std::uint64_t next_offset) noexcept
{
    return (cleaned << 32) | (next_offset / unit_size);
}
[[nodiscard]] constexpr std::uint64_t next_of(std::uint64_t link) noexcept
{
    return (link & 0xffff'ffffU) * unit_size;
}
/// Bytes from the header on that the cleaner is through with.
[[nodiscard]] constexpr std::uint64_t cleaned_of(std::uint64_t link) noexcept
{
    return link >> 32;
}
/// In place of the above: holds something that is no record, and is not cleaned.
inline constexpr std::uint64_t never_cleaned = 0xffff'ffffU;

[[nodiscard]] constexpr std::uint64_t make_wear(std::uint64_t left_at, std::uint64_t dead) noexcept
{
    return (left_at << 32) | dead;
}
[[nodiscard]] constexpr std::uint64_t dead_of(std::uint64_t wear) noexcept
{
    return wear & 0xffff'ffffU;
}
[[nodiscard]] constexpr std::uint64_t left_at_of(std::uint64_t wear) noexcept
{
    return wear >> 32;
}

/// A free run, linked into a list of the allocator. Volatile; its unit holds no valid extent header. The words lie
/// behind where an extent header would be.
struct free_run {
    std::uint64_t size;   // bits 0-47 units, 48 run class, 49 blocks were given back to the file system
    std::uint64_t next;   // offset of the next free run of the list; 0 = none
    std::uint64_t prev;   // of the one before; 0 = the list begins here
    std::uint64_t check;  // tells a free run from what merely looks like one

    [[nodiscard]] constexpr std::uint64_t units() const noexcept { return size & 0xffff'ffff'ffffU; }
    [[nodiscard]] constexpr std::uint32_t run_class() const noexcept
    {
        return static_cast<std::uint32_t>(size >> 48 & 1);
    }
    [[nodiscard]] constexpr bool punched() const noexcept { return (size >> 49 & 1) != 0; }
};
static_assert(on_disk<free_run, 32>);
inline constexpr std::uint64_t free_run_offset = 64;
/// The last word of a free run is its offset, so that who frees the run behind it finds it.
inline constexpr std::uint64_t free_run_footer = 8;

[[nodiscard]] constexpr std::uint64_t make_free_size(std::uint64_t units, std::uint32_t run_class,
                                                     bool punched) noexcept
{
    return units | std::uint64_t{run_class} << 48 | std::uint64_t{punched ? 1U : 0U} << 49;
}

}  // namespace kvdb::format

#endif
