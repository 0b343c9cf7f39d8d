// SPDX-License-Identifier: BSL-1.0
// The first lines of a file, as one read finds them.
#ifndef KVDB_DATABASE_FILE_HEAD_HPP
#define KVDB_DATABASE_FILE_HEAD_HPP

#include "format/superblock.hpp"
#include "format/validate.hpp"
#include "io/file.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

namespace kvdb {

struct file_head {
    std::array<std::byte, format::header_size> bytes{};
    format::superblock block{};

    explicit file_head(const io::file& data)
    {
        static_cast<void>(data.read_at(0, bytes));
        std::memcpy(&block, bytes.data() + format::superblock_offset, sizeof block);
    }
};

/// Is the shard table the one that the clean checksum of this superblock covers?
[[nodiscard]] inline bool clean_checksum_holds(const io::file& data, const format::superblock& block)
{
    std::vector<format::shard_block> shards(block.identity.shard_count);
    const auto bytes = std::as_writable_bytes(std::span(shards));
    return data.read_at(block.identity.shard_table_offset, bytes) == 0 &&
           block.state.clean_checksum == format::clean_checksum(block, shards.data(), block.identity.shard_count);
}

}  // namespace kvdb

#endif
