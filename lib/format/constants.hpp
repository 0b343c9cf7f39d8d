// SPDX-License-Identifier: BSL-1.0
// The numbers of the file format, shared by everybody who reads or writes it. No structure, no behaviour.
#ifndef KVDB_FORMAT_CONSTANTS_HPP
#define KVDB_FORMAT_CONSTANTS_HPP

#include <cstddef>
#include <cstdint>

namespace kvdb::format {

inline constexpr std::uint64_t magic = 0x0a1a0d0a6264766bULL;  // "kvdb\n\r\x1a\n" read as a little-endian word
inline constexpr std::uint32_t version = 1;
inline constexpr std::uint32_t volatile_layout = 1;  // layout of what is rebuilt, not read, by other versions
inline constexpr std::uint32_t boost_initialised = 2;

inline constexpr std::uint64_t superblock_offset = 16;
inline constexpr std::uint64_t superblock_size = 4064;
inline constexpr std::uint64_t header_size = 4096;

inline constexpr std::uint32_t unit_size = 1024;
inline constexpr std::uint64_t max_file_size = std::uint64_t{1} << 42;  // positions have 40 bits of 4 bytes

inline constexpr std::uint32_t min_shards = 1;
inline constexpr std::uint32_t max_shards = 256;
inline constexpr std::uint32_t min_attachments = 8;
inline constexpr std::uint32_t max_attachments = 65'000;

inline constexpr std::uint64_t checkpoint_slot_size = 4096;

inline constexpr std::uint32_t hash_xxh3_64 = 1;

inline constexpr std::uint64_t features_compatible_known = 0;
inline constexpr std::uint64_t features_read_only_known = 0;
inline constexpr std::uint64_t features_incompatible_known = 0;
// Incompatible features that the record format has room for and that version 1 writers do not use yet.
inline constexpr std::uint64_t feature_batches = 1;
inline constexpr std::uint64_t feature_expiry = 2;
inline constexpr std::uint64_t feature_previous_versions = 4;

inline constexpr std::uint32_t sequence_bits = 44;  // a sequence number is incarnation << 44 | counter

inline constexpr std::uint64_t max_key_size = 65'535;
inline constexpr std::uint64_t max_value_size = 4'294'967'295ULL;

// Records of at least this many bytes get an extent of their own.
inline constexpr std::uint64_t large_record_size = 32 * 1024;
inline constexpr std::uint64_t max_log_extent_size = 256 * 1024;  // back distances have 8 bits of units

// The journal of commits. Small files have none.
inline constexpr std::uint64_t max_journal_size = 1024 * 1024;

// Beyond this size, log extents and all others keep to different 2 MiB-aligned regions.
inline constexpr std::uint64_t region_size = 2 * 1024 * 1024;

}  // namespace kvdb::format

#endif
