// SPDX-License-Identifier: BSL-1.0
#include "database/commit.hpp"

#include "base/seeded_fault.hpp"
#include "database/journal.hpp"
#include "io/cancellation.hpp"
#include "io/crash_point.hpp"
#include "io/lock_word.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace kvdb {
namespace {

constexpr std::chrono::microseconds nap{4'000};    // then the leader may be dead
constexpr std::chrono::milliseconds patience{20};  // then it is asked again whether a flush has finished

/// Says in the handle's slot that a flush is under way, until its end is known and written down.
class announcement {
public:
    explicit announcement(const shard::context& all)
    {
        if (all.who.self->is_attached()) {
            slot_ = &all.memory.attachment(all.who.self->slot());
            std::atomic_ref<std::uint64_t>(slot_->announce).fetch_add(1, std::memory_order_acq_rel);
        }
    }
    announcement(const announcement&) = delete;
    announcement& operator=(const announcement&) = delete;
    ~announcement()
    {
        if (slot_ != nullptr) {
            std::atomic_ref<std::uint64_t>(slot_->announce).fetch_sub(1, std::memory_order_acq_rel);
        }
    }

private:
    format::attachment_slot* slot_ = nullptr;
};

bool in_doubt(const shard::context& all) noexcept
{
    const format::state_block& state = all.memory.superblock().state;
    return load_acquire(state.doubts) != load_acquire(state.settled);
}

/// The leader before was killed, perhaps in a flush whose failure it alone was told of.
void doubt_the_dead(const shard::context& all)
{
    format::superblock& block = all.memory.superblock();
    for (std::uint32_t i = 0; i < block.identity.attachment_count; ++i) {
        if (load_relaxed(all.memory.attachment(i).announce) != 0 && !all.who.self->slot_is_live(i)) {
            std::atomic_ref<std::uint64_t>(block.state.doubts).fetch_add(1, std::memory_order_acq_rel);
            return;
        }
    }
}

/// The leader's work: F1, F2.
class group_flush {
public:
    group_flush(const shard::context& all, const io::file& data) : all_(all), data_(data), journal_(all, data) {}

    void run()
    {
        auto& commits = all_.memory.superblock().commits;
        // Whoever the flush before has just let go may be about to come back: with eight threads on two cores this
        // makes the groups larger by half or more.
        if (all_.memory.committers().load(std::memory_order_relaxed) > 1) {
            std::this_thread::yield();
        }
        const std::uint64_t mine = load_relaxed(commits.started) + 1;
        store_release(commits.started, mine);
        std::atomic_thread_fence(std::memory_order_seq_cst);
        slot_ = load_acquire(all_.memory.superblock().state.checkpoint_number);
        collect();
        // After the shards' words: a writer that leaves an extent raises these before it changes those.
        const std::uint64_t whole = load_acquire(commits.whole_wanted);
        const std::uint64_t behind = load_acquire(commits.behind);
        whole_ = (whole_ || whole != load_relaxed(commits.whole_done) || in_doubt(all_)) &&
                 !seeded_fault("commit-never-whole");
        crash_point("commit.collected");
        flush();
        crash_point("commit.flushed");
        store_release(commits.slot_flushed, slot_);
        if (whole_) {
            store_release(commits.whole_done, whole);
            store_release(commits.behind_done, behind);
        }
        for (const request& each : requests_) {
            format::shard_block& block = all_.block(each.shard);
            if (each.left) {
                store_release(block.left_to, std::uint64_t{0});  // nobody else changes it before
                continue;
            }
            // Fails if the shard went on to another extent meanwhile.
            std::uint64_t expected = each.range.begin;
            std::atomic_ref<std::uint64_t>(block.log_durable)
                .compare_exchange_strong(expected, each.range.end, std::memory_order_acq_rel);
        }
        store_release(commits.finished, mine);
        crash_point("commit.finished");
    }

private:
    struct request {
        std::uint32_t shard = 0;
        bool left = false;  // in the extent before
        io::byte_range range;
    };

    void collect()
    {
        const std::uint32_t count = all_.memory.superblock().identity.shard_count;
        for (std::uint32_t i = 0; i < count; ++i) {
            const format::shard_block& block = all_.block(i);
            std::uint64_t begin = load_acquire(block.log_durable);
            const std::uint64_t end = load_acquire(block.log_wanted);
            crash_point("commit.read");
            // Against the order of a writer that leaves the extent: who sees its new words sees what it left.
            if (const std::uint64_t left = load_acquire(block.left_to); left != 0) {
                request_range({i, true, {load_relaxed(block.left_from), left}});
            }
            if (begin >= end) {
                continue;
            }
            if (seeded_fault("commit-forgets-prefix")) {
                begin = std::max(begin, end - 16);
            }
            request_range({i, false, {begin, end}});
        }
    }

    void request_range(const request& wanted)
    {
        const auto [begin, end] = wanted.range;
        if (begin >= end || !all_.in_extents(begin, end - begin)) {
            whole_ = true;  // words that were caught between two extents, or forged
        }
        requests_.push_back(wanted);
    }

    /// The ranges themselves, or a copy of them in the journal; and the slot of the last checkpoint, unless a flush
    /// covered it before.
    void flush()
    {
        if (seeded_fault("commit-without-flush")) {
            return;
        }
        if (whole_) {
            flush_whole(all_, data_);
            journal_.start_over();
            return;
        }
        std::vector<io::byte_range> ranges;
        ranges.reserve(requests_.size() + 1);
        for (const request& each : requests_) {
            ranges.push_back(each.range);
        }
        const auto entry = journal_.append(ranges);
        if (entry) {
            ranges.assign(1, *entry);
        }
        const format::superblock& block = all_.memory.superblock();
        if (slot_ != load_relaxed(block.commits.slot_flushed)) {
            ranges.push_back({block.identity.checkpoint_offset[0],
                              block.identity.checkpoint_offset[1] + format::checkpoint_slot_size});
        }
        flush_or_poison(all_, data_, [&] { all_.memory.sync_ranges(ranges); });
        if (entry) {
            journal_.flushed();
        }
    }

    const shard::context& all_;
    const io::file& data_;
    journal journal_;
    std::vector<request> requests_;
    std::uint64_t slot_ = 0;  // number of the last checkpoint
    bool whole_ = false;
};

/// Counts a thread in, and out again.
class one_of {
public:
    explicit one_of(std::atomic<std::uint32_t>& count) noexcept : count_(count)
    {
        count_.fetch_add(1, std::memory_order_relaxed);
    }
    one_of(const one_of&) = delete;
    one_of& operator=(const one_of&) = delete;
    ~one_of() { count_.fetch_sub(1, std::memory_order_relaxed); }

private:
    std::atomic<std::uint32_t>& count_;
};

/// Unlocks whatever happens, and wakes all: those who were served, and one who will lead next.
class leadership {
public:
    explicit leadership(format::commit_block& commits) noexcept : commits_(commits) {}
    leadership(const leadership&) = delete;
    leadership& operator=(const leadership&) = delete;
    ~leadership()
    {
        io::unlock(commits_.lock);
        io::futex_wake_all(commits_.finished);
    }

private:
    format::commit_block& commits_;
};

}  // namespace

void refuse_if_poisoned(const shard::context& all, const io::file& data)
{
    if (load_acquire(all.memory.superblock().state.poison) != 0) {
        throw error(errc::poisoned, "an earlier flush of '" + data.path().string() +
                                        "' failed; close every handle and open it again to recover what is on disk");
    }
}

void flush_or_poison(const shard::context& all, const io::file& data, const std::function<void()>& flush)
{
    refuse_if_poisoned(all, data);
    const std::lock_guard alone(all.memory.flush_mutex());  // the system tells a description once
    const announcement announced(all);
    try {
        flush();
    } catch (...) {
        if (!seeded_fault("failed-flush-forgotten")) {
            store_release(all.memory.superblock().state.poison, std::uint64_t{1});
        }
        throw;
    }
    refuse_if_poisoned(all, data);  // another process may have been told of a failure that this flush hid
}

void flush_or_poison(const shard::context& all, const io::file& data)
{
    flush_or_poison(all, data, [&] { data.sync(); });
}

void flush_whole(const shard::context& all, const io::file& data)
{
    format::state_block& state = all.memory.superblock().state;
    const std::uint64_t doubts = load_acquire(state.doubts);
    const bool anew = doubts != load_acquire(state.settled);
    flush_or_poison(all, data, [&] {
        if (anew) {
            static_cast<void>(all.memory.covers(load_acquire(state.file_size), 0));  // learns of growth
            all.memory.touch_all();
        }
        data.sync();
    });
    if (anew) {
        store_release(state.settled, doubts);
    }
}

void commit(const shard::context& all, const io::file& data)
{
    const io::no_cancellation whole;
    const one_of one_more(all.memory.committers());
    auto& commits = all.memory.superblock().commits;
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with the leader's
    const std::uint64_t before = load_acquire(commits.started);
    const auto deadline = io::deadline_after(all.who.timeout);
    for (;;) {
        refuse_if_poisoned(all, data);
        const std::uint64_t seen = load_acquire(commits.finished);
        if (seen > before) {
            return;
        }
        if (!io::try_lock(commits.lock, *all.who.self)) {
            io::futex_wait(commits.finished, seen, nap);
            if (load_acquire(commits.finished) != seen) {
                continue;
            }
            // Nothing came of it for long: wait for the lock itself for a while, which sees whether its holder lives.
            try {
                if (io::lock(commits.lock, *all.who.self, patience, "the commit lock") == io::acquired::taken_over) {
                    doubt_the_dead(all);
                }
            } catch (const error& failure) {
                if (failure.reason() != errc::busy) {
                    throw;
                }
                if (std::chrono::steady_clock::now() < deadline) {
                    continue;
                }
                flush_whole(all, data);  // the leader is stopped: its followers flush for themselves
                return;
            }
        }
        const leadership mine(commits);
        if (load_acquire(commits.finished) <= before) {
            group_flush(all, data).run();
        }
        return;
    }
}

void change_beside_commits(const shard::context& all, const io::file& data,
                           const std::function<std::vector<io::byte_range>()>& change)
{
    auto& commits = all.memory.superblock().commits;
    if (io::lock(commits.lock, *all.who.self, all.who.timeout, "the commit lock") == io::acquired::taken_over) {
        doubt_the_dead(all);
    }
    const leadership mine(commits);
    const journal entries(all, data);
    if (!entries.is_empty()) {
        flush_whole(all, data);
        entries.start_over();
    }
    std::vector<io::byte_range> ranges = change();
    if (const auto first = entries.first_entry()) {
        ranges.push_back(*first);
    }
    flush_or_poison(all, data, [&] { all.memory.sync_ranges(ranges); });
}

}  // namespace kvdb
