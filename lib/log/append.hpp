// SPDX-License-Identifier: BSL-1.0
// Putting a record into bytes. The caller owns the place: nobody reads it before a slot points at it.
#ifndef KVDB_LOG_APPEND_HPP
#define KVDB_LOG_APPEND_HPP

#include "base/hash.hpp"
#include "format/record.hpp"
#include "format/validate.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace kvdb::log {

/// What stands in a record beside its key and value.
struct record_fields {
    format::record_kind kind = format::record_kind::value;
    std::uint64_t sequence = 0;
    bool supersedes = false;
    std::uint64_t victim = 0;  // format::make_victim
    bool wide = false;         // full sequence number as a field of its own
};

[[nodiscard]] inline std::uint16_t meta_of(const record_fields& fields) noexcept
{
    return static_cast<std::uint16_t>(static_cast<unsigned>(fields.kind) |
                                      (fields.supersedes ? format::meta_supersedes : 0U) |
                                      (fields.wide ? format::meta_wide_sequence : 0U));
}

/// True if a sequence number does not fit into 32 bits behind the extent's base.
[[nodiscard]] inline bool needs_wide(std::uint64_t sequence, std::uint64_t base) noexcept
{
    return sequence < base || sequence - base > std::numeric_limits<std::uint32_t>::max();
}

/// Header without checksum, and the optional fields. Returns where the key begins.
inline std::byte* write_head(std::byte* at, std::uint64_t offset, std::uint64_t extent, std::uint64_t base,
                             const record_fields& fields, std::size_t key_length, std::size_t value_length) noexcept
{
    const std::uint64_t back = offset / format::unit_size - extent / format::unit_size;
    format::record_header header{};
    header.key_length = static_cast<std::uint16_t>(key_length);
    header.meta = static_cast<std::uint16_t>(meta_of(fields) | (back << format::meta_back_shift));
    header.value_length = static_cast<std::uint32_t>(value_length);
    header.sequence = fields.wide ? 0 : static_cast<std::uint32_t>(fields.sequence - base);
    std::memcpy(at, &header, sizeof header);
    at += sizeof header;
    if (fields.wide) {
        std::memcpy(at, &fields.sequence, 8);
        at += 8;
    }
    if (fields.supersedes) {
        std::memcpy(at, &fields.victim, 8);
        at += 8;
    }
    return at;
}

/// A whole record of a log extent at `offset`, of record_size bytes, padding zeroed.
inline void write_record(std::byte* at, std::uint64_t offset, std::uint64_t extent, std::uint64_t base,
                         std::uint64_t nonce, const record_fields& fields, std::string_view key,
                         std::string_view value) noexcept
{
    std::byte* body = write_head(at, offset, extent, base, fields, key.size(), value.size());
    std::memcpy(body, key.data(), key.size());
    body += key.size();
    if (!value.empty()) {
        std::memcpy(body, value.data(), value.size());
        body += value.size();
    }
    const std::uint64_t size = format::record_size(meta_of(fields), key.size(), value.size());
    std::memset(body, 0, static_cast<std::size_t>(at + size - body));
    const std::uint32_t checksum = format::record_checksum({at, size}, nonce, offset);
    std::memcpy(at, &checksum, sizeof checksum);
}

/// The mark that ends an extent which is never appended to again.
inline void write_end_mark(std::byte* at, std::uint64_t offset, std::uint64_t extent, std::uint64_t nonce) noexcept
{
    record_fields fields;
    fields.kind = format::record_kind::end;
    write_record(at, offset, extent, 0, nonce, fields, "", {});
}

}  // namespace kvdb::log

#endif
