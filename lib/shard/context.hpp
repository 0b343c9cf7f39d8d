// SPDX-License-Identifier: BSL-1.0
// What all shards of a handle work with.
#ifndef KVDB_SHARD_CONTEXT_HPP
#define KVDB_SHARD_CONTEXT_HPP

#include "extents/allocator.hpp"
#include "format/index.hpp"
#include "format/tables.hpp"
#include "io/memory.hpp"

#include <atomic>
#include <cstdint>

namespace kvdb::shard {

struct context {
    io::memory& memory;
    extents::allocator& allocator;
    const extents::party& who;
    std::uint64_t seed = 0;
    std::uint64_t shard_table = 0;
    std::uint32_t shard_bits = 0;
    bool verify_reads = false;
    io::file* data = nullptr;  // where durable operations write; none in a private index

    /// True if [offset, offset + bytes) lies behind the fixed tables. What is stored elsewhere, on the word of bytes
    /// that may be forged, could make later checks useless.
    [[nodiscard]] bool in_extents(std::uint64_t offset, std::uint64_t bytes) const
    {
        return offset >= memory.superblock().identity.first_extent_offset && memory.covers(offset, bytes);
    }
    [[nodiscard]] format::shard_block& block(std::uint32_t shard) const noexcept
    {
        return memory.at<format::shard_block>(shard_table + std::uint64_t{shard} * sizeof(format::shard_block));
    }
};

}  // namespace kvdb::shard

#endif
