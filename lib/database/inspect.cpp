// SPDX-License-Identifier: BSL-1.0
#include "database/specimen.hpp"

namespace kvdb {
namespace {

using namespace inspection;

std::string bytes_text(const std::uint8_t* bytes, std::size_t size)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < size; ++i) {
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}

void describe_identity(fields& out, const format::identity_block& id, format::verdict verdict)
{
    using block = format::identity_block;
    const describer d(out, format::superblock_offset);
    d.bits(offsetof(block, magic), 8, "magic", id.magic, "\"kvdb\" and four control characters");
    d.number(offsetof(block, version), 4, "version", id.version, "of the file format");
    d.number(offsetof(block, header_size), 4, "header_size", id.header_size, "bytes before the tables");
    d.bits(offsetof(block, features_compatible), 8, "features_compatible", id.features_compatible,
           "unknown ones may be ignored");
    d.bits(offsetof(block, features_read_only), 8, "features_read_only", id.features_read_only,
           "unknown ones forbid writing");
    d.bits(offsetof(block, features_incompatible), 8, "features_incompatible", id.features_incompatible,
           "unknown ones forbid reading");
    d.add(offsetof(block, uuid), 16, "uuid", bytes_text(id.uuid, 16), "identity of the database");
    d.bits(offsetof(block, seed), 8, "seed", id.seed, "of the key hash and the extents' checksums");
    d.number(offsetof(block, hash_id), 4, "hash_id", id.hash_id, "1 = XXH3, 64 bits");
    d.number(offsetof(block, shard_count), 4, "shard_count", id.shard_count, "writers at one time");
    d.number(offsetof(block, unit_size), 4, "unit_size", id.unit_size, "bytes; extents are multiples");
    d.number(offsetof(block, attachment_count), 4, "attachment_count", id.attachment_count,
             "handles that can be attached for writing");
    d.number(offsetof(block, checkpoint_offset), 8, "checkpoint_offset[0]", id.checkpoint_offset[0], "");
    d.number(offsetof(block, checkpoint_offset) + 8, 8, "checkpoint_offset[1]", id.checkpoint_offset[1], "");
    d.number(offsetof(block, shard_table_offset), 8, "shard_table_offset", id.shard_table_offset, "");
    d.number(offsetof(block, attachment_table_offset), 8, "attachment_table_offset", id.attachment_table_offset, "");
    d.number(offsetof(block, first_extent_offset), 8, "first_extent_offset", id.first_extent_offset, "");
    d.number(offsetof(block, created_unix_ms), 8, "created_unix_ms", id.created_unix_ms,
             "milliseconds since 1970 UTC");
    d.number(offsetof(block, checkpoint_slot_size), 4, "checkpoint_slot_size", id.checkpoint_slot_size, "");
    d.number(offsetof(block, shard_block_size), 4, "shard_block_size", id.shard_block_size, "");
    d.number(offsetof(block, attachment_slot_size), 4, "attachment_slot_size", id.attachment_slot_size, "");
    d.number(offsetof(block, segment_size), 4, "segment_size", id.segment_size, "bytes of an index segment");
    d.bits(offsetof(block, checksum), 8, "checksum", id.checksum,
           verdict == format::verdict::wrong_checksum ? "of the fields above: WRONG" : "of the fields above: right");
}

void describe_state(fields& out, const format::state_block& state)
{
    using block = format::state_block;
    const describer d(out, format::superblock_offset + offsetof(format::superblock, state));
    d.number(offsetof(block, file_size), 8, "file_size", state.file_size, "published size in bytes");
    d.number(offsetof(block, clean), 4, "clean", state.clean, "1 = closed in good order");
    d.number(offsetof(block, volatile_layout), 4, "volatile_layout", state.volatile_layout,
             "layout of what can be rebuilt");
    d.number(offsetof(block, incarnation), 8, "incarnation", state.incarnation,
             "raised by every rebuild; the high bits of sequence numbers");
    d.number(offsetof(block, epoch), 8, "epoch", state.epoch, "of snapshots");
    d.number(offsetof(block, poison), 8, "poison", state.poison, "not 0: a flush failed");
    d.bits(offsetof(block, clean_checksum), 8, "clean_checksum", state.clean_checksum,
           "of superblock and shard table, when clean");
    d.number(offsetof(block, rebuilds), 8, "rebuilds", state.rebuilds, "of the volatile bytes");
    d.number(offsetof(block, clock_ms), 8, "clock_ms", state.clock_ms, "reserved");
    const std::uint64_t at = offsetof(block, file);
    d.add(at, 16, "file.boot_id", bytes_text(state.file.boot_id, 16), "boot in which volatile bytes were written");
    d.bits(at + 16, 8, "file.device", state.file.device, "");
    d.number(at + 24, 8, "file.inode", state.file.inode, "");
    d.number(at + 32, 8, "file.birth_ns", state.file.birth_ns, "");
    d.bits(at + 40, 8, "file.mount_id", state.file.mount_id, "");
    d.bits(at + 48, 8, "file.checksum", state.file.checksum, "");
    d.number(offsetof(block, checkpoint_number), 8, "checkpoint_number", state.checkpoint_number,
             "of the latest finished checkpoint");
    d.number(offsetof(block, openings), 8, "openings", state.openings, "of the file by a first writer");
    const std::uint64_t last = offsetof(block, last_recovery);
    d.number(last, 8, "last_recovery.at_unix_ms", state.last_recovery.at_unix_ms, "");
    d.number(last + 8, 8, "last_recovery.duration_us", state.last_recovery.duration_us, "");
    d.number(last + 16, 8, "last_recovery.records_kept", state.last_recovery.records_kept, "");
    d.number(last + 24, 8, "last_recovery.entries", state.last_recovery.entries, "");
    d.number(last + 32, 8, "last_recovery.bytes_dropped", state.last_recovery.bytes_dropped, "");
}

void describe_allocator(fields& out, const format::allocator_block& allocator)
{
    using block = format::allocator_block;
    const describer d(out, format::superblock_offset + offsetof(format::superblock, allocator));
    d.number(0, 8, "frontiers[0].next", allocator.frontiers[0].next, "fresh space for records");
    d.number(8, 8, "frontiers[0].end", allocator.frontiers[0].end, "");
    d.number(16, 8, "frontiers[1].next", allocator.frontiers[1].next, "fresh space for the index");
    d.number(24, 8, "frontiers[1].end", allocator.frontiers[1].end, "");
    d.number(offsetof(block, free_bytes), 8, "free_bytes", allocator.free_bytes,
             "in lists of free runs, frontiers not counted");
    d.number(offsetof(block, next_order), 8, "next_order", allocator.next_order, "order number of the next extent");
    d.number(offsetof(block, log_bytes), 8, "log_bytes", allocator.log_bytes, "in log extents");
    d.number(offsetof(block, index_bytes), 8, "index_bytes", allocator.index_bytes, "in index extents");
    d.number(offsetof(block, intent), 8, "intent.armed", allocator.intent.armed,
             "words of an unfinished redo program");
}

void describe_journal(fields& out, const format::journal_block& journal)
{
    using block = format::journal_block;
    const describer d(out, format::superblock_offset + offsetof(format::superblock, journal));
    d.number(offsetof(block, extent), 8, "journal.extent", (journal.extent & 0xffff'ffffU) * format::unit_size,
             "where the journal of commits is; 0 = none");
    d.number(offsetof(block, next), 4, "journal.next", journal.next & 0xffff'ffffU,
             "bytes from its start to the next entry");
    d.number(offsetof(block, next) + 4, 4, "journal.lap", journal.next >> 32, "how often it began anew");
}

}  // namespace

std::vector<inspected_field> inspect_header(const std::filesystem::path& path)
{
    const specimen seen(path);
    fields out;
    out.push_back({0, 4, "boost_word", std::to_string(seen.boost_word()), "Boost.Interprocess: 2 = initialised"});
    describe_identity(out, seen.identity(), seen.verdict());
    describe_state(out, seen.block().state);
    describe_allocator(out, seen.block().allocator);
    describe_journal(out, seen.block().journal);
    return out;
}

}  // namespace kvdb
