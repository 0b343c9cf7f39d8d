// SPDX-License-Identifier: BSL-1.0
#include "database/engine.hpp"

#include <string>

namespace kvdb {
namespace {

std::string uuid_text(const std::uint8_t (&uuid)[16])
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (int i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text += '-';
        }
        text += digits[uuid[i] >> 4];
        text += digits[uuid[i] & 15];
    }
    return text;
}

}  // namespace

statistics collect_statistics(session& of)
{
    statistics result;
    const shard::context& all = of.shards();
    const format::superblock& block = of.superblock();
    const format::identity_block& id = block.identity;
    std::uint64_t segments = 0;
    for (std::uint32_t i = 0; i < id.shard_count; ++i) {
        const format::shard_block& shard = all.block(i);
        result.entries += load_relaxed(shard.entries);
        result.live_bytes += load_relaxed(shard.live_bytes);
        result.dead_bytes += load_relaxed(shard.dead_bytes);
        result.limbo_bytes += load_relaxed(shard.limbo_bytes) + load_relaxed(shard.releasing_bytes);
        segments += load_relaxed(shard.segments);
    }
    result.index_slots = segments * format::buckets_per_segment * format::slots_per_bucket;
    result.load_factor =
        result.index_slots == 0 ? 0 : static_cast<double>(result.entries) / static_cast<double>(result.index_slots);
    result.log_bytes = load_relaxed(block.allocator.log_bytes);
    result.index_bytes = load_relaxed(block.allocator.index_bytes);
    if (const std::uint64_t journal = load_acquire(block.journal.extent); journal != 0) {
        const auto header = extents::extent_at(of.memory(), extents::allocator::offset_of(journal));
        result.journal_bytes = header ? format::bytes_of(*header) : 0;
    }
    result.free_bytes = load_relaxed(block.allocator.free_bytes);
    for (const format::frontier& fresh : block.allocator.frontiers) {
        result.free_bytes += load_relaxed(fresh.end) - load_relaxed(fresh.next);
    }
    result.file_size = of.private_index() ? of.data().size() : load_relaxed(block.state.file_size);
    result.disk_bytes = of.data().disk_bytes();
    result.format_version = id.version;
    result.shard_count = id.shard_count;
    result.max_handles = id.attachment_count;
    result.incarnation = load_relaxed(block.state.incarnation);
    result.sync_generation = load_relaxed(block.state.checkpoint_number);
    result.created_unix_ms = id.created_unix_ms;
    result.uuid = uuid_text(id.uuid);
    result.poisoned = load_relaxed(block.state.poison) != 0;
    result.private_index = of.private_index();
    const format::recovery_record& last = block.state.last_recovery;
    result.last_recovery = {last.at_unix_ms, last.duration_us, last.records_kept, last.entries, last.bytes_dropped};
    for (std::uint32_t i = 0; i < id.attachment_count && !of.private_index(); ++i) {
        const auto& slot = of.memory().attachment(i);
        const std::uint32_t pid = load_relaxed(slot.pid);
        if (pid != 0 && of.slot_is_live(i)) {
            result.writers.push_back({i, pid, load_relaxed(slot.since_unix_ms)});
        }
    }
    return result;
}

}  // namespace kvdb
