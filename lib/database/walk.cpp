// SPDX-License-Identifier: BSL-1.0
// Visiting all entries. The walk goes through each shard by tag prefix, not by place: a segment that splits behind or
// before the cursor does not make it miss or repeat a key that is there all along.
#include "database/engine.hpp"
#include "index/lookup.hpp"
#include "shard/reader.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace kvdb {
namespace {

constexpr std::uint64_t tags = std::uint64_t{1} << format::tag_bits;

constexpr std::uint64_t most_copied = 4096;  // of one value; longer ones are read again, one at a time

/// The entries of one segment at one instant, and the tag behind its range.
struct segment_copy {
    struct entry {
        std::size_t begin;  // of the key in `bytes`
        std::uint32_t key_length;
        std::uint32_t value_length;
        bool whole;  // the value follows its key
    };
    std::vector<std::uint64_t> words;
    std::vector<entry> entries;
    std::vector<char> bytes;
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

/// Copies the records that the words lead to; what is copied counts if the shape has not changed. False if a word
/// leads to no record, or to one that is not intact, which `bad` then is.
bool copy_records(const shard::context& all, segment_copy& copy, shard::record_view& bad)
{
    copy.entries.clear();
    copy.bytes.clear();
    for (const std::uint64_t word : copy.words) {
        shard::record_view view;
        if (!shard::view_record(all.memory, format::slot_offset(word), view)) {
            return false;
        }
        const bool whole = view.header.value_length <= most_copied;
        if (whole && all.verify_reads && !shard::intact(all, view)) {
            bad = view;
            return false;
        }
        const std::size_t begin = copy.bytes.size();
        const std::size_t size = view.header.key_length + (whole ? view.header.value_length : 0U);
        copy.bytes.resize(begin + size);
        shard::racing_copy(copy.bytes.data() + begin, view.key().data(), size);
        copy.entries.push_back({begin, view.header.key_length, view.header.value_length, whole});
    }
    return true;
}

/// False if the visitor wants no more.
bool visit_all(const shard::context& all, std::uint32_t shard, const segment_copy& copy, engine::visitor visit,
               void* target)
{
    std::string value;
    for (const segment_copy::entry& each : copy.entries) {
        const std::string_view key(copy.bytes.data() + each.begin, each.key_length);
        if (each.whole) {
            if (!visit(target, key, {key.data() + key.size(), each.value_length})) {
                return false;
            }
            continue;
        }
        const bool there = shard::read(all, shard, hash_key(key, all.seed), key, [&](const shard::record_view& view) {
            value.resize(view.value().size());
            shard::racing_copy(value.data(), view.value().data(), value.size());
        });
        if (there && !visit(target, key, value)) {
            return false;
        }
    }
    return true;
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
            const bool armed_after = load_acquire(block.intent.armed) != 0;
            if (whole && directory != 0 && (armed_before != 0 || armed_after)) {
                drop_twins(copy.words);
            }
            shard::record_view bad;
            const bool readable = whole && (directory == 0 || copy_records(all, copy, bad));
            std::atomic_thread_fence(std::memory_order_acquire);
            if (load_relaxed(block.shape) != shape || load_relaxed(block.directory) != directory) {
                continue;
            }
            if (of.read_only() && of.was_rebuilt()) {
                throw error(errc::busy, "'" + of.data().path().string() +
                                            "' was rebuilt by a writer during the walk; begin it again");
            }
            if (!readable) {
                if (bad.bytes != nullptr) {
                    shard::throw_not_intact(bad);
                }
                shard::throw_bad_lookup(all, shard);
            }
            if (directory == 0) {
                break;
            }
            if (!visit_all(all, shard, copy, visit, target)) {
                return;
            }
            tag = copy.next_tag;
        }
    }
}

}  // namespace kvdb
