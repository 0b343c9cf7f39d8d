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
template <class File>
[[nodiscard]] inline bool view_record(File& memory, std::uint64_t offset, record_view& view)
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
    constexpr std::size_t step = 16;
    constexpr std::size_t inlined = 512;
    if (size < step || size > inlined) {
        std::memcpy(target, source, size);
        return;
    }
    // Measured: for values of this size the call of memcpy costs more than the copy.
    for (std::size_t i = 0; i + step < size; i += step) {
        __builtin_memcpy(target + i, source + i, step);
    }
    __builtin_memcpy(target + size - step, source + size - step, step);
}

/// memcmp == 0, in line for the usual lengths of keys.
[[nodiscard]] inline bool equal_bytes(const void* one, const void* other, std::size_t size) noexcept
{
    constexpr std::size_t step = 8;
    constexpr std::size_t inlined = 64;
    if (size < step || size > inlined) {
        return std::memcmp(one, other, size) == 0;
    }
    const auto* a = static_cast<const char*>(one);
    const auto* b = static_cast<const char*>(other);
    std::uint64_t x = 0;
    std::uint64_t y = 0;
    for (std::size_t i = 0; i + step < size; i += step) {
        __builtin_memcpy(&x, a + i, step);
        __builtin_memcpy(&y, b + i, step);
        if (x != y) {
            return false;
        }
    }
    __builtin_memcpy(&x, a + size - step, step);
    __builtin_memcpy(&y, b + size - step, step);
    return x == y;
}

}  // namespace kvdb::shard

#endif
