// SPDX-License-Identifier: BSL-1.0
// The first lines of a file, as one read finds them.
#ifndef KVDB_DATABASE_FILE_HEAD_HPP
#define KVDB_DATABASE_FILE_HEAD_HPP

#include "format/superblock.hpp"
#include "io/file.hpp"

#include <array>
#include <cstddef>
#include <cstring>

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

}  // namespace kvdb

#endif
