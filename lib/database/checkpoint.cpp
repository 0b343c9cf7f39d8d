// SPDX-License-Identifier: BSL-1.0
#include "database/checkpoint.hpp"

#include "base/seeded_fault.hpp"
#include "database/commit.hpp"
#include "format/validate.hpp"
#include "io/cancellation.hpp"
#include "io/crash_point.hpp"
#include "io/lock_word.hpp"
#include "shard/writer.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>

namespace kvdb {
namespace {

class checkpoint_lock {
public:
    explicit checkpoint_lock(const shard::context& all) : word_(all.memory.superblock().locks.checkpoint)
    {
        static_cast<void>(io::lock(word_, *all.who.self, all.who.timeout, "the checkpoint lock"));
    }
    checkpoint_lock(const checkpoint_lock&) = delete;
    checkpoint_lock& operator=(const checkpoint_lock&) = delete;
    ~checkpoint_lock() { io::unlock(word_); }

private:
    std::uint64_t& word_;
};

using locked_shards = std::vector<std::unique_ptr<shard::locked_shard>>;

/// A shard whose lock is not to be had soon is waited for with no other lock held: it may be that its holder is
/// stopped, and nobody else shall wait for that.
locked_shards lock_all(const shard::context& all)
{
    constexpr std::chrono::milliseconds soon{20};
    const std::uint32_t count = all.memory.superblock().identity.shard_count;
    const auto deadline = io::deadline_after(all.who.timeout);
    for (;;) {
        locked_shards held;
        held.reserve(count);
        std::uint32_t next = 0;
        try {
            for (; next < count; ++next) {
                held.push_back(std::make_unique<shard::locked_shard>(all, next, std::min(soon, all.who.timeout)));
            }
            return held;
        } catch (const error& failure) {
            if (failure.reason() != errc::busy) {
                throw;
            }
        }
        held.clear();
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        const shard::locked_shard alone(all, next, std::max(left, std::chrono::milliseconds(0)));
    }
}

/// All shards at one instant: no number noted is without its record, none published before is missing. All that they
/// published is registered for a commit.
std::vector<std::uint64_t> note_published(const shard::context& all)
{
    const std::uint32_t count = all.memory.superblock().identity.shard_count;
    const locked_shards held = lock_all(all);
    for (std::uint32_t i = 0; i < count; ++i) {
        format::shard_block& block = all.block(i);
        if (block.log_extent != 0 && !seeded_fault("checkpoint-without-relaxed")) {
            store_release(block.log_wanted, std::max(load_relaxed(block.log_wanted), block.log_tail));
        }
    }
    auto& commits = all.memory.superblock().commits;
    if (load_acquire(commits.behind) != load_acquire(commits.behind_done)) {
        std::atomic_ref<std::uint64_t>(commits.whole_wanted).fetch_add(1, std::memory_order_relaxed);
    }
    return published_sequences(all);
}

}  // namespace

std::vector<std::uint64_t> published_sequences(const shard::context& all)
{
    std::vector<std::uint64_t> marks(all.memory.superblock().identity.shard_count);
    for (std::uint32_t i = 0; i < marks.size(); ++i) {
        marks[i] = load_relaxed(all.block(i).next_sequence) - 1;
    }
    return marks;
}

void write_checkpoint(const shard::context& all, const std::vector<std::uint64_t>& marks)
{
    const format::superblock& block = all.memory.superblock();
    format::checkpoint_slot* slots[2];
    std::uint64_t numbers[2];
    for (int i = 0; i < 2; ++i) {
        slots[i] = &all.memory.at<format::checkpoint_slot>(block.identity.checkpoint_offset[i]);
        const bool valid = slots[i]->checksum == format::checkpoint_checksum(*slots[i]);
        numbers[i] = valid ? slots[i]->number : 0;
    }
    const int older = numbers[0] <= numbers[1] ? 0 : 1;
    const format::checkpoint_slot& newest = *slots[1 - older];
    format::checkpoint_slot next{};
    next.number = std::max(numbers[0], numbers[1]) + 1;
    next.incarnation = block.state.incarnation;
    next.finished_unix_ms = io::unix_milliseconds();
    for (std::size_t i = 0; i < marks.size(); ++i) {
        const std::uint64_t before = numbers[1 - older] != 0 ? newest.marks[i] : 0;
        next.marks[i] = std::max(marks[i], before);  // marks only rise
    }
    next.checksum = format::checkpoint_checksum(next);
    std::memcpy(slots[older], &next, sizeof next);
    store_release(all.memory.superblock().state.checkpoint_number, next.number);
    crash_point("checkpoint.written");
}

void run_checkpoint(const shard::context& all, const io::file& data)
{
    const io::no_cancellation whole;
    refuse_if_poisoned(all, data);
    format::lock_block& locks = all.memory.superblock().locks;
    const std::uint64_t started_before = load_acquire(locks.checkpoints_started);
    const checkpoint_lock guard(all);
    if (load_acquire(locks.checkpoints_finished) > started_before) {
        return;  // one that began after this call has finished
    }
    const std::uint64_t mine = load_acquire(locks.checkpoints_started) + 1;
    store_release(locks.checkpoints_started, mine);
    const std::vector<std::uint64_t> marks = note_published(all);
    crash_point("checkpoint.noted");
    commit(all, data);
    crash_point("checkpoint.flushed");
    write_checkpoint(all, marks);
    store_release(locks.checkpoints_finished, mine);
}

}  // namespace kvdb
