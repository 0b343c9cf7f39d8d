// SPDX-License-Identifier: BSL-1.0
#include "shard/writer.hpp"

#include "base/seeded_fault.hpp"
#include "extents/redo.hpp"
#include "io/lock_word.hpp"

#include <algorithm>

namespace kvdb::shard {
namespace {

constexpr extents::program_points seal_points{"seal.armed", "seal.step", "seal.disarmed"};

using program = extents::shard_program;

}  // namespace

locked_shard::locked_shard(const context& all, std::uint32_t shard, std::chrono::milliseconds limit)
    : all_(all), shard_(shard)
{
    lock(limit);
}

locked_shard::~locked_shard()
{
    if (held_) {
        unlock();
    }
}

void locked_shard::unlock() noexcept
{
    held_ = false;
    io::unlock(block().lock);
}

void locked_shard::lock(std::chrono::milliseconds limit)
{
    const io::acquired how = io::lock(block().lock, *all_.who.self, limit, "a shard's lock");
    held_ = true;
    try {
        repair_after(how == io::acquired::taken_over);
    } catch (...) {
        unlock();
        throw;
    }
}

void locked_shard::repair_after(bool taken_over)
{
    if (seeded_fault("intent-never-tested")) {
        store_release(block().intent.armed, std::uint64_t{0});
    }
    // Every locker looks, however it came by the lock: the one who took it over may have died as well.
    const bool redone = program::replay(all_.memory, block().intent);
    if (redone || taken_over) {
        seal_behind_the_dead(all_, shard_, redone);
    }
}

void seal_behind_the_dead(const context& all, std::uint32_t shard, bool redone)
{
    const format::shard_block& block = all.block(shard);
    if (block.log_extent == 0) {
        return;
    }
    require_log_place(all, shard);
    // What was armed was published. But the cleaner writes several records before it publishes the first.
    const auto& behind = all.memory.at<format::record_header>(block.log_tail);
    if (!redone || behind.checksum != 0 || behind.meta != 0) {
        seal(all, shard);
    }
}

void request_flush_of_left(const context& all, format::shard_block& block)
{
    if (seeded_fault("left-extent-forgotten")) {
        return;
    }
    const std::uint64_t durable = load_acquire(block.log_durable);
    const std::uint64_t wanted = load_relaxed(block.log_wanted);
    const std::uint64_t tail = std::max(wanted, block.log_extent != 0 ? block.log_tail : 0);
    auto& commits = all.memory.superblock().commits;
    if (wanted > durable && load_acquire(block.left_to) == 0) {
        store_relaxed(block.left_from, durable);
        store_release(block.left_to, tail);  // pairs with the leader's acquire
    } else if (tail > durable) {
        std::atomic_ref<std::uint64_t>(commits.behind).fetch_add(1, std::memory_order_relaxed);
        if (wanted > durable) {
            std::atomic_ref<std::uint64_t>(commits.whole_wanted).fetch_add(1, std::memory_order_relaxed);
        }
    }
}

void seal(const context& all, std::uint32_t shard)
{
    format::shard_block& block = all.block(shard);
    if (block.log_extent == 0) {
        return;
    }
    require_log_place(all, shard);
    const std::uint64_t tail = block.log_tail;
    log::write_end_mark(all.memory.base() + tail, tail, block.log_extent, block.nonce);
    crash_point("seal.marked");
    request_flush_of_left(all, block);
    program steps(all.memory, block.intent);
    static_assert(offsetof(format::shard_block, log_end) == offsetof(format::shard_block, log_extent) + 16);
    const std::uint64_t extent = block.log_extent;
    const auto& header = all.memory.at<format::extent_header>(extent);
    steps.store(all.memory.offset_of(&header.link), format::make_link(0, block.filled));
    steps.store(all.memory.offset_of(&header.wear),
                format::make_wear(load_acquire(all.memory.superblock().locks.checkpoints_started), block.log_dead));
    steps.store(all.memory.offset_of(&block.filled), extent);
    steps.store(all.memory.offset_of(&block.log_dead), 0);
    steps.fill(all.memory.offset_of(&block.log_extent), 0, 3);
    steps.run(seal_points);
}

}  // namespace kvdb::shard
