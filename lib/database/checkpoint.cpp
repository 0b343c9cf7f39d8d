// SPDX-License-Identifier: BSL-1.0
#include "database/checkpoint.hpp"

#include "base/seeded_fault.hpp"
#include "database/commit.hpp"
#include "extents/redo.hpp"
#include "format/validate.hpp"
#include "io/cancellation.hpp"
#include "io/crash_point.hpp"
#include "io/lock_word.hpp"
#include "shard/writer.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>

namespace kvdb {
namespace {

class checkpoint_lock {
public:
    explicit checkpoint_lock(const shard::context& all) : word_(all.memory.superblock().locks.checkpoint)
    {
        static_cast<void>(io::lock(word_, *all.who.self, all.who.timeout, "the checkpoint lock"));
    }
    /// Only if it is free.
    checkpoint_lock(const shard::context& all, std::try_to_lock_t)
        : word_(all.memory.superblock().locks.checkpoint), held_(io::try_lock(word_, *all.who.self))
    {
    }
    checkpoint_lock(const checkpoint_lock&) = delete;
    checkpoint_lock& operator=(const checkpoint_lock&) = delete;
    ~checkpoint_lock()
    {
        if (held_) {
            io::unlock(word_);
        }
    }
    [[nodiscard]] bool is_held() const noexcept { return held_; }

private:
    std::uint64_t& word_;
    bool held_ = true;
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

constexpr extents::program_points note_points{"note-limbo.armed", "note-limbo.step", "note-limbo.disarmed"};

/// Under the shard's lock and that of checkpoints: what is in limbo now may be freed when all that was written so far
/// is durable. What a dead checkpoint left noted comes first. True if anything is noted.
bool note_limbo(const shard::context& all, std::uint32_t shard)
{
    format::shard_block& block = all.block(shard);
    if (block.limbo != 0 && block.releasing == 0) {
        extents::shard_program steps(all.memory, block.intent);
        steps.store(all.memory.offset_of(&block.releasing), block.limbo);
        steps.store(all.memory.offset_of(&block.releasing_bytes), block.limbo_bytes);
        steps.store(all.memory.offset_of(&block.limbo), 0);
        steps.store(all.memory.offset_of(&block.limbo_bytes), 0);
        steps.run(note_points);
    }
    return block.releasing != 0;
}

/// What of the shard was noted. Holding the lock of checkpoints.
void free_noted(const shard::context& all, std::uint32_t shard, bool durably)
{
    std::size_t count = 0;
    extents::for_each_listed(all.memory, shard, load_acquire(all.block(shard).releasing),
                             [&](std::uint64_t, const format::extent_header&) { ++count; });
    for (; count != 0; --count) {
        all.allocator.release_listed(shard, durably);
    }
}

/// What the checkpoint that has just finished noted: nothing that was acknowledged depends on it any more. A header
/// that stood on the medium for longer would swallow what comes to stand in the run.
void release_noted(const shard::context& all, const io::file& data)
{
    const std::uint32_t count = all.memory.superblock().identity.shard_count;
    std::vector<std::uint32_t> shards;
    for (std::uint32_t i = 0; i < count; ++i) {
        if (load_relaxed(all.block(i).releasing) != 0) {
            shards.push_back(i);
        }
    }
    if (shards.empty()) {
        return;
    }
    const auto forget = [&] {
        std::vector<io::byte_range> ranges;
        const auto zeroed = [&](std::uint64_t at) { ranges.push_back({at, at + format::extent_header_size}); };
        const auto zero = [&](std::uint64_t at, format::extent_header& header) {
            store_release(header.checksum, std::uint64_t{0});
            zeroed(at);
            std::ranges::for_each(extents::forget_headers(all.memory, at + format::unit_size, header.units - 1),
                                  zeroed);
        };
        for (const std::uint32_t each : shards) {
            extents::for_each_listed(all.memory, each, load_acquire(all.block(each).releasing), zero);
        }
        crash_point("release.headers-zeroed");
        return ranges;
    };
    all.allocator.settle();
    change_beside_commits(all, data, forget);
    crash_point("release.headers-flushed");
    for (const std::uint32_t each : shards) {
        free_noted(all, each, true);
    }
}

/// All shards at one instant: no number noted is without its record, none published before is missing. All that they
/// published is registered for a commit.
std::vector<std::uint64_t> note_published(const shard::context& all)
{
    const std::uint32_t count = all.memory.superblock().identity.shard_count;
    const locked_shards held = lock_all(all);
    all.allocator.settle();  // the lists of what is freed
    bool whole = false;
    for (std::uint32_t i = 0; i < count; ++i) {
        format::shard_block& block = all.block(i);
        store_release(block.promised, std::uint64_t{1});
        whole = note_limbo(all, i) || whole;
        if (block.log_extent != 0 && !seeded_fault("checkpoint-without-relaxed")) {
            store_release(block.log_wanted, std::max(load_relaxed(block.log_wanted), block.log_tail));
        }
    }
    auto& commits = all.memory.superblock().commits;
    if (whole || load_acquire(commits.behind) != load_acquire(commits.behind_done)) {
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

namespace {

/// Holding its lock.
void make_checkpoint(const shard::context& all, const io::file& data)
{
    format::lock_block& locks = all.memory.superblock().locks;
    const std::uint64_t mine = load_acquire(locks.checkpoints_started) + 1;
    store_release(locks.checkpoints_started, mine);
    const std::vector<std::uint64_t> marks = note_published(all);
    crash_point("checkpoint.noted");
    commit(all, data);
    crash_point("checkpoint.flushed");
    write_checkpoint(all, marks);
    store_release(locks.checkpoints_finished, mine);
    release_noted(all, data);
}

/// Nothing of the shard was acknowledged as durable: no flush is needed before its space is used again.
void release_unpromised(const shard::context& all, std::uint32_t shard)
{
    {
        const shard::locked_shard held(all, shard);
        all.allocator.settle();
        if (load_relaxed(all.block(shard).promised) != 0 || !note_limbo(all, shard)) {
            return;
        }
    }
    free_noted(all, shard, false);
}

}  // namespace

void run_checkpoint(const shard::context& all, const io::file& data)
{
    const io::no_cancellation whole;
    refuse_if_poisoned(all, data);
    const format::lock_block& locks = all.memory.superblock().locks;
    const std::uint64_t started_before = load_acquire(locks.checkpoints_started);
    const checkpoint_lock guard(all);
    if (load_acquire(locks.checkpoints_finished) > started_before) {
        return;  // one that began after this call has finished
    }
    make_checkpoint(all, data);
}

void release_space(const shard::context& all, const io::file& data, std::uint32_t shard) noexcept
{
    const io::no_cancellation whole;
    const format::shard_block& block = all.block(shard);
    try {
        const checkpoint_lock at_once(all, std::try_to_lock);
        std::optional<checkpoint_lock> later;
        if (!at_once.is_held()) {
            constexpr std::uint64_t patience = 1024 * 1024;
            if (load_relaxed(block.limbo_bytes) < 2 * load_relaxed(block.live_bytes) + patience) {
                return;
            }
            later.emplace(all);  // its holder may be dead
        }
        if (load_relaxed(block.promised) == 0) {
            release_unpromised(all, shard);
        } else if (load_acquire(all.memory.superblock().state.poison) == 0) {
            make_checkpoint(all, data);
        }
    } catch (const error&) {
        // No lock to be had, a flush that failed and has poisoned the file, damage.
    } catch (const std::bad_alloc&) {
    }
}

}  // namespace kvdb
