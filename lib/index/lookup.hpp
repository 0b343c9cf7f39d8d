// SPDX-License-Identifier: BSL-1.0
// From a hash to the slots that may hold its key. Used by readers without a lock and by writers under theirs.
//
//   directory word --> entry [top bits of the tag] --> segment --> home bucket --> partner bucket --> overflow chain
//
// Every word is loaded once, checked, then used. What a reader loads may be stale or, where memory was recycled under
// it, anything; the caller compares the shard's shape before it believes a result.
//
// `File` is an io::memory, which learns of growth by itself, or an io::window, which calls what it does not know
// invalid.
#ifndef KVDB_INDEX_LOOKUP_HPP
#define KVDB_INDEX_LOOKUP_HPP

#include "format/index.hpp"
#include "index/bucket.hpp"
#include "io/memory.hpp"
#include "io/pause_point.hpp"

#include <bit>
#include <cstdint>

namespace kvdb::index {

enum class outcome : std::uint8_t { absent, found, invalid };

struct found_slot {
    std::uint64_t slot_offset = 0;  // of the slot itself, in the file
    std::uint64_t word = 0;         // its content
};

struct directory_view {
    std::uint64_t offset = 0;
    std::uint32_t depth = 0;

    explicit directory_view(std::uint64_t word) noexcept
        : offset((word & format::position_mask) << 6), depth(static_cast<std::uint32_t>(word >> format::depth_shift))
    {
    }
    template <class File>
    [[nodiscard]] bool plausible(File& memory) const noexcept
    {
        return depth <= format::max_depth && offset != 0 && memory.covers(offset, std::uint64_t{8} << depth);
    }
    [[nodiscard]] std::uint64_t entry_offset(std::uint64_t tag) const noexcept
    {
        return offset + 8 * (tag >> (format::tag_bits - depth));
    }
};

[[nodiscard]] constexpr std::uint64_t segment_of_entry(std::uint64_t entry) noexcept
{
    return (entry & format::position_mask) << 6;
}
[[nodiscard]] constexpr std::uint32_t depth_of_entry(std::uint64_t entry) noexcept
{
    return static_cast<std::uint32_t>(entry >> format::depth_shift);
}
[[nodiscard]] constexpr std::uint64_t make_entry(std::uint64_t segment, std::uint32_t depth) noexcept
{
    return (std::uint64_t{depth} << format::depth_shift) | (segment >> 6);
}

/// Tries the slots of one bucket. `matches(record offset)` says absent (another key), found, or invalid.
template <class File, class Matches>
[[nodiscard]] inline outcome probe(File& memory, const format::bucket& bucket, std::uint64_t pattern,
                                   Matches& matches, found_slot& result)
{
    for (std::uint32_t mask = match(bucket, pattern); mask != 0; mask &= mask - 1) {
        const auto& slot = bucket.slots[std::countr_zero(mask)];
        const std::uint64_t word = load_acquire(slot);  // pairs with the release that published the record
        if ((word & format::position_mask) == 0 || (word & compared_bits) != pattern) {
            continue;
        }
        // Header and key are one line; where the value lies is known only when they are here. Ask for its lines now.
        const std::byte* record = memory.base() + format::slot_offset(word);
        __builtin_prefetch(record + 64);
        __builtin_prefetch(record + 128);
        const outcome one = matches(format::slot_offset(word));
        if (one != outcome::absent) {
            result = {memory.offset_of(&slot), word};
            return one;
        }
    }
    return outcome::absent;
}

/// Calls `visit(block)` for each overflow block from a link word on, until it says false. False if the chain leads
/// astray: ordinals fall, so it cannot loop.
template <class File, class Visit>
[[nodiscard]] bool visit_overflow(File& memory, std::uint64_t link, Visit&& visit)
{
    std::uint64_t last_ordinal = ~std::uint64_t{0};
    while (link != 0) {
        const std::uint64_t offset = (link & format::position_mask) << 6;
        const std::uint64_t ordinal = link >> format::ordinal_shift;
        if (ordinal >= last_ordinal || !memory.covers(offset, sizeof(format::overflow_block))) {
            return false;
        }
        last_ordinal = ordinal;
        const auto& block = memory.template at<format::overflow_block>(offset);
        if (!visit(block)) {
            return true;
        }
        link = load_acquire(block.next);
    }
    return true;
}

template <class File, class Matches>
[[nodiscard]] outcome probe_overflow(File& memory, std::uint64_t link, std::uint64_t tag, Matches& matches,
                                     found_slot& result)
{
    outcome one = outcome::absent;
    const bool whole = visit_overflow(memory, link, [&](const format::overflow_block& block) {
        for (const std::uint64_t& slot : block.slots) {
            const std::uint64_t word = load_acquire(slot);
            if ((word & format::position_mask) == 0 || format::slot_tag(word) != tag) {
                continue;
            }
            one = matches(format::slot_offset(word));
            if (one != outcome::absent) {
                result = {memory.offset_of(&slot), word};
                return false;
            }
        }
        return true;
    });
    return whole ? one : outcome::invalid;
}

/// The rest of a search that the home bucket did not end. Out of line: few searches come here, and the others keep
/// their registers.
template <class File, class Matches>
[[gnu::noinline]] outcome find_beyond_home(File& memory, const format::segment& segment, std::uint64_t hash,
                                           Matches& matches, found_slot& result)
{
    const std::uint64_t tag = format::tag_of(hash);
    const std::uint32_t home_index = format::home_of(hash);
    const format::bucket& home = segment.buckets[home_index];
    pause_point("find.home-seen");  // without the entry, which may come while it leaves the partner
    if ((load_acquire(home.slots[format::displaced_mark_slot]) & format::slot_mark) != 0) {
        const format::bucket& partner = segment.buckets[format::partner_of(home_index, tag)];
        const outcome one = probe(memory, partner, pattern_of(tag, true), matches, result);
        if (one != outcome::absent) {
            return one;
        }
    }
    if ((load_acquire(home.slots[format::overflow_mark_slot]) & format::slot_mark) != 0) [[unlikely]] {
        return probe_overflow(memory, load_acquire(segment.overflow), tag, matches, result);
    }
    return outcome::absent;
}

/// Searches one segment, which lies within the file.
template <class File, class Matches>
[[nodiscard]] inline outcome find_in_segment(File& memory, const format::segment& segment, std::uint64_t hash,
                                             Matches& matches, found_slot& result)
{
    const format::bucket& home = segment.buckets[format::home_of(hash)];
    const outcome one = probe(memory, home, pattern_of(format::tag_of(hash), false), matches, result);
    const std::uint64_t marks =
        load_acquire(home.slots[format::displaced_mark_slot]) | load_acquire(home.slots[format::overflow_mark_slot]);
    if (one != outcome::absent || (marks & format::slot_mark) == 0) [[likely]] {
        return one;
    }
    return find_beyond_home(memory, segment, hash, matches, result);
}

/// Where the segment for a tag lies, or zero if the directory leads nowhere.
template <class File>
[[nodiscard]] inline std::uint64_t segment_for(File& memory, std::uint64_t directory_word, std::uint64_t tag) noexcept
{
    const directory_view directory(directory_word);
    if (!directory.plausible(memory)) {
        return 0;
    }
    const std::uint64_t entry = load_acquire(memory.template at<std::uint64_t>(directory.entry_offset(tag)));
    const std::uint64_t segment = segment_of_entry(entry);
    return segment != 0 && memory.covers(segment, sizeof(format::segment)) ? segment : 0;
}

/// What the two buckets of a hash say, for a search that wants few instructions and no branch that is hard to
/// foretell: one entry in five lies in its partner bucket. `record` of the first slot of its tag; `absent` if there
/// is no such entry anywhere; `invalid` if only a proper search can tell.
struct glance {
    outcome what = outcome::invalid;
    std::uint64_t record = 0;
};

[[nodiscard, gnu::always_inline]] inline glance glance_in(const format::segment& segment, std::uint64_t hash) noexcept
{
    const std::uint64_t tag = format::tag_of(hash);
    const format::bucket* const buckets = segment.buckets;
    const std::uint32_t home = format::home_of(hash);
    const std::uint32_t partner = format::partner_of(home, tag);
#ifdef KVDB_TEST_HOOKS
    std::uint32_t mask = match(buckets[home], pattern_of(tag, false));
    pause_point("find.home-seen");  // without the entry, which may come while it leaves the partner
    mask |= match(buckets[partner], pattern_of(tag, true)) << format::slots_per_bucket;
#else
    const std::uint32_t mask = match_both(buckets[home], buckets[partner], tag);
#endif
    if (mask != 0) {
        // Should the slot have changed since it matched, the keys will differ.
        const auto first = static_cast<std::uint32_t>(std::countr_zero(mask));
        const format::bucket& holder = buckets[first < format::slots_per_bucket ? home : partner];
        const std::uint64_t record =
            format::slot_offset(load_acquire(holder.slots[first % format::slots_per_bucket]));
        return {record != 0 ? outcome::found : outcome::invalid, record};
    }
    const std::uint64_t overflow_mark = load_acquire(buckets[home].slots[format::overflow_mark_slot]);
    return {(overflow_mark & format::slot_mark) == 0 ? outcome::absent : outcome::invalid, 0};
}

[[nodiscard]] inline glance glance_at_both(io::window file, std::uint64_t directory_word, std::uint64_t hash) noexcept
{
    const std::uint64_t segment = segment_for(file, directory_word, format::tag_of(hash));
    if (segment == 0) [[unlikely]] {
        return {};
    }
    pause_point("find.segment");  // which may be frozen now, and used anew
    return glance_in(file.at<format::segment>(segment), hash);
}

/// The same from the home bucket alone, where four entries in five lie: `found`, or `invalid` for all else.
[[nodiscard, gnu::always_inline]] inline glance glance_at_home(const format::bucket& home,
                                                               std::uint64_t hash) noexcept
{
    const std::uint32_t mask = match(home, pattern_of(format::tag_of(hash), false));
    if (mask == 0) {
        return {};
    }
    const std::uint64_t record = format::slot_offset(load_acquire(home.slots[std::countr_zero(mask)]));
    return {record != 0 ? outcome::found : outcome::invalid, record};
}

template <class File, class Matches>
[[nodiscard]] inline outcome find(File& memory, std::uint64_t directory_word, std::uint64_t hash, Matches&& matches,
                                  found_slot& result)
{
    if (directory_word == 0) {
        return outcome::absent;
    }
    const std::uint64_t segment = segment_for(memory, directory_word, format::tag_of(hash));
    if (segment == 0) {
        return outcome::invalid;
    }
    pause_point("find.segment");  // as above
    return find_in_segment(memory, memory.template at<format::segment>(segment), hash, matches, result);
}

}  // namespace kvdb::index

#endif
