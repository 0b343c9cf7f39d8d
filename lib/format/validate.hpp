// SPDX-License-Identifier: BSL-1.0
// Judging untrusted bytes. Nothing here throws, allocates or trusts a length it has not checked.
#ifndef KVDB_FORMAT_VALIDATE_HPP
#define KVDB_FORMAT_VALIDATE_HPP

#include "format/extent.hpp"
#include "format/record.hpp"
#include "format/superblock.hpp"
#include "format/tables.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvdb::format {

enum class verdict : std::uint8_t {
    good,
    too_short,
    not_initialised,  // Boost's word is not 2
    wrong_magic,
    wrong_checksum,
    unknown_version,
    unknown_feature,  // an incompatible flag
    write_forbidden,  // a read-only-compatible flag: read, do not write
    wrong_geometry,   // sizes and offsets contradict each other or the file's size
};
[[nodiscard]] const char* describe(verdict what) noexcept;

/// The first header_size bytes of a file that is `file_size` long.
[[nodiscard]] verdict judge_header(std::span<const std::byte> bytes, std::uint64_t file_size) noexcept;

[[nodiscard]] std::uint64_t identity_checksum(const identity_block& block) noexcept;
[[nodiscard]] std::uint64_t file_identity_checksum(const file_identity& identity) noexcept;
[[nodiscard]] std::uint64_t checkpoint_checksum(const checkpoint_slot& slot) noexcept;
/// The word `check` of a free run of that size at that offset.
[[nodiscard]] std::uint64_t free_run_check(std::uint64_t size, std::uint64_t seed, std::uint64_t offset) noexcept;

[[nodiscard]] std::uint64_t clean_checksum(const superblock& block, const shard_block* shards,
                                           std::uint32_t count) noexcept;
[[nodiscard]] std::uint64_t extent_checksum(const extent_header& header, std::uint64_t seed,
                                            std::uint64_t offset) noexcept;

/// A header at `offset` that is whole, of a known kind and shard, and whose run ends within `file_size`.
[[nodiscard]] bool valid_extent(const extent_header& header, const identity_block& identity, std::uint64_t offset,
                                std::uint64_t file_size) noexcept;

/// Checksum of a record in a log extent: `bytes` are all of it, padding included.
[[nodiscard]] std::uint32_t record_checksum(std::span<const std::byte> bytes, std::uint64_t nonce,
                                            std::uint64_t offset) noexcept;
/// Checksum of a record in a large extent: header and optional fields, and the hash of key and value.
[[nodiscard]] std::uint32_t large_checksum(std::span<const std::byte> head, std::uint64_t body_hash,
                                           std::uint64_t nonce, std::uint64_t offset) noexcept;

/// Which fields may stand together: kinds, flags and lengths, apart from place and checksum.
[[nodiscard]] bool plausible_meta(const record_header& header) noexcept;

}  // namespace kvdb::format

#endif
