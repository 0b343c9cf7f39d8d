// SPDX-License-Identifier: BSL-1.0
// Checks of the lists that the cleaner works by: C25 and C26 of format-spec/format.md.
#include "database/check_shard.hpp"

#include "format/validate.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace kvdb {

/// The offsets of a list's extents; ends where it leads to none of this shard, which is a fault.
std::vector<std::uint64_t> shard_check::list_from(const std::uint64_t& word)
{
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t at = load_acquire(word); at != 0;) {
        const auto here = [&](const log::found_extent& each) { return each.offset == at; };
        const bool known = std::ranges::any_of(log_extents_, here) || std::ranges::any_of(index_extents_, here) ||
                           std::ranges::any_of(limbo_, here);
        // A checkpoint that is freeing extents has zeroed their checksums; others are as good as they look.
        const bool passing = &word == &block().releasing && without_checksum(at);
        if ((!known && !passing) || std::ranges::find(offsets, at) != offsets.end()) {
            fault(all_.memory.offset_of(&word), "C25: the list leads to offset " + std::to_string(at) +
                                                    ", where no extent of this shard is that belongs there");
            break;
        }
        offsets.push_back(at);
        at = format::next_of(load_relaxed(all_.memory.at<format::extent_header>(at).link));
    }
    return offsets;
}

bool shard_check::without_checksum(std::uint64_t at) const
{
    try {
        const format::extent_header& header = extents::listed_extent(all_.memory, shard_, at);
        return !format::valid_extent(header, all_.memory.superblock().identity, at, all_.memory.known_size());
    } catch (const error&) {
        return false;
    }
}

void shard_check::judge_lists()
{
    const format::shard_block& mine = block();
    const std::vector<std::uint64_t> filled = list_from(mine.filled);
    const std::vector<std::uint64_t> emptying = list_from(mine.emptying);
    const std::vector<std::uint64_t> index_extents = list_from(mine.index_extents);
    std::vector<std::uint64_t> limbo = list_from(mine.limbo);
    std::ranges::copy(list_from(mine.releasing), std::back_inserter(limbo));
    const auto handed_over = [](const std::uint64_t& incoming, const std::uint64_t& accepted, std::uint64_t at) {
        const std::uint64_t word = load_relaxed(incoming);
        return word != load_relaxed(accepted) && extents::allocator::offset_of(word) == at ? 1 : 0;
    };
    const auto judge = [&](const log::found_extent& extent) {
        const std::uint64_t at = extent.offset;
        const auto in = [&](const std::vector<std::uint64_t>& list) { return std::ranges::count(list, at); };
        const auto listed = in(filled) + in(emptying) + in(index_extents) + in(limbo);
        auto rightly = in(limbo);
        std::ptrdiff_t elsewhere = 0;
        if (extent.kind() == format::extent_kind::index) {
            rightly += in(index_extents);
            elsewhere = handed_over(mine.incoming_index, mine.accepted_index, at);
        } else if (extent.kind() == format::extent_kind::large) {
            rightly += in(emptying);
            const auto found = std::ranges::lower_bound(live_, at, {}, &record::offset);
            elsewhere = found != live_.end() && found->offset < extent.end() ? 1 : 0;
        } else {
            rightly += in(filled) + in(emptying);
            elsewhere =
                (load_relaxed(mine.log_extent) == at ? 1 : 0) + handed_over(mine.incoming_log, mine.accepted_log, at);
        }
        if (rightly + elsewhere != 1 || listed != rightly) {
            fault(at, listed + elsewhere == 0
                          ? "C25: no list has this extent"
                          : "C25: this extent is in a list that it does not belong to, or in two");
        }
    };
    std::ranges::for_each(log_extents_, judge);
    std::ranges::for_each(index_extents_, judge);
    std::ranges::for_each(limbo_, judge);
    std::uint64_t waiting = 0;
    for (const std::uint64_t at : limbo) {
        waiting += format::bytes_of(all_.memory.at<format::extent_header>(at));
    }
    if (load_relaxed(mine.limbo_bytes) + load_relaxed(mine.releasing_bytes) != waiting) {
        fault(all_.memory.offset_of(&mine.limbo_bytes),
              "C26: limbo_bytes and releasing_bytes are not what waits, " + std::to_string(waiting));
    }
    judge_wear(filled);
}

/// What is dead in each extent that can be chosen for cleaning.
void shard_check::judge_wear(const std::vector<std::uint64_t>& filled)
{
    const format::shard_block& mine = block();
    if (load_relaxed(mine.log_extent) == 0 && load_relaxed(mine.log_dead) != 0) {
        fault(all_.memory.offset_of(&mine.log_dead), "C26: log_dead is not 0, but no extent is appended to");
    }
    for (std::size_t i = 0; i < log_extents_.size(); ++i) {
        const log::found_extent& extent = log_extents_[i];
        const bool present = load_relaxed(mine.log_extent) == extent.offset;
        if (!present && std::ranges::find(filled, extent.offset) == filled.end()) {
            continue;
        }
        std::uint64_t dead = record_bytes_[i];
        for (auto each = std::ranges::lower_bound(live_, extent.offset, {}, &record::offset);
             each != live_.end() && each->offset < extent.end(); ++each) {
            dead -= each->size;
        }
        const auto& header = all_.memory.at<format::extent_header>(extent.offset);
        const std::uint64_t said = present ? load_relaxed(mine.log_dead) : format::dead_of(load_relaxed(header.wear));
        if (said != dead) {
            fault(present ? all_.memory.offset_of(&mine.log_dead) : all_.memory.offset_of(&header.wear),
                  "C26: " + std::to_string(said) + " bytes are said to be dead in the extent at offset " +
                      std::to_string(extent.offset) + ", but it has " + std::to_string(dead));
        }
    }
}

}  // namespace kvdb
