// SPDX-License-Identifier: BSL-1.0
// How a shard's index makes room for an entry: moves, splits, doubling, overflow. Each is an operation of its own
// with its own redo program, done before the set that needs it.
#include "base/hash.hpp"
#include "base/seeded_fault.hpp"
#include "extents/redo.hpp"
#include "shard/reader.hpp"
#include "shard/writer.hpp"

#include <algorithm>
#include <memory>
#include <string>

namespace kvdb::shard {
namespace {

constexpr extents::program_points create_points{"create-index.armed", "create-index.step", "create-index.disarmed"};
constexpr extents::program_points move_points{"move.armed", "move.step", "move.disarmed"};
constexpr extents::program_points split_points{"split.armed", "split.step", "split.disarmed"};
constexpr extents::program_points double_points{"double.armed", "double.step", "double.disarmed"};
constexpr extents::program_points overflow_points{"overflow.armed", "overflow.step", "overflow.disarmed"};

using program = extents::shard_program;

constexpr std::uint64_t line = 64;
constexpr std::uint64_t segment_bytes = sizeof(format::segment);
constexpr std::uint32_t slots_per_segment = format::buckets_per_segment * format::slots_per_bucket;

/// A segment that is full for one entry while less than this part of it is used holds keys that no split can part.
constexpr std::uint32_t least_load_to_split = slots_per_segment / 4;

std::uint64_t directory_bytes(std::uint32_t depth) noexcept
{
    return std::max(line, std::uint64_t{8} << depth);
}

}  // namespace

std::uint64_t writer::rehash(std::uint64_t record_offset) const
{
    record_view view;
    if (!view_record(all_.memory, record_offset, view)) {
        throw_bad_lookup(all_, shard_);
    }
    return hash_key(view.key(), all_.seed);
}

writer::progress writer::make_slot(locked_shard& lock, std::uint64_t hash, target& found)
{
    const std::uint64_t tag = format::tag_of(hash);
    const std::uint32_t home = format::home_of(hash);
    for (;;) {
        if (block().directory == 0) {
            if (reserve_index(lock, line + segment_bytes) == progress::look_again) {
                return progress::look_again;
            }
            create_index(block().index_tail);
        }
        const std::uint64_t segment_offset = index::segment_for(all_.memory, block().directory, tag);
        if (segment_offset == 0 || !all_.in_extents(segment_offset, segment_bytes)) {
            throw_bad_lookup(all_, shard_);
        }
        const auto& segment = all_.memory.at<format::segment>(segment_offset);
        const index::placement where = index::plan(segment, home, tag);
        if (where.what == index::placement::kind::place) {
            const std::uint64_t& slot = segment.buckets[where.at.bucket].slots[where.at.slot];
            const std::uint64_t& marked = segment.buckets[home].slots[format::displaced_mark_slot];
            found.slot_offset = offset_of(slot);
            found.flags = (load_relaxed(slot) & format::slot_mark) | (where.displaced ? format::slot_displaced : 0);
            const bool unmarked = (load_relaxed(marked) & format::slot_mark) == 0;
            found.mark_offset = where.marks_home && unmarked ? offset_of(marked) : 0;
            return progress::ready;
        }
        if (where.what == index::placement::kind::move) {
            move_entry(segment, where);
            continue;
        }
        const index::directory_view directory(block().directory);
        const std::uint32_t depth =
            index::depth_of_entry(load_relaxed(all_.memory.at<std::uint64_t>(directory.entry_offset(tag))));
        const bool can_split = depth < format::max_depth && index::count_entries(segment) >= least_load_to_split;
        if (!can_split) {
            return make_overflow_slot(lock, segment, home, found);
        }
        if (split(lock, tag) == progress::look_again) {
            return progress::look_again;
        }
    }
}

void writer::create_index(std::uint64_t at)
{
    // The space at the index tail is zero: a fresh extent, or what a dead writer built there and never published.
    const std::uint64_t segment = at + line;
    for (std::uint64_t i = 0; i < (line + segment_bytes) / 8; ++i) {
        store_relaxed(all_.memory.at<std::uint64_t>(at + 8 * i), std::uint64_t{0});
    }
    store_relaxed(all_.memory.at<std::uint64_t>(at), index::make_entry(segment, 0));
    format::shard_block& mine = block();
    program steps(all_.memory, mine.intent);
    steps.store(offset_of(mine.index_tail), segment + segment_bytes);
    steps.store(offset_of(mine.segments), 1);
    steps.store(offset_of(mine.directory), index::make_entry(at, 0));
    steps.run(create_points);
}

void writer::move_entry(const format::segment& segment, const index::placement& where)
{
    const std::uint64_t& from = segment.buckets[where.at.bucket].slots[where.at.slot];
    const std::uint64_t& to = segment.buckets[where.to.bucket].slots[where.to.slot];
    const std::uint64_t& marked = segment.buckets[where.home].slots[format::displaced_mark_slot];
    const std::uint64_t entry = load_relaxed(from) & ~(format::slot_mark | format::slot_displaced);
    std::uint64_t left = load_relaxed(from) & format::slot_mark;
    program steps(all_.memory, block().intent);
    if (where.marks_home) {
        steps.store(offset_of(marked), load_relaxed(marked) | format::slot_mark);
        left |= &marked == &from ? format::slot_mark : 0;
    }
    const std::uint64_t flag = where.displaced ? format::slot_displaced : 0;
    steps.store(offset_of(to), (load_relaxed(to) & format::slot_mark) | entry | flag);
    if (!seeded_fault("move-without-bump")) {
        steps.bump(offset_of(block().shape));  // a reader that missed both places must look again
    }
    steps.store(offset_of(from), left);
    steps.run(move_points);
}

writer::progress writer::make_overflow_slot(locked_shard& lock, const format::segment& segment, std::uint32_t home,
                                            target& found)
{
    const std::uint64_t& marked = segment.buckets[home].slots[format::overflow_mark_slot];
    found.flags = 0;
    found.mark_offset = (load_relaxed(marked) & format::slot_mark) == 0 ? offset_of(marked) : 0;
    const std::uint64_t head = load_relaxed(segment.overflow);
    std::uint64_t last_ordinal = ~std::uint64_t{0};
    for (std::uint64_t link = head; link != 0;) {
        const std::uint64_t offset = (link & format::position_mask) << 6;
        const std::uint64_t ordinal = link >> format::ordinal_shift;
        if (ordinal >= last_ordinal || !all_.in_extents(offset, sizeof(format::overflow_block))) {
            throw_bad_lookup(all_, shard_);
        }
        last_ordinal = ordinal;
        const auto& candidate = all_.memory.at<format::overflow_block>(offset);
        for (const std::uint64_t& slot : candidate.slots) {
            if ((load_relaxed(slot) & format::position_mask) == 0) {
                found.slot_offset = offset_of(slot);
                return progress::ready;
            }
        }
        link = load_relaxed(candidate.next);
    }
    if (reserve_index(lock, sizeof(format::overflow_block)) == progress::look_again) {
        return progress::look_again;
    }
    // An empty block at the head of the chain; its first slot is the one.
    format::shard_block& mine = block();
    const std::uint64_t at = mine.index_tail;
    const std::uint64_t ordinal = (head >> format::ordinal_shift) + 1;
    if (ordinal >> (64 - format::ordinal_shift) != 0) {
        throw error(errc::file_too_large, "more keys share one hash than an overflow chain can hold");
    }
    for (std::uint64_t i = 0; i < sizeof(format::overflow_block) / 8; ++i) {
        store_relaxed(all_.memory.at<std::uint64_t>(at + 8 * i), std::uint64_t{0});
    }
    store_relaxed(all_.memory.at<format::overflow_block>(at).next, head);
    program steps(all_.memory, mine.intent);
    steps.store(offset_of(mine.index_tail), at + sizeof(format::overflow_block));
    steps.store(offset_of(segment.overflow), (ordinal << format::ordinal_shift) | (at >> 6));
    steps.run(overflow_points);
    found.slot_offset = at;
    return progress::ready;
}

writer::progress writer::double_directory(locked_shard& lock)
{
    const index::directory_view before(block().directory);
    const std::uint64_t bytes = directory_bytes(before.depth + 1);
    if (reserve_index(lock, bytes) == progress::look_again) {
        return progress::look_again;
    }
    format::shard_block& mine = block();
    const std::uint64_t at = mine.index_tail;
    for (std::uint64_t i = 0; i < (std::uint64_t{1} << before.depth); ++i) {
        const std::uint64_t entry = load_relaxed(all_.memory.at<std::uint64_t>(before.offset + 8 * i));
        store_relaxed(all_.memory.at<std::uint64_t>(at + 16 * i), entry);
        store_relaxed(all_.memory.at<std::uint64_t>(at + 16 * i + 8), entry);
    }
    crash_point("double.built");
    program steps(all_.memory, mine.intent);
    steps.store(offset_of(mine.index_tail), at + bytes);
    steps.store(offset_of(mine.directory), index::make_entry(at, before.depth + 1));
    steps.run(double_points);
    return progress::ready;
}

void writer::distribute(const format::segment& old, std::uint32_t bit, index::segment_builder (&halves)[2]) const
{
    for (std::uint32_t b = 0; b < format::buckets_per_segment; ++b) {
        for (const std::uint64_t& slot : old.buckets[b].slots) {
            const std::uint64_t word = load_relaxed(slot);
            if ((word & format::position_mask) == 0) {
                continue;
            }
            const std::uint64_t its_tag = format::slot_tag(word);
            const std::uint32_t home = (word & format::slot_displaced) != 0 ? format::partner_of(b, its_tag) : b;
            halves[(its_tag >> bit) & 1U].insert(home, its_tag, format::slot_offset(word));
        }
    }
    const auto take = [&](const format::overflow_block& chained) {
        for (const std::uint64_t& slot : chained.slots) {
            const std::uint64_t word = load_relaxed(slot);
            if ((word & format::position_mask) != 0) {
                const std::uint64_t hash = rehash(format::slot_offset(word));
                halves[(format::tag_of(hash) >> bit) & 1U].insert(format::home_of(hash), format::tag_of(hash),
                                                                  format::slot_offset(word));
            }
        }
        return true;
    };
    if (!index::visit_overflow(all_.memory, load_relaxed(old.overflow), take)) {
        throw_bad_lookup(all_, shard_);
    }
}

writer::progress writer::split(locked_shard& lock, std::uint64_t tag)
{
    std::uint64_t entry =
        load_relaxed(all_.memory.at<std::uint64_t>(index::directory_view(block().directory).entry_offset(tag)));
    const std::uint32_t depth = index::depth_of_entry(entry);
    if (depth == index::directory_view(block().directory).depth) {
        if (double_directory(lock) == progress::look_again) {
            return progress::look_again;
        }
    }
    const index::directory_view directory(block().directory);
    const std::uint64_t old_offset = index::segment_of_entry(entry);
    if (depth >= directory.depth || !all_.in_extents(old_offset, segment_bytes) ||
        !all_.in_extents(directory.offset, std::uint64_t{8} << directory.depth)) {
        throw_bad_lookup(all_, shard_);
    }
    const auto& old = all_.memory.at<format::segment>(old_offset);

    index::segment_builder halves[2];
    distribute(old, format::tag_bits - 1 - depth, halves);

    const std::uint64_t chains = halves[0].overflow_bytes() + halves[1].overflow_bytes();
    const bool reuse = block().free_segment != 0;
    if (reserve_index(lock, segment_bytes * (reuse ? 1 : 2) + chains) == progress::look_again) {
        return progress::look_again;
    }
    format::shard_block& mine = block();
    if (reuse && (mine.free_segment % line != 0 || !all_.in_extents(mine.free_segment, segment_bytes))) {
        throw_bad_lookup(all_, shard_);
    }
    std::uint64_t tail = mine.index_tail;
    std::uint64_t offsets[2];
    offsets[0] = reuse ? mine.free_segment : tail;
    tail += reuse ? 0 : segment_bytes;
    offsets[1] = tail;
    tail += segment_bytes;
    halves[0].write(all_.memory, offsets[0], tail);
    halves[1].write(all_.memory, offsets[1], tail + halves[0].overflow_bytes());
    crash_point("split.built");

    const std::uint64_t span = std::uint64_t{1} << (directory.depth - depth);
    const std::uint64_t entry_number = tag >> (format::tag_bits - directory.depth);
    const std::uint64_t first = directory.offset + 8 * (entry_number & ~(span - 1));
    program steps(all_.memory, mine.intent);
    steps.fill(first, index::make_entry(offsets[0], depth + 1), span / 2);
    steps.fill(first + 4 * span, index::make_entry(offsets[1], depth + 1), span / 2);
    steps.store(offset_of(mine.index_tail), tail + chains);
    steps.store(offset_of(mine.free_segment), old_offset);
    steps.store(offset_of(mine.segments), mine.segments + 1);
    if (!seeded_fault("split-without-bump")) {
        steps.bump(offset_of(mine.shape));  // whoever still reads the old segment looks again before it is reused
    }
    steps.run(split_points);
    return progress::ready;
}

}  // namespace kvdb::shard
