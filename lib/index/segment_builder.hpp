// SPDX-License-Identifier: BSL-1.0
// A segment put together aside, in this process's memory, before any reader can see it.
#ifndef KVDB_INDEX_SEGMENT_BUILDER_HPP
#define KVDB_INDEX_SEGMENT_BUILDER_HPP

#include "format/index.hpp"
#include "io/memory.hpp"

#include <cstdint>
#include <vector>

namespace kvdb::index {

class segment_builder {
public:
    /// Adds an entry; what finds no place in the buckets goes to the overflow chain.
    void insert(std::uint32_t home, std::uint64_t tag, std::uint64_t record_offset);

    /// Bytes of overflow blocks that `write` needs beside the segment.
    [[nodiscard]] std::uint64_t overflow_bytes() const noexcept;

    /// Copies the segment to `segment_offset` and its overflow blocks to `overflow_offset`, word by word, since
    /// readers of a recycled segment may still look at it.
    void write(io::memory& memory, std::uint64_t segment_offset, std::uint64_t overflow_offset);

private:
    format::segment segment_{};
    std::vector<std::uint64_t> overflow_;  // slots
};

}  // namespace kvdb::index

#endif
