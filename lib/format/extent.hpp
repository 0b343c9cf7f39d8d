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
    std::uint64_t reserved[3];    // volatile: kept for cleaning
};
static_assert(on_disk<extent_header, 64>);
static_assert(offsetof(extent_header, kind) == 8);
static_assert(offsetof(extent_header, base_sequence) == 32);

inline constexpr std::uint64_t extent_header_size = sizeof(extent_header);
inline constexpr std::size_t extent_checksummed_from = 8;
inline constexpr std::size_t extent_checksummed_to = 40;

/// A free run, linked into a list of the allocator. Volatile; its unit holds no valid extent header. The words lie
/// behind where an extent header would be.
struct free_run {
    std::uint64_t units;
    std::uint64_t next;  // offset of the next free run of the list; 0 = none
};
static_assert(on_disk<free_run, 16>);
inline constexpr std::uint64_t free_run_offset = 64;

}  // namespace kvdb::format

#endif
