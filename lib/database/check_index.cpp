// SPDX-License-Identifier: BSL-1.0
// Checks of a shard's index against its log: C18 to C21, C23 of format-spec/format.md.
#include "database/check_shard.hpp"

#include "index/lookup.hpp"

#include <algorithm>

namespace kvdb {

bool shard_check::in_index_extent(std::uint64_t offset, std::uint64_t bytes) const noexcept
{
    return offset % 64 == 0 &&
           std::any_of(index_extents_.begin(), index_extents_.end(), [&](const log::found_extent& extent) {
               return offset >= extent.offset + format::extent_header_size && offset <= extent.end() &&
                      bytes <= extent.end() - offset;
           });
}

void shard_check::judge_index()
{
    const std::uint64_t word = load_acquire(block().directory);
    const std::size_t faults_before = faults_.size();
    if (word != 0) {
        const index::directory_view directory(word);
        const std::uint64_t place = block_offset() + offsetof(format::shard_block, directory);
        if (directory.depth > format::max_depth ||
            !in_index_extent(directory.offset, std::uint64_t{8} << directory.depth)) {
            fault(place, "C18: the directory lies outside the shard's index extents");
            return;
        }
        const std::uint64_t entries = std::uint64_t{1} << directory.depth;
        structures_.emplace_back(directory.offset, directory.offset + 8 * entries);
        for (std::uint64_t i = 0; i < entries;) {
            const std::uint64_t at = directory.offset + 8 * i;
            const std::uint64_t entry = load_acquire(all_.memory.at<std::uint64_t>(at));
            const std::uint32_t depth = index::depth_of_entry(entry);
            const std::uint64_t segment = index::segment_of_entry(entry);
            if (depth > directory.depth || !in_index_extent(segment, sizeof(format::segment))) {
                fault(at, "C18: the directory entry leads outside the shard's index extents");
                return;
            }
            const std::uint64_t span = std::uint64_t{1} << (directory.depth - depth);
            if (i % span != 0) {
                fault(at, "C18: a segment's range of entries begins at no multiple of its length");
                return;
            }
            for (std::uint64_t k = 1; k < span; ++k) {
                if (load_acquire(all_.memory.at<std::uint64_t>(at + 8 * k)) != entry) {
                    fault(at + 8 * k, "C18: the directory entry differs from others of its segment");
                    return;
                }
            }
            structures_.emplace_back(segment, segment + sizeof(format::segment));
            judge_segment(segment, i / span, depth);
            ++segments_;
            i += span;
        }
    }
    if (load_relaxed(block().segments) != segments_) {
        fault(block_offset() + offsetof(format::shard_block, segments),
              "C18: the directory has " + std::to_string(segments_) + " segments, not " +
                  std::to_string(load_relaxed(block().segments)));
    }
    judge_overlaps();
    if (faults_.size() != faults_before) {
        return;
    }
    judge_space_to_come();
    std::sort(pointed_at_.begin(), pointed_at_.end());
    std::size_t next = 0;
    for (const record& each : live_) {
        for (; next < pointed_at_.size() && pointed_at_[next] < each.offset; ++next) {
            fault(pointed_at_[next], "C20: a slot points here, at no live record");
        }
        if (next == pointed_at_.size() || pointed_at_[next] != each.offset) {
            fault(each.offset, "C19: no slot leads to this live record");
        } else {
            ++next;
        }
    }
    for (; next < pointed_at_.size(); ++next) {
        fault(pointed_at_[next], "C20: a slot points here, at no live record");
    }
}

void shard_check::judge_overlaps()
{
    std::sort(structures_.begin(), structures_.end());
    for (std::size_t i = 1; i < structures_.size(); ++i) {
        if (structures_[i].first < structures_[i - 1].second) {
            fault(structures_[i].first, "C18: this part of the index overlaps the one at offset " +
                                            std::to_string(structures_[i - 1].first));
        }
    }
}

void shard_check::judge_segment(std::uint64_t offset, std::uint64_t prefix, std::uint32_t depth)
{
    const auto& segment = all_.memory.at<format::segment>(offset);
    for (std::uint32_t b = 0; b < format::buckets_per_segment; ++b) {
        for (const std::uint64_t& slot : segment.buckets[b].slots) {
            const std::uint64_t word = load_acquire(slot);
            if ((word & format::position_mask) != 0) {
                judge_slot(slot, word, segment, b, prefix, depth);
            }
        }
    }
    judge_chain(segment, prefix, depth);
}

void shard_check::judge_chain(const format::segment& segment, std::uint64_t prefix, std::uint32_t depth)
{
    constexpr std::uint32_t no_bucket = format::buckets_per_segment;
    std::uint64_t last_ordinal = ~std::uint64_t{0};
    const std::uint64_t* link_at = &segment.overflow;
    for (std::uint64_t link = load_acquire(*link_at); link != 0; link = load_acquire(*link_at)) {
        const std::uint64_t at = (link & format::position_mask) << 6;
        const std::uint64_t ordinal = link >> format::ordinal_shift;
        if (ordinal >= last_ordinal || ordinal == 0 || !in_index_extent(at, sizeof(format::overflow_block))) {
            fault(all_.memory.offset_of(link_at), "C18: the overflow chain leads astray");
            return;
        }
        last_ordinal = ordinal;
        structures_.emplace_back(at, at + sizeof(format::overflow_block));
        const auto& chained = all_.memory.at<format::overflow_block>(at);
        for (const std::uint64_t& slot : chained.slots) {
            const std::uint64_t word = load_acquire(slot);
            if ((word & format::position_mask) != 0) {
                judge_slot(slot, word, segment, no_bucket, prefix, depth);
            }
        }
        link_at = &chained.next;
    }
}

/// A slot must be where a lookup of its record's key looks: else the record counts as one that nothing leads to.
void shard_check::judge_slot(const std::uint64_t& slot, std::uint64_t word, const format::segment& segment,
                             std::uint32_t bucket, std::uint64_t prefix, std::uint32_t depth)
{
    const std::uint64_t offset = format::slot_offset(word);
    const auto at = std::lower_bound(live_.begin(), live_.end(), offset,
                                     [](const record& each, std::uint64_t wanted) { return each.offset < wanted; });
    if (at == live_.end() || at->offset != offset) {
        fault(all_.memory.offset_of(&slot),
              "C20: the slot points at offset " + std::to_string(offset) + ", where no live record is");
        return;
    }
    const std::uint64_t tag = format::tag_of(at->hash);
    const std::uint32_t home = format::home_of(at->hash);
    const bool displaced = (word & format::slot_displaced) != 0;
    const auto marked = [&](std::uint32_t which) {
        return (load_acquire(segment.buckets[home].slots[which]) & format::slot_mark) != 0;
    };
    bool reachable = format::slot_tag(word) == tag && (tag >> (format::tag_bits - depth)) == prefix;
    if (bucket == format::buckets_per_segment) {
        reachable = reachable && marked(format::overflow_mark_slot);
    } else if (displaced) {
        reachable = reachable && bucket == format::partner_of(home, tag) && marked(format::displaced_mark_slot);
    } else {
        reachable = reachable && bucket == home;
    }
    if (!reachable) {
        fault(all_.memory.offset_of(&slot), "C19: a lookup of the key of the record at offset " +
                                                std::to_string(offset) + " does not come by this slot");
        return;
    }
    pointed_at_.push_back(offset);
}

/// C18 has sorted the parts of the index, which do not overlap.
bool shard_check::is_structure(std::uint64_t begin, std::uint64_t end) const noexcept
{
    const auto behind =
        std::lower_bound(structures_.begin(), structures_.end(), std::pair(end, std::uint64_t{0}));  // begins there
    return behind != structures_.begin() && std::prev(behind)->second > begin;
}

/// C23, where C18 found no fault. A writer takes these words for space that is nobody's, and begins with writing
/// there.
void shard_check::judge_space_to_come()
{
    const format::shard_block& mine = block();
    const auto extent_of = [](const std::vector<log::found_extent>& extents, std::uint64_t word) {
        return std::find_if(extents.begin(), extents.end(), [&](const log::found_extent& each) {
            return each.offset == extents::allocator::offset_of(word) && each.kind() != format::extent_kind::large;
        });
    };
    const auto wrong = [&](const std::uint64_t& word, const char* what) {
        fault(all_.memory.offset_of(&word), std::string("C23: ") + what);
    };
    if (const std::uint64_t word = load_relaxed(mine.incoming_log); word != load_relaxed(mine.accepted_log)) {
        const auto run = extent_of(log_extents_, word);
        const auto holds = [&](const record& each) { return each.offset > run->offset && each.offset < run->end(); };
        if (run == log_extents_.end() || run->offset == load_relaxed(mine.log_extent) ||
            std::any_of(records_.begin(), records_.end(), holds)) {
            wrong(mine.incoming_log, "no empty log extent of this shard was handed over here");
        }
    }
    const std::uint64_t tail = load_relaxed(mine.index_tail);
    const std::uint64_t end = load_relaxed(mine.index_end);
    const std::uint64_t segment = load_relaxed(mine.free_segment);
    if (const std::uint64_t word = load_relaxed(mine.incoming_index); word != load_relaxed(mine.accepted_index)) {
        const auto run = extent_of(index_extents_, word);
        // A tail at its first byte is the end of the extent before, which is full.
        const auto within = [&](std::uint64_t offset) { return offset > run->offset && offset < run->end(); };
        if (run == index_extents_.end() || is_structure(run->offset, run->end()) || within(tail) || within(segment)) {
            wrong(mine.incoming_index, "no empty index extent of this shard was handed over here");
        }
    }
    if (tail != 0 && (tail > end || !in_index_extent(tail, end - tail) || (tail != end && is_structure(tail, end)))) {
        wrong(mine.index_tail, "what follows here is in use, or not in the shard's index extents");
    }
    if (segment != 0) {
        const std::uint64_t behind = segment + sizeof(format::segment);
        if (!in_index_extent(segment, sizeof(format::segment)) || is_structure(segment, behind) ||
            (segment < end && behind > tail)) {
            wrong(mine.free_segment, "the free segment is in use, or not in the shard's index extents");
        }
    }
}

void shard_check::judge_counters()
{
    const auto compare = [&](const std::uint64_t& word, std::uint64_t wanted, const char* name) {
        if (load_relaxed(word) != wanted) {
            fault(all_.memory.offset_of(&word), std::string("C21: ") + name + " is " +
                                                    std::to_string(load_relaxed(word)) + ", but the log has " +
                                                    std::to_string(wanted));
        }
    };
    compare(block().entries, live_.size(), "entries");
    compare(block().live_bytes, live_bytes_, "live_bytes");
    compare(block().dead_bytes, all_bytes_ - live_bytes_, "dead_bytes");
}

}  // namespace kvdb
