// SPDX-License-Identifier: BSL-1.0
// A record as it lies in memory, checked against the file's bounds.
#ifndef KVDB_SHARD_RECORD_VIEW_HPP
#define KVDB_SHARD_RECORD_VIEW_HPP

#include "format/record.hpp"
#include "io/memory.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>

namespace kvdb::shard {

struct record_view {
    std::uint64_t offset = 0;
    const std::byte* bytes = nullptr;
    format::record_header header{};
    std::uint64_t key_at = 0;
    std::uint64_t size = 0;

    [[nodiscard]] std::string_view key() const noexcept
    {
        return {reinterpret_cast<const char*>(bytes) + key_at, header.key_length};
    }
    [[nodiscard]] std::string_view value() const noexcept
    {
        return {reinterpret_cast<const char*>(bytes) + key_at + header.key_length, header.value_length};
    }
};

/// Loads header and bounds once. False if no record can lie there.
[[nodiscard]] inline bool view_record(io::memory& memory, std::uint64_t offset, record_view& view)
{
    if (!memory.covers(offset, format::record_header_size)) [[unlikely]] {
        return false;
    }
    view.offset = offset;
    view.bytes = memory.base() + offset;
    std::memcpy(&view.header, view.bytes, sizeof view.header);
    view.key_at = format::key_start(view.header.meta);
    view.size = format::record_size(view.header.meta, view.header.key_length, view.header.value_length);
    return memory.covers(offset, view.size);
}

/// The one place where bytes are copied that a writer may be recycling. What was copied is believed only after the
/// shard's shape proved unchanged.
inline void racing_copy(char* target, const char* source, std::size_t size) noexcept
{
    std::memcpy(target, source, size);
}

}  // namespace kvdb::shard

#endif
