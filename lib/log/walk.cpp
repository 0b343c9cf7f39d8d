// SPDX-License-Identifier: BSL-1.0
#include "log/walk.hpp"

#include "base/hash.hpp"
#include "format/validate.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

namespace kvdb::log {
namespace {

constexpr std::uint64_t window = 1024 * 1024;

/// The optional fields of a head that lies whole in memory.
void read_fields(const std::byte* head, const format::record_header& header, std::uint64_t base,
                 parsed_record& record) noexcept
{
    record.kind = format::kind_of(header.meta);
    record.checksum = header.checksum;
    record.value_length = header.value_length;
    record.sequence = format::sequence_of(head, header, base);
    record.supersedes = (header.meta & format::meta_supersedes) != 0;
    record.victim = format::victim_of(head, header);
}

bool all_zero(const std::byte* bytes, std::size_t size) noexcept
{
    return std::all_of(bytes, bytes + size, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

std::vector<found_extent> find_extents(const io::file& file, const format::identity_block& identity,
                                       std::uint64_t limit, std::vector<std::uint64_t>* cut_off)
{
    std::vector<found_extent> found;
    std::vector<std::byte> buffer;  // as long as the longest read: of a file without much free space a few units
    std::uint64_t loaded_from = 0;
    std::uint64_t loaded = 0;
    for (std::uint64_t at = identity.first_extent_offset; at + format::unit_size <= limit;) {
        if (at < loaded_from || at + format::extent_header_size > loaded_from + loaded) {
            // After a jump over a run only its successor is wanted; over free space, many units in a row.
            const bool jumped = at != loaded_from + loaded;
            const std::uint64_t wanted = std::min(jumped ? 4 * std::uint64_t{format::unit_size} : window, limit - at);
            buffer.resize(std::max<std::uint64_t>(buffer.size(), wanted));
            loaded = wanted - file.read_at(at, {buffer.data(), wanted});
            loaded_from = at;
            if (loaded < format::extent_header_size) {
                break;
            }
        }
        found_extent extent;
        extent.offset = at;
        std::memcpy(&extent.header, buffer.data() + (at - loaded_from), sizeof extent.header);
        if (format::valid_extent(extent.header, identity, at, limit)) {
            found.push_back(extent);
            at = extent.end();
        } else {
            if (cut_off != nullptr && format::valid_extent(extent.header, identity, at, format::max_file_size)) {
                cut_off->push_back(at);
            }
            at += format::unit_size;
        }
    }
    return found;
}

bool record_walker::parse(const found_extent& extent, std::uint64_t at, parsed_record& record) const
{
    const std::uint64_t size = buffer_.size();
    format::record_header header;
    std::memcpy(&header, buffer_.data() + at, sizeof header);
    if (!format::plausible_meta(header)) {
        return false;
    }
    const std::uint64_t length = format::record_size(header.meta, header.key_length, header.value_length);
    const std::uint64_t offset = extent.offset + at;
    if (length > size - at || format::extent_of(offset, header.meta) != extent.offset) {
        return false;
    }
    if (verify_ &&
        format::record_checksum({buffer_.data() + at, length}, extent.header.nonce, offset) != header.checksum) {
        return false;
    }
    read_fields(buffer_.data() + at, header, extent.header.base_sequence, record);
    record.offset = offset;
    record.size = length;
    record.key_offset = offset + format::key_start(header.meta);
    record.key = {reinterpret_cast<const char*>(buffer_.data()) + at + format::key_start(header.meta),
                  header.key_length};
    return true;
}

walk_end record_walker::walk_log(const found_extent& extent, const taker& take)
{
    buffer_.resize(extent.bytes());
    const std::size_t missing = file_.read_at(extent.offset, buffer_);
    buffer_.resize(buffer_.size() - missing);
    std::uint64_t at = format::extent_header_size;
    parsed_record record;
    while (at + format::record_header_size <= buffer_.size()) {
        if (!parse(extent, at, record)) {
            walk_end stopped{walk_end::reason::blank, extent.offset + at, 0};
            if (!all_zero(buffer_.data() + at, format::record_header_size)) {
                stopped.why = walk_end::reason::invalid;
                std::uint64_t last = buffer_.size();
                while (last > at && buffer_[last - 1] == std::byte{0}) {
                    --last;
                }
                stopped.bytes_dropped = last - at;
            }
            return stopped;
        }
        if (record.kind == format::record_kind::end) {
            return {walk_end::reason::end_mark, record.offset, 0};
        }
        take(record);
        at += record.size;
    }
    return {walk_end::reason::full, extent.offset + at, 0};
}

bool record_walker::body_hash(const found_extent& extent, std::uint64_t at, std::uint64_t length,
                              std::uint64_t& hash) const
{
    const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
    if (state == nullptr || XXH3_64bits_reset_withSeed(state.get(), extent.header.nonce) == XXH_ERROR) {
        throw error(errc::no_memory, "cannot verify a large value: out of memory");
    }
    std::vector<std::byte> chunk(std::min(window, length));
    for (std::uint64_t done = 0; done < length;) {
        const std::uint64_t part = std::min<std::uint64_t>(chunk.size(), length - done);
        if (file_.read_at(extent.offset + at + done, {chunk.data(), part}) != 0) {
            return false;
        }
        XXH3_64bits_update(state.get(), chunk.data(), part);
        done += part;
    }
    hash = XXH3_64bits_digest(state.get());
    return true;
}

walk_end record_walker::walk_large(const found_extent& extent, const taker& take)
{
    constexpr std::uint64_t at = format::extent_header_size;
    // The head and the longest key are looked at in memory, the value in pieces.
    buffer_.resize(std::min<std::uint64_t>(extent.bytes(), at + 128 + format::max_key_size));
    const std::size_t missing = file_.read_at(extent.offset, buffer_);
    buffer_.resize(buffer_.size() - missing);
    walk_end stopped{walk_end::reason::invalid, extent.offset + at, 0};
    format::record_header header{};
    if (buffer_.size() < at + sizeof header) {
        return stopped;
    }
    std::memcpy(&header, buffer_.data() + at, sizeof header);
    const std::uint64_t start = format::key_start(header.meta);
    const std::uint64_t length = format::record_size(header.meta, header.key_length, header.value_length);
    if (!format::plausible_meta(header) || format::kind_of(header.meta) == format::record_kind::end ||
        length > extent.bytes() - at || format::extent_of(extent.offset + at, header.meta) != extent.offset ||
        at + start + header.key_length > buffer_.size()) {
        stopped.why = all_zero(buffer_.data() + at, sizeof header) ? walk_end::reason::blank : stopped.why;
        return stopped;
    }
    std::uint64_t hash = 0;
    const std::uint64_t body = std::uint64_t{header.key_length} + header.value_length;
    if (verify_ && (!body_hash(extent, at + start, body, hash) ||
                    format::large_checksum({buffer_.data() + at, start}, hash, extent.header.nonce,
                                           extent.offset + at) != header.checksum)) {
        return stopped;
    }
    parsed_record record;
    read_fields(buffer_.data() + at, header, extent.header.base_sequence, record);
    record.offset = extent.offset + at;
    record.size = length;
    record.key_offset = record.offset + start;
    record.key = {reinterpret_cast<const char*>(buffer_.data()) + at + start, header.key_length};
    take(record);
    return {walk_end::reason::full, record.offset + length, 0};
}

}  // namespace kvdb::log
