// SPDX-License-Identifier: BSL-1.0
// A record as it lies in memory, checked against the file's bounds.
#ifndef KVDB_SHARD_RECORD_VIEW_HPP
#define KVDB_SHARD_RECORD_VIEW_HPP

#include "base/racing.hpp"
#include "format/record.hpp"
#include "io/memory.hpp"

#include <cstdint>
#include <cstring>
#include <string>
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
    copy_unwatched(&view.header, view.bytes, sizeof view.header);
    view.key_at = format::key_start(view.header.meta);
    view.size = format::record_size(view.header.meta, view.header.key_length, view.header.value_length);
    return memory.covers(offset, view.size);
}

/// The one place where bytes are copied that a writer may be recycling. What was copied is believed only after the
/// shard's shape proved unchanged.
inline void racing_copy(char* target, const char* source, std::size_t size) noexcept
{
#ifdef KVDB_THREAD_SANITIZED
    copy_unwatched(target, source, size);
    return;
#endif
    // Measured: up to here the call of memcpy costs more than the copy. From both ends, overlapping in the middle.
    const auto both_ends = [&](std::size_t half) __attribute__((always_inline))
    {
        for (std::size_t i = 0; i < half; i += 16) {
            __builtin_memcpy(target + i, source + i, 16);
            __builtin_memcpy(target + size - half + i, source + size - half + i, 16);
        }
    };
    if (size - 64 <= 64) {
        both_ends(64);
    } else if (size - 32 < 32) {
        both_ends(32);
    } else if (size - 16 < 16) {
        both_ends(16);
    } else if (size != 0) {  // nothing may have no address
        std::memcpy(target, source, size);
    }
}

/// memcmp == 0, in line for the usual lengths of keys.
[[nodiscard]] inline bool equal_bytes(const void* one, const void* other, std::size_t size) noexcept
{
    const auto* a = static_cast<const char*>(one);
    const auto* b = static_cast<const char*>(other);
    const auto differ = [&](std::size_t at) __attribute__((always_inline))
    {
        std::uint64_t x = 0;
        std::uint64_t y = 0;
        __builtin_memcpy(&x, a + at, sizeof x);
        __builtin_memcpy(&y, b + at, sizeof y);
        return x ^ y;
    };
    if (size - 8 <= 8) {
        return (differ(0) | differ(size - 8)) == 0;
    }
    if (size - 16 <= 16) {
        return (differ(0) | differ(8) | differ(size - 16) | differ(size - 8)) == 0;
    }
    return size == 0 || std::memcmp(a, b, size) == 0;
}

[[nodiscard]] inline bool has_key(const record_view& view, std::string_view key) noexcept
{
    if (view.header.key_length != key.size()) {
        return false;
    }
#ifdef KVDB_THREAD_SANITIZED
    std::string copy(key.size(), '\0');
    copy_unwatched(copy.data(), view.bytes + view.key_at, copy.size());
    return copy == key;
#else
    return equal_bytes(view.bytes + view.key_at, key.data(), key.size());
#endif
}

}  // namespace kvdb::shard

#endif
