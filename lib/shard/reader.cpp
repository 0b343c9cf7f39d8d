// SPDX-License-Identifier: BSL-1.0
#include "shard/reader.hpp"

#include "base/hash.hpp"
#include "format/validate.hpp"

#include <string>

namespace kvdb::shard {

void throw_bad_lookup(const context& all, std::uint32_t shard)
{
    throw error(errc::damaged, "the index of shard " + std::to_string(shard) + ", whose block is at offset " +
                                   std::to_string(all.memory.offset_of(&all.block(shard))) +
                                   ", leads outside the file");
}

bool intact(const context& all, const record_view& view)
{
    const std::uint64_t extent = format::extent_of(view.offset, view.header.meta);
    const auto header = extents::extent_at(all.memory, extent);
    bool good = header && extent < view.offset && view.offset + view.size <= extent + format::bytes_of(*header);
    if (good && header->kind == static_cast<std::uint16_t>(format::extent_kind::large)) {
        const std::uint64_t length = std::uint64_t{view.header.key_length} + view.header.value_length;
        const std::uint64_t body = hash_bytes(view.bytes + view.key_at, length, header->nonce);
        good = format::large_checksum({view.bytes, view.key_at}, body, header->nonce, view.offset) ==
               view.header.checksum;
    } else if (good) {
        good = format::record_checksum({view.bytes, view.size}, header->nonce, view.offset) == view.header.checksum;
    }
    return good;
}

void throw_not_intact(const record_view& view)
{
    throw error(errc::damaged,
                "the record at offset " + std::to_string(view.offset) + " does not match its checksum");
}

}  // namespace kvdb::shard
