// SPDX-License-Identifier: BSL-1.0
// The checker: the numbered checks of format-spec/format.md, on a file at rest or in use. No lock is taken: a shard
// that changed while it was looked at is looked at again.
#include "database/check_shard.hpp"
#include "database/engine.hpp"
#include "database/file_head.hpp"
#include "format/validate.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace kvdb {
namespace {

constexpr int most_looks = 8;  // at a shard that others keep writing to

class file_check {
public:
    file_check(session& of, const check_options& how, const progress_function& progress)
        : of_(of), how_(how), progress_(progress), judge_index_(!of.private_index())
    {
    }

    check_report run()
    {
        judge_state();
        judge_checkpoints();
        std::vector<stamp> before = stamps();
        std::vector<log::found_extent> extents = find();
        for (const log::found_extent& extent : extents) {
            total_ += extent.holds_records() ? extent.bytes() : 0;
        }
        for (std::uint32_t shard = 0; shard < of_.identity().shard_count; ++shard) {
            for (int look = 1;; ++look) {
                shard_check one(of_.shards(), of_.data(), shard, extents, judge_index_, how_.checksums);
                one.run([&](std::uint64_t bytes) { advance(look == 1 ? bytes : 0); });
                const bool quiet = before[shard].armed == 0 && stamp_of(shard) == before[shard];
                if (one.faults().empty() || quiet || look == most_looks) {
                    // Under a storm of writes only what no writer can cause is held against the file.
                    take(one, quiet);
                    break;
                }
                before = stamps();
                extents = find();
            }
        }
        judge_space();
        return std::move(report_);
    }

private:
    struct stamp {
        std::uint64_t sequence;
        std::uint64_t shape;
        std::uint64_t armed;
        std::uint64_t incoming;
        std::uint64_t accepted;
        std::uint64_t index_tail;
        std::uint64_t log_tail;
        std::uint64_t emptying;
        std::uint64_t limbo;
        std::uint64_t releasing;
        bool operator==(const stamp&) const = default;
    };

    [[nodiscard]] stamp stamp_of(std::uint32_t shard) const
    {
        const format::shard_block& block = of_.shards().block(shard);
        return {load_acquire(block.next_sequence),
                load_acquire(block.shape),
                load_acquire(block.intent.armed),
                load_acquire(block.incoming_log) ^ load_acquire(block.incoming_index),
                load_acquire(block.accepted_log) ^ load_acquire(block.accepted_index),
                load_acquire(block.index_tail),
                load_acquire(block.log_tail),
                load_acquire(block.emptying),
                load_acquire(block.limbo),
                load_acquire(block.releasing)};
    }
    [[nodiscard]] std::vector<stamp> stamps() const
    {
        std::vector<stamp> all;
        for (std::uint32_t i = 0; i < of_.identity().shard_count; ++i) {
            all.push_back(stamp_of(i));
        }
        return all;
    }
    [[nodiscard]] std::vector<log::found_extent> find() const
    {
        const std::uint64_t limit = of_.private_index() ? std::min(of_.data().size(), format::max_file_size)
                                                        : load_acquire(of_.superblock().state.file_size);
        return log::find_extents(of_.data(), of_.identity(), limit / format::unit_size * format::unit_size);
    }
    void fault(std::uint64_t offset, std::string what)
    {
        if (report_.faults.size() < how_.max_faults) {
            report_.faults.push_back({offset, std::move(what)});
        }
    }
    void advance(std::uint64_t bytes)
    {
        done_ += bytes;
        if (progress_) {
            progress_(std::min(done_, total_), total_);
        }
    }
    void take(const shard_check& one, bool quiet)
    {
        report_.extents += one.extent_count();
        report_.records += one.records();
        report_.entries += one.entries();
        report_.bytes += one.bytes();
        for (const check_fault& each : one.faults()) {
            const bool lasting = each.what.starts_with("C12") || each.what.starts_with("C13");
            if (quiet || lasting) {
                fault(each.offset, each.what);
            }
        }
    }

    void judge_state()
    {
        std::array<std::byte, format::header_size> bytes{};
        static_cast<void>(of_.data().read_at(0, bytes));
        format::superblock block;
        std::memcpy(&block, bytes.data() + format::superblock_offset, sizeof block);
        constexpr std::uint64_t clean_at =
            format::superblock_offset + offsetof(format::superblock, state) + offsetof(format::state_block, clean);
        if (block.state.clean > 1) {
            fault(clean_at, "C8: the clean flag is neither 0 nor 1");
        } else if (block.state.clean == 1 && judge_checksum(block)) {
            judge_disarmed(block);
            judge_size(block.state.file_size);
        }
    }

    void judge_size(std::uint64_t published)
    {
        if (published < of_.identity().first_extent_offset || published > of_.data().size() ||
            published > format::max_file_size) {
            fault(format::superblock_offset + offsetof(format::superblock, state),
                  "C10: the published size is " + std::to_string(published) + ", which cannot be");
        }
    }

    bool judge_checksum(const format::superblock& block)
    {
        const bool right = clean_checksum_holds(of_.data(), block);
        if (!right) {
            fault(format::superblock_offset + offsetof(format::superblock, state) +
                      offsetof(format::state_block, clean_checksum),
                  "C9: the file is marked clean, but the clean checksum does not match");
        }
        return right;
    }

    void judge_disarmed(const format::superblock& block)
    {
        if (block.allocator.intent.armed != 0) {
            fault(format::superblock_offset + offsetof(format::superblock, allocator) +
                      offsetof(format::allocator_block, intent),
                  "C14: a redo program is armed in a clean file");
        }
        for (std::uint32_t i = 0; i < of_.identity().shard_count; ++i) {
            const format::shard_block& shard = of_.shards().block(i);
            if (judge_index_ && load_relaxed(shard.intent.armed) != 0) {
                fault(of_.memory().offset_of(&shard.intent), "C14: a redo program is armed in a clean file");
            }
        }
    }

    void judge_checkpoints()
    {
        int invalid = 0;
        for (const std::uint64_t offset : of_.identity().checkpoint_offset) {
            format::checkpoint_slot slot;
            const auto bytes = std::as_writable_bytes(std::span(&slot, 1));
            const bool whole = of_.data().read_at(offset, bytes) == 0;
            if (!whole || (slot.number != 0 && slot.checksum != format::checkpoint_checksum(slot))) {
                ++invalid;
                // In use, one slot may just be being written.
                if (invalid == 2 || at_rest_clean()) {
                    fault(offset, "C11: the checkpoint slot does not match its checksum");
                }
            }
        }
    }
    [[nodiscard]] bool at_rest_clean() const
    {
        return judge_index_ && load_relaxed(of_.superblock().state.clean) == 1;
    }

    void judge_space();
    void judge_journal(const std::vector<log::found_extent>& extents, std::vector<check_fault>& found) const;

    session& of_;
    const check_options& how_;
    const progress_function& progress_;
    const bool judge_index_;
    check_report report_;
    std::uint64_t total_ = 0;
    std::uint64_t done_ = 0;
};

/// At most one journal, and the header knows of it.
void file_check::judge_journal(const std::vector<log::found_extent>& extents, std::vector<check_fault>& found) const
{
    const std::uint64_t& word = of_.superblock().journal.extent;
    std::uint64_t known = load_acquire(word) == 0 ? 0 : extents::allocator::offset_of(load_acquire(word));
    for (const log::found_extent& extent : extents) {
        if (extent.kind() != format::extent_kind::journal) {
            continue;
        }
        if (extent.offset == known) {
            known = 0;
        } else {
            found.push_back({extent.offset, "C24: this journal is not the one that the header names"});
        }
    }
    if (known != 0) {
        found.push_back({of_.memory().offset_of(&word),
                         "C24: no journal is at offset " + std::to_string(known) + ", which the header names"});
    }
}

void file_check::judge_space()
{
    const format::allocator_block& allocator = of_.superblock().allocator;
    if (!judge_index_) {
        return;
    }
    const std::uint64_t armed = load_acquire(allocator.intent.armed);
    const std::uint64_t order = load_acquire(allocator.next_order);
    const std::uint64_t free_bytes = load_acquire(allocator.free_bytes);
    std::vector<check_fault> found;
    const std::vector<log::found_extent> extents = find();
    const std::uint64_t end = load_acquire(of_.superblock().state.file_size);
    judge_journal(extents, found);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> runs;  // begin, end
    runs.reserve(extents.size());
    for (const log::found_extent& extent : extents) {
        runs.emplace_back(extent.offset, extent.end());
    }
    for (const format::frontier& fresh : allocator.frontiers) {
        const std::uint64_t next = load_relaxed(fresh.next);
        const std::uint64_t behind = load_relaxed(fresh.end);
        if (next > behind || (next != behind && (next < of_.identity().first_extent_offset || behind > end)) ||
            next % format::unit_size != 0 || behind % format::unit_size != 0) {
            found.push_back({of_.memory().offset_of(&fresh), "C22: the frontier is no run of units of the file"});
        } else if (next != behind) {
            runs.emplace_back(next, behind);
        }
    }
    const std::size_t used = runs.size();
    const std::uint64_t most = end / format::unit_size;
    for (const auto& lists : allocator.free_lists) {
        for (const std::uint64_t& head : lists) {
            for (std::uint64_t at = load_acquire(head); at != 0;) {
                const std::uint64_t first = of_.identity().first_extent_offset;
                if (at % format::unit_size != 0 || at < first || at >= end || runs.size() - used > most) {
                    found.push_back(
                        {of_.memory().offset_of(&head),
                         "C22: the free list leads to offset " + std::to_string(at) + ", where no run can be"});
                    break;
                }
                const auto& run = of_.memory().at<format::free_run>(at + format::free_run_offset);
                const format::free_run seen{load_relaxed(run.size), 0, 0, load_relaxed(run.check)};
                const std::uint64_t units = seen.units();
                if (units == 0 || units > (end - at) / format::unit_size ||
                    seen.check != format::free_run_check(seen.size, of_.identity().seed, at)) {
                    found.push_back({at, "C22: the free run has an impossible length"});
                    break;
                }
                runs.emplace_back(at, at + units * format::unit_size);
                at = load_relaxed(run.next);
            }
        }
    }
    std::sort(runs.begin(), runs.end());
    for (std::size_t i = 1; i < runs.size(); ++i) {
        if (runs[i].first < runs[i - 1].second) {
            found.push_back(
                {runs[i].first, "C22: this run overlaps the one at offset " + std::to_string(runs[i - 1].first)});
        }
    }
    // A list that changed while it was followed proves nothing.
    if (armed == 0 && load_acquire(allocator.next_order) == order && load_acquire(allocator.intent.armed) == 0 &&
        load_acquire(allocator.free_bytes) == free_bytes && load_acquire(of_.superblock().state.file_size) == end) {
        for (check_fault& each : found) {
            fault(each.offset, std::move(each.what));
        }
    }
}

}  // namespace

check_report check_file(session& of, const check_options& how, const progress_function& progress)
{
    return file_check(of, how, progress).run();
}

}  // namespace kvdb
