// SPDX-License-Identifier: BSL-1.0
// Files that break one check each. Checksums that would give them away too early are made right again.
#ifndef KVDB_TESTS_GOLDEN_MAKE_BAD_HPP
#define KVDB_TESTS_GOLDEN_MAKE_BAD_HPP

#include "album.hpp"

#include "log/append.hpp"

namespace kvdb::golden {

inline constexpr std::uint64_t clean_at = state_at + offsetof(format::state_block, clean);

inline void add_refused(album& pages, const image& base)
{
    image bad{base.bytes.substr(0, 4'000)};
    pages.bad("C1", "short", bad, "shorter than a header");
    bad = base;
    bad.flip(0);
    pages.bad("C2", "first-word", bad, "Boost's first word");
    bad = base;
    bad.flip(superblock_at);
    pages.bad("C3", "magic", bad, "the magic number");
    bad = base;
    bad.flip(superblock_at + offsetof(format::identity_block, uuid));
    pages.bad("C4", "identity", bad, "a byte of the UUID");
    const auto change = [&](const char* check, const char* name, const char* about, auto&& edit) {
        image changed = base;
        format::identity_block id = changed.identity();
        edit(id);
        changed.put(superblock_at, id);
        changed.seal_identity();
        changed.seal_clean();
        pages.bad(check, name, changed, about);
    };
    change("C5", "version", "a later version", [](format::identity_block& id) { id.version = 2; });
    change("C6", "feature", "an incompatible feature",
           [](format::identity_block& id) { id.features_incompatible = 8; });
    change("C7", "unit-size", "another unit size", [](format::identity_block& id) { id.unit_size = 2'048; });
    change("C7", "shards", "three shards", [](format::identity_block& id) { id.shard_count = 3; });
}

inline void add_bad_state(album& pages, const image& base)
{
    image bad = base;
    bad.put(clean_at, std::uint32_t{3});
    pages.bad("C8", "clean-flag", bad, "a clean flag of 3");
    bad = base;
    bad.flip(state_at + offsetof(format::state_block, incarnation));
    pages.bad("C9", "state", bad, "a byte of the state");
    bad = base;
    bad.flip(bad.shard_at(0) + offsetof(format::shard_block, entries));
    pages.bad("C9", "shard", bad, "a byte of the shard table");
    bad = base;
    bad.bytes.resize(bad.bytes.size() - 3'000);
    pages.bad("C10", "truncated", bad, "cut off, though marked clean");
    bad = base;
    bad.flip(format::header_size + offsetof(format::checkpoint_slot, marks));
    pages.bad("C11", "checkpoint", bad, "a mark of a checkpoint slot");
    bad = base;
    bad.put(allocator_at + offsetof(format::allocator_block, intent), std::uint64_t{1});
    bad.seal_clean();
    pages.bad("C14", "armed", bad, "an armed redo program");
    const auto change = [&](const char* check, const char* name, const char* about, auto&& edit) {
        image changed = base;
        format::shard_block block = changed.shard(0);
        edit(block);
        changed.put(changed.shard_at(0), block);
        changed.seal_clean();
        pages.bad(check, name, changed, about);
    };
    using shard = format::shard_block;
    change("C16", "log-end", "log_end of a shard", [](shard& block) { block.log_end -= 1'024; });
    change("C17", "next-sequence", "a sequence number that was used", [](shard& block) { block.next_sequence -= 2; });
    change("C21", "dead-bytes", "a wrong counter", [](shard& block) { block.dead_bytes += 4; });
    change("C23", "run-in-use", "the log extent in use as one to be taken",
           [](shard& block) { block.accepted_log = 0; });
    change("C23", "index-tail", "index space in use as space to come", [](shard& block) { block.index_tail -= 64; });
    change("C23", "free-segment", "a segment in use as the free one", [&](shard& block) {
        const std::uint64_t first_entry = (block.directory & format::position_mask) << 6;
        block.free_segment = (base.get<std::uint64_t>(first_entry) & format::position_mask) << 6;
    });
    change("C23", "index-run-in-use", "an index extent in use as one to be taken",
           [](shard& block) { block.accepted_index = 0; });
}

inline void add_bad_records(album& pages, const image& base, const image& four_shards)
{
    const auto records = records_of(base);
    image bad = base;
    bad.flip(records.front().record.offset + 17);
    pages.bad("C15", "record", bad, "a byte of the first record");
    bad = base;
    bad.flip(records.back().record.offset + 17);
    pages.bad("C16", "last-record", bad, "a byte of the last record");

    bad = four_shards;
    const log::found_extent moved = records_of(four_shards).front().extent;
    format::extent_header header = moved.header;
    header.shard = static_cast<std::uint16_t>((header.shard + 1) % 4);
    header.checksum = format::extent_checksum(header, bad.identity().seed, moved.offset);
    bad.put(moved.offset, header);
    bad.make_unclean();
    pages.bad("C12", "wrong-shard", bad, "an extent that claims another shard");

    bad = base;
    bad.make_unclean();
    const format::shard_block shard = bad.shard(0);
    log::record_fields fields;
    fields.sequence = records.back().record.sequence;
    const std::uint64_t size =
        format::record_size(log::meta_of(fields), records.back().key.size(), std::string_view("twin").size());
    if (shard.log_end - shard.log_tail < size + 16) {
        throw std::runtime_error("no room for a second record");
    }
    log::write_record(reinterpret_cast<std::byte*>(bad.bytes.data()) + shard.log_tail, shard.log_tail,
                      shard.log_extent, shard.base_sequence, shard.nonce, fields, records.back().key, "twin");
    pages.bad("C13", "two-values", bad, "two values with one sequence number");
}

inline void add_bad_index(album& pages, const image& base)
{
    const std::uint64_t directory = (base.shard(0).directory & format::position_mask) << 6;
    const std::uint64_t segment = (base.get<std::uint64_t>(directory) & format::position_mask) << 6;
    std::uint64_t used = 0;
    for (std::uint64_t at = segment + 64; at < segment + sizeof(format::segment); at += 8) {
        used = (base.get<std::uint64_t>(at) & format::position_mask) != 0 ? at : used;
    }
    image bad = base;
    bad.put(directory, base.get<std::uint64_t>(directory) + 1'000'000);
    pages.bad("C18", "directory", bad, "a directory entry that leads out of the file");
    bad = base;
    bad.put(used, std::uint64_t{0});
    pages.bad("C19", "lost-slot", bad, "a slot set to zero");
    bad = base;
    const std::uint64_t dead = records_of(base).front().record.offset;  // overwritten since
    bad.put(used, (base.get<std::uint64_t>(used) & ~format::position_mask) | (dead >> 2));
    pages.bad("C20", "dead-record", bad, "a slot that points at a record which was overwritten");
}

inline void add_bad_free_list(album& pages, const image& base)
{
    for (std::uint64_t at = allocator_at + offsetof(format::allocator_block, free_lists);
         at < allocator_at + offsetof(format::allocator_block, log_bytes); at += 8) {
        const auto run = base.get<std::uint64_t>(at);
        if (run != 0) {
            image bad = base;
            bad.put(run + format::free_run_offset, std::uint64_t{1} << 20);
            pages.bad("C22", "free-run", bad, "a free run longer than the file");
            return;
        }
    }
    throw std::runtime_error("no free run to damage");
}

inline void add_bad(album& pages, const image& base, const image& four_shards, const image& with_free_run)
{
    add_refused(pages, base);
    add_bad_state(pages, base);
    add_bad_records(pages, base, four_shards);
    add_bad_index(pages, base);
    add_bad_free_list(pages, with_free_run);
}

}  // namespace kvdb::golden

#endif
