// SPDX-License-Identifier: BSL-1.0
#include "database/checkpoint.hpp"

#include "format/validate.hpp"
#include "io/cancellation.hpp"
#include "io/crash_point.hpp"
#include "io/lock_word.hpp"
#include "shard/writer.hpp"

#include <algorithm>
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

void refuse_if_poisoned(const shard::context& all, const io::file& data)
{
    if (load_acquire(all.memory.superblock().state.poison) != 0) {
        throw error(errc::poisoned, "an earlier flush of '" + data.path().string() +
                                        "' failed; close every handle and open it again to recover what is on disk");
    }
}

/// All shards at one instant: no number noted is without its record, none published before is missing.
std::vector<std::uint64_t> note_published(const shard::context& all)
{
    const std::uint32_t count = all.memory.superblock().identity.shard_count;
    std::vector<std::unique_ptr<shard::locked_shard>> held;
    held.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        held.push_back(std::make_unique<shard::locked_shard>(all, i));
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

void flush_or_poison(const shard::context& all, const io::file& data)
{
    refuse_if_poisoned(all, data);
    try {
        data.sync();
    } catch (const error&) {
        store_release(all.memory.superblock().state.poison, std::uint64_t{1});
        throw;
    }
    refuse_if_poisoned(all, data);  // another process may have been told of a failure that this flush hid
}

void write_checkpoint(const shard::context& all, const io::file& data, const std::vector<std::uint64_t>& marks,
                      bool flush)
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
    if (flush) {
        flush_or_poison(all, data);
    }
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
    flush_or_poison(all, data);
    crash_point("checkpoint.flushed");
    write_checkpoint(all, data, marks);
    store_release(locks.checkpoints_finished, mine);
}

}  // namespace kvdb
