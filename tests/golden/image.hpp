// SPDX-License-Identifier: BSL-1.0
// A database file as bytes, and the places in it that somebody who damages it on purpose wants to find.
#ifndef KVDB_TESTS_GOLDEN_IMAGE_HPP
#define KVDB_TESTS_GOLDEN_IMAGE_HPP

#include "format/extent.hpp"
#include "format/index.hpp"
#include "format/record.hpp"
#include "format/superblock.hpp"
#include "format/tables.hpp"
#include "format/validate.hpp"
#include "io/file.hpp"
#include "log/journal.hpp"
#include "log/walk.hpp"
#include "support/scratch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace kvdb::golden {

inline constexpr std::uint64_t superblock_at = format::superblock_offset;
inline constexpr std::uint64_t state_at = superblock_at + offsetof(format::superblock, state);
inline constexpr std::uint64_t allocator_at = superblock_at + offsetof(format::superblock, allocator);

struct image {
    std::string bytes;

    template <class Type>
    [[nodiscard]] Type get(std::uint64_t offset) const
    {
        Type value;
        std::memcpy(&value, bytes.data() + offset, sizeof value);
        return value;
    }
    template <class Type>
    void put(std::uint64_t offset, const Type& value)
    {
        std::memcpy(bytes.data() + offset, &value, sizeof value);
    }
    void flip(std::uint64_t offset) { bytes[offset] = static_cast<char>(bytes[offset] ^ 0x10); }

    [[nodiscard]] format::identity_block identity() const { return get<format::identity_block>(superblock_at); }
    [[nodiscard]] std::uint64_t shard_at(std::uint32_t shard) const
    {
        return identity().shard_table_offset + std::uint64_t{shard} * sizeof(format::shard_block);
    }
    [[nodiscard]] format::shard_block shard(std::uint32_t number) const
    {
        return get<format::shard_block>(shard_at(number));
    }

    /// Makes the checksum of the identity block right again.
    void seal_identity()
    {
        format::identity_block id = identity();
        id.checksum = format::identity_checksum(id);
        put(superblock_at, id);
    }
    /// Makes the clean checksum right again.
    void seal_clean()
    {
        format::superblock block = get<format::superblock>(superblock_at);
        std::vector<format::shard_block> shards(block.identity.shard_count);
        std::memcpy(shards.data(), bytes.data() + block.identity.shard_table_offset,
                    shards.size() * sizeof(format::shard_block));
        block.state.clean_checksum = format::clean_checksum(block, shards.data(), block.identity.shard_count);
        put(superblock_at, block);
    }
    void make_unclean() { put(state_at + offsetof(format::state_block, clean), std::uint32_t{0}); }
};

struct placed_record {
    log::found_extent extent;
    log::parsed_record record;  // without its key
    std::string key;
};

/// All records of the file in its order, read back through a scratch copy.
inline std::vector<placed_record> records_of(const image& of, std::vector<log::found_extent>* extents = nullptr)
{
    const testing::scratch_folder folder;
    const auto path = folder / "copy";
    testing::write_bytes(path, of.bytes);
    const io::file file = io::file::open(path, io::access::read);
    std::vector<placed_record> all;
    const auto found = log::find_extents(file, of.identity(), of.bytes.size());
    log::record_walker walker(file);
    for (const log::found_extent& extent : found) {
        if (extent.holds_records()) {
            walker.walk(extent, [&](const log::parsed_record& record) {
                all.push_back({extent, record, std::string(record.key)});
                all.back().record.key = {};
            });
        }
    }
    if (extents != nullptr) {
        *extents = found;
    }
    return all;
}

/// Zeroes whatever the entries of the journal name. Returns how many bytes that were.
inline std::uint64_t forget_journaled(image& of)
{
    const testing::scratch_folder folder;
    const auto path = folder / "copy";
    testing::write_bytes(path, of.bytes);
    const io::file file = io::file::open(path, io::access::read);
    std::uint64_t forgotten = 0;
    for (const log::found_extent& extent : log::find_extents(file, of.identity(), of.bytes.size())) {
        if (extent.kind() == format::extent_kind::journal) {
            log::walk_journal(file, of.identity(), extent, of.bytes.size(),
                              [&](std::uint64_t offset, std::span<const std::byte> bytes) {
                                  std::memset(of.bytes.data() + offset, 0, bytes.size());
                                  forgotten += bytes.size();
                              });
        }
    }
    return forgotten;
}

}  // namespace kvdb::golden

#endif
