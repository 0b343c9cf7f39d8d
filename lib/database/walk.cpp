// SPDX-License-Identifier: BSL-1.0
// Visiting all entries. The walk goes through each shard by tag prefix, not by place: a segment that splits behind or
// before the cursor does not make it miss or repeat a key that is there all along.
#include "database/engine.hpp"
#include "index/lookup.hpp"
#include "shard/reader.hpp"

#include <algorithm>
#include <vector>

namespace kvdb {
namespace {

constexpr std::uint64_t tags = std::uint64_t{1} << format::tag_bits;

/// The slots of one segment at one instant, and the tag behind its range.
struct segment_copy {
    std::vector<std::uint64_t> words;
    std::uint64_t next_tag = tags;
};

/// A record that stands in two slots, because a move is under way or its writer died in it, counts once.
void drop_twins(std::vector<std::uint64_t>& words)
{
    const auto place = [](std::uint64_t word) { return word & format::position_mask; };
    std::sort(words.begin(), words.end(), [&](auto a, auto b) { return place(a) < place(b); });
    words.erase(std::unique(words.begin(), words.end(), [&](auto a, auto b) { return place(a) == place(b); }),
                words.end());
}

/// False if the index leads outside the file.
bool copy_segment(io::memory& memory, std::uint64_t directory_word, std::uint64_t tag, segment_copy& copy)
{
    copy.words.clear();
    copy.next_tag = tags;
    const index::directory_view directory(directory_word);
    if (!directory.plausible(memory)) {
        return false;
    }
    const std::uint64_t entry = load_acquire(memory.at<std::uint64_t>(directory.entry_offset(tag)));
    const std::uint32_t depth = index::depth_of_entry(entry);
    const std::uint64_t offset = index::segment_of_entry(entry);
    if (depth > directory.depth || offset == 0 || !memory.covers(offset, sizeof(format::segment))) {
        return false;
    }
    const std::uint64_t span = tags >> depth;
    copy.next_tag = (tag & ~(span - 1)) + span;
    const auto& segment = memory.at<format::segment>(offset);
    const auto take = [&](const std::uint64_t& slot) {
        const std::uint64_t word = load_acquire(slot);
        // Where a split is half done, the old segment still holds entries that were visited in a new one.
        if ((word & format::position_mask) != 0 && format::slot_tag(word) >= tag) {
            copy.words.push_back(word);
        }
    };
    for (const format::bucket& bucket : segment.buckets) {
        for (const std::uint64_t& slot : bucket.slots) {
            take(slot);
        }
    }
    return index::visit_overflow(memory, load_acquire(segment.overflow), [&](const format::overflow_block& chained) {
        for (const std::uint64_t& slot : chained.slots) {
            take(slot);
        }
        return true;
    });
}

}  // namespace

void walk_entries(session& of, engine::visitor visit, void* target)
{
    const shard::context& all = of.shards();
    segment_copy copy;
    for (std::uint32_t shard = 0; shard < of.identity().shard_count; ++shard) {
        const format::shard_block& block = all.block(shard);
        for (std::uint64_t tag = 0; tag < tags;) {
            const std::uint64_t shape = load_acquire(block.shape);
            const std::uint64_t directory = load_acquire(block.directory);
            const std::uint64_t armed_before = load_acquire(block.intent.armed);
            const bool whole = directory == 0 || copy_segment(all.memory, directory, tag, copy);
            std::atomic_thread_fence(std::memory_order_acquire);
            if (load_relaxed(block.shape) != shape || load_relaxed(block.directory) != directory) {
                continue;
            }
            if (of.read_only() && of.was_rebuilt()) {
                throw error(errc::busy, "'" + of.data().path().string() +
                                            "' was rebuilt by a writer during the walk; begin it again");
            }
            if (!whole) {
                shard::throw_bad_lookup(all, shard);
            }
            if (directory == 0) {
                break;
            }
            if (armed_before != 0 || load_relaxed(block.intent.armed) != 0) {
                drop_twins(copy.words);
            }
            for (const std::uint64_t word : copy.words) {
                // Log extents are not recycled while anybody has the file open, so the record stays where it is.
                shard::record_view view;
                if (!shard::view_record(all.memory, format::slot_offset(word), view)) {
                    shard::throw_bad_lookup(all, shard);
                }
                if (all.verify_reads) {
                    shard::verify(all, view);
                }
                if (!visit(target, view.key(), view.value())) {
                    return;
                }
            }
            tag = copy.next_tag;
        }
    }
}

}  // namespace kvdb
