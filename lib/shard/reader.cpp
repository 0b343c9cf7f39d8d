// SPDX-License-Identifier: BSL-1.0
#include "shard/reader.hpp"

#include "base/hash.hpp"
#include "format/extent.hpp"
#include "format/validate.hpp"

#include <string>

namespace kvdb::shard {

void throw_bad_lookup(const context& all, std::uint32_t shard)
{
    throw error(errc::damaged, "the index of shard " + std::to_string(shard) + ", whose block is at offset " +
                                   std::to_string(all.memory.offset_of(&all.block(shard))) +
                                   ", leads outside the file");
}

void verify(const context& all, const record_view& view)
{
    const std::uint64_t extent = format::extent_of(view.offset, view.header.meta);
    bool good = false;
    if (extent < view.offset && all.memory.covers(extent, format::extent_header_size)) {
        const auto header = all.memory.at<format::extent_header>(extent);
        const auto& identity = all.memory.superblock().identity;
        const std::uint64_t end = extent + std::uint64_t{header.units} * format::unit_size;
        if (format::valid_extent(header, identity, extent, all.memory.known_size()) &&
            view.offset + view.size <= end) {
            if (header.kind == static_cast<std::uint16_t>(format::extent_kind::large)) {
                const std::uint64_t body =
                    hash_bytes(view.bytes + view.key_at,
                               std::uint64_t{view.header.key_length} + view.header.value_length, header.nonce);
                good = format::large_checksum({view.bytes, view.key_at}, body, header.nonce, view.offset) ==
                       view.header.checksum;
            } else {
                good = format::record_checksum({view.bytes, view.size}, header.nonce, view.offset) ==
                       view.header.checksum;
            }
        }
    }
    if (!good) {
        throw error(errc::damaged,
                    "the record at offset " + std::to_string(view.offset) + " does not match its checksum");
    }
}

}  // namespace kvdb::shard
