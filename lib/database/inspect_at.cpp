// SPDX-License-Identifier: BSL-1.0
// inspect_at and inspect_key: places of a file explained.
#include "base/hash.hpp"
#include "database/specimen.hpp"
#include "format/index.hpp"
#include "index/lookup.hpp"
#include "log/walk.hpp"

#include <bit>
#include <optional>

namespace kvdb {
namespace {

using namespace inspection;

const char* kind_name(std::uint16_t kind) noexcept
{
    switch (static_cast<format::extent_kind>(kind)) {
        case format::extent_kind::log: return "log";
        case format::extent_kind::index: return "index";
        case format::extent_kind::large: return "large";
        case format::extent_kind::journal: return "journal";
    }
    return "unknown";
}

std::string printable(std::string_view bytes, std::size_t most = 64)
{
    std::string text = "\"";
    for (const char c : bytes.substr(0, most)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte > 0x7e || c == '"' || c == '\\') {
            constexpr char digits[] = "0123456789abcdef";
            text += "\\x";
            text += digits[byte >> 4];
            text += digits[byte & 15];
        } else {
            text += c;
        }
    }
    return text + (bytes.size() > most ? "\"... " + std::to_string(bytes.size()) + " bytes" : "\"");
}

void describe_extent(fields& out, const specimen& seen, std::uint64_t offset, const format::extent_header& header)
{
    const describer d(out, offset);
    const bool right = header.checksum == format::extent_checksum(header, seen.identity().seed, offset);
    d.bits(0, 8, "extent.checksum", header.checksum, right ? "right" : "WRONG");
    d.add(8, 2, "extent.kind", kind_name(header.kind), "what the run holds");
    d.number(10, 2, "extent.shard", header.shard, "whose it is");
    d.number(12, 4, "extent.units", header.units, "length in units of 1024 bytes");
    d.number(16, 8, "extent.order", header.order, "rises with every extent of the file");
    d.bits(24, 8, "extent.nonce", header.nonce, "seeds the checksums of the records inside");
    d.number(32, 8, "extent.base_sequence", header.base_sequence, "sequence numbers inside count from here");
}

void describe_record(fields& out, const log::parsed_record& record, const format::record_header& header)
{
    const describer d(out, record.offset);
    const char* kind = record.kind == format::record_kind::value ? "value" : "tombstone";
    d.bits(0, 4, "record.checksum", header.checksum, "right");
    d.number(4, 2, "record.key_length", header.key_length, "bytes");
    d.bits(6, 2, "record.meta", header.meta, std::string(kind) + "; flags; units back to the extent's header");
    d.number(8, 4, "record.value_length", header.value_length, "bytes");
    d.number(12, 4, "record.sequence", header.sequence,
             "full number " + std::to_string(record.sequence) + ", incarnation " +
                 std::to_string(record.sequence >> format::sequence_bits));
    if (record.supersedes) {
        d.number(format::supersedes_at(header.meta), 8, "record.supersedes", format::slot_offset(record.victim),
                 "offset of the record that it replaces; 0 = none");
    }
    d.add(record.key_offset - record.offset, header.key_length, "record.key", printable(record.key), "");
    d.number(record.key_offset - record.offset + header.key_length, header.value_length, "record.value",
             record.value_length, "bytes");
}

/// Explains the record around `offset`, if a valid one covers it.
bool describe_record_around(fields& out, const specimen& seen, const log::found_extent& extent, std::uint64_t offset)
{
    bool found = false;
    log::record_walker walker(seen.file());
    const log::walk_end end = walker.walk(extent, [&](const log::parsed_record& record) {
        if (offset >= record.offset && offset < record.offset + record.size) {
            describe_record(out, record, seen.load<format::record_header>(record.offset));
            found = true;
        }
    });
    if (!found && offset >= end.offset) {
        const bool mark = end.why == log::walk_end::reason::end_mark;
        out.push_back({end.offset, extent.end() - end.offset, mark ? "end_mark" : "tail", "",
                       mark ? "nothing is appended behind it" : "behind the last valid record"});
        found = true;
    }
    return found;
}

/// The fixed tables in front of the first extent.
void describe_table(fields& out, const specimen& seen, std::uint64_t offset)
{
    const format::identity_block& id = seen.identity();
    const auto row = [&](std::uint64_t table, std::uint64_t size, const std::string& name, const char* meaning) {
        const std::uint64_t number = (offset - table) / size;
        out.push_back({table + number * size, size, name + "[" + std::to_string(number) + "]",
                       "byte " + std::to_string((offset - table) % size) + " of it", meaning});
    };
    const std::uint64_t attachments_end =
        id.attachment_table_offset + std::uint64_t{id.attachment_count} * sizeof(format::attachment_slot);
    if (offset < id.shard_table_offset) {
        row(id.checkpoint_offset[0], format::checkpoint_slot_size, "checkpoint_slot", "what a sync made durable");
    } else if (offset < id.attachment_table_offset) {
        row(id.shard_table_offset, sizeof(format::shard_block), "shard_block", "a shard's lock, tail and counters");
        const auto shard = seen.load<format::shard_block>(out.back().offset);
        const describer d(out, out.back().offset);
        d.number(offsetof(format::shard_block, shape), 8, "shard.shape", shard.shape, "raised when slots move");
        d.bits(offsetof(format::shard_block, directory), 8, "shard.directory", shard.directory,
               "depth << 56 | offset / 64");
        d.bits(offsetof(format::shard_block, lock), 8, "shard.lock", shard.lock, "0 = free");
        d.number(offsetof(format::shard_block, next_sequence), 8, "shard.next_sequence", shard.next_sequence, "");
        d.number(offsetof(format::shard_block, log_extent), 8, "shard.log_extent", shard.log_extent, "offset");
        d.number(offsetof(format::shard_block, log_tail), 8, "shard.log_tail", shard.log_tail, "offset");
        d.number(offsetof(format::shard_block, entries), 8, "shard.entries", shard.entries, "");
        d.number(offsetof(format::shard_block, live_bytes), 8, "shard.live_bytes", shard.live_bytes, "");
        d.number(offsetof(format::shard_block, dead_bytes), 8, "shard.dead_bytes", shard.dead_bytes, "");
    } else if (offset < attachments_end) {
        row(id.attachment_table_offset, sizeof(format::attachment_slot), "attachment_slot", "a handle's place");
    } else {
        out.push_back({attachments_end, id.first_extent_offset - attachments_end, "padding", "", "zero"});
    }
}

std::optional<log::found_extent> extent_around(const specimen& seen, std::uint64_t offset)
{
    for (const log::found_extent& extent : log::find_extents(seen.file(), seen.identity(), seen.usable())) {
        if (offset >= extent.offset && offset < extent.end()) {
            return extent;
        }
    }
    return std::nullopt;
}

/// The last valid record of a key with the highest sequence number, straight from the log.
struct newest {
    log::parsed_record record;
    log::found_extent extent;
};
std::optional<newest> newest_record(const specimen& seen, std::uint32_t shard, std::string_view key)
{
    std::optional<newest> best;
    log::record_walker walker(seen.file());
    for (const log::found_extent& extent : log::find_extents(seen.file(), seen.identity(), seen.usable())) {
        if (extent.header.shard != shard || !extent.holds_records()) {
            continue;
        }
        walker.walk(extent, [&](const log::parsed_record& record) {
            const bool higher =
                !best || record.sequence > best->record.sequence ||
                (record.sequence == best->record.sequence && record.kind == format::record_kind::value);
            if (record.key == key && higher) {
                best = newest{record, extent};
            }
        });
    }
    if (best) {
        best->record.key = key;  // the walker's buffer has moved on
    }
    return best;
}

/// Directory entry, segment, bucket: where the index would look. Nothing if it cannot be followed.
void describe_index_path(fields& out, const specimen& seen, std::uint64_t shard_offset, std::uint64_t hash)
{
    const auto shard = seen.load<format::shard_block>(shard_offset);
    const index::directory_view directory(shard.directory);
    const std::uint64_t tag = format::tag_of(hash);
    if (shard.directory == 0 || directory.depth > format::max_depth) {
        out.push_back({shard_offset + offsetof(format::shard_block, directory), 8, "directory", hex(shard.directory),
                       "no index yet"});
        return;
    }
    const std::uint64_t entry_at = directory.entry_offset(tag);
    const auto entry = seen.load<std::uint64_t>(entry_at);
    const std::uint64_t segment_at = index::segment_of_entry(entry);
    out.push_back({entry_at, 8, "directory entry",
                   std::to_string(tag >> (format::tag_bits - directory.depth)) + " of " +
                       std::to_string(std::uint64_t{1} << directory.depth),
                   "the top " + std::to_string(directory.depth) + " bits of the tag"});
    out.push_back({segment_at, sizeof(format::segment), "segment",
                   "local depth " + std::to_string(index::depth_of_entry(entry)), "64 buckets of 8 slots"});
    const std::uint32_t home = format::home_of(hash);
    for (const std::uint32_t bucket : {home, format::partner_of(home, tag)}) {
        const std::uint64_t at = segment_at + offsetof(format::segment, buckets) + 64ULL * bucket;
        const auto slots = seen.load<format::bucket>(at);
        int used = 0;
        for (const std::uint64_t slot : slots.slots) {
            used += (slot & format::position_mask) != 0 ? 1 : 0;
        }
        out.push_back({at, 64, bucket == home ? "home bucket" : "partner bucket", std::to_string(bucket),
                       std::to_string(used) + " of 8 slots in use"});
        for (std::uint64_t i = 0; i < format::slots_per_bucket; ++i) {
            const std::uint64_t slot = slots.slots[i];
            if ((slot & format::position_mask) != 0 && format::slot_tag(slot) == tag) {
                out.push_back({at + 8 * i, 8, "slot", hex(slot),
                               "has this tag and points at offset " + std::to_string(format::slot_offset(slot))});
            }
        }
    }
}

}  // namespace

std::vector<inspected_field> inspect_at(const std::filesystem::path& path, std::uint64_t offset)
{
    specimen seen(path);
    seen.require_whole();
    seen.complete_log();
    if (offset >= seen.size()) {
        throw error(errc::invalid_argument, "offset " + std::to_string(offset) + " lies behind the end of '" +
                                                path.string() + "', which has " + std::to_string(seen.size()) +
                                                " bytes");
    }
    fields out;
    if (offset < format::header_size) {
        for (inspected_field& field : inspect_header(path)) {
            if (offset >= field.offset && offset < field.offset + field.size) {
                out.push_back(std::move(field));
            }
        }
        if (out.empty()) {
            out.push_back({offset, 1, "header", "", "a reserved byte, or one of a list of free runs"});
        }
    } else if (offset < seen.identity().first_extent_offset) {
        describe_table(out, seen, offset);
    } else if (const auto extent = extent_around(seen, offset)) {
        describe_extent(out, seen, extent->offset, extent->header);
        if (extent->holds_records() && offset >= extent->offset + format::extent_header_size) {
            static_cast<void>(describe_record_around(out, seen, *extent, offset));
        }
    } else {
        out.push_back({offset - offset % format::unit_size, format::unit_size, "free unit", "", "no extent is here"});
    }
    return out;
}

std::vector<inspected_field> inspect_key(const std::filesystem::path& path, std::string_view key)
{
    specimen seen(path);
    seen.require_whole();
    seen.complete_log();
    const format::identity_block& id = seen.identity();
    const std::uint64_t hash = hash_key(key, id.seed);
    const auto bits = static_cast<std::uint32_t>(std::countr_zero(id.shard_count));
    const std::uint32_t shard = format::shard_of(hash, bits);
    const std::uint64_t shard_at = id.shard_table_offset + std::uint64_t{shard} * sizeof(format::shard_block);
    fields out;
    out.push_back({0, 0, "key", printable(key), std::to_string(key.size()) + " bytes"});
    out.push_back({0, 0, "hash", hex(hash), "XXH3 with the file's seed"});
    out.push_back(
        {shard_at, sizeof(format::shard_block), "shard", std::to_string(shard), "the top bits of the hash"});
    out.push_back({0, 0, "tag", hex(format::tag_of(hash)), "bits 6 to 27 of the hash"});
    try {
        describe_index_path(out, seen, shard_at, hash);
    } catch (const error& failure) {
        out.push_back({shard_at, 0, "index", "", std::string("cannot be followed: ") + failure.what()});
    }
    const auto found = newest_record(seen, shard, key);
    if (!found || found->record.kind == format::record_kind::tombstone) {
        out.push_back({found ? found->record.offset : 0, 0, "absent", "",
                       found ? "the newest record is a tombstone" : "no record of the key is in the log"});
        return out;
    }
    describe_extent(out, seen, found->extent.offset, found->extent.header);
    describe_record(out, found->record, seen.load<format::record_header>(found->record.offset));
    out.push_back({found->record.offset, found->record.size, "record", std::to_string(found->record.value_length),
                   "bytes of value, the newest of this key"});
    return out;
}

}  // namespace kvdb
