// SPDX-License-Identifier: BSL-1.0
#include "shard/cleaner.hpp"

#include "base/hash.hpp"
#include "base/racing.hpp"
#include "base/seeded_fault.hpp"
#include "extents/redo.hpp"
#include "shard/reader.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <string>
#include <vector>

namespace kvdb::shard {
namespace {

constexpr extents::program_points choose_points{"clean-choose.armed", "clean-choose.step", "clean-choose.disarmed"};
constexpr extents::program_points copy_points{"clean-copy.armed", "clean-copy.step", "clean-copy.disarmed"};
constexpr extents::program_points skip_points{"clean-skip.armed", "clean-skip.step", "clean-skip.disarmed"};
constexpr extents::program_points finish_points{"clean-finish.armed", "clean-finish.step", "clean-finish.disarmed"};

using program = extents::shard_program;

constexpr std::uint64_t per_byte = 4;  // of the log looked at for each byte written; with the least
                                       // share of dead ones worth cleaning, more than what is written
constexpr std::uint64_t per_byte_in_haste = 4 * per_byte;
constexpr std::uint64_t most_in_haste = 256 * 1024;  // a write's wait is bounded
constexpr std::uint64_t least_share = 8;             // an eighth of an extent's bytes dead: else not worth it

}  // namespace

/// More than three eighths of the live bytes are dead: at the least share worth cleaning the log stays within a
/// factor of 1.4 of what lives, and with what waits in limbo of 1.7.
bool cleaner::crowded() const noexcept
{
    return mine_.dead_bytes > mine_.live_bytes / 8 * 3 + current_policy<cleaning_policy>().dead_slack;
}

bool cleaner::release_due() const noexcept
{
    if (load_relaxed(mine_.promised) == 0) {
        return mine_.limbo != 0;  // costs no flush
    }
    // A checkpoint flushes the whole file, and serves all shards.
    const std::uint64_t slack = current_policy<cleaning_policy>().limbo_slack;
    return mine_.limbo_bytes > mine_.live_bytes / 4 + slack ||
           (blocked_ && mine_.dead_bytes > mine_.live_bytes / 2 + slack);
}

bool cleaner::keep_up(std::uint64_t bytes) noexcept
{
    try {
        if (mine_.emptying != 0 || crowded()) {
            const bool haste = mine_.dead_bytes > mine_.live_bytes / 2 + current_policy<cleaning_policy>().dead_slack;
            work(std::min(bytes * (haste ? per_byte_in_haste : per_byte), most_in_haste));
        }
    } catch (const error&) {
        // The write has happened. No space to copy to, a lock not to be had, something damaged: whoever needs the
        // space, or reads what is damaged, is told.
    } catch (const std::bad_alloc&) {
    }
    return release_due();
}

void cleaner::work(std::uint64_t quota)
{
    for (std::uint64_t done = 0; done < quota;) {
        if (mine_.emptying == 0 && (!crowded() || !choose())) {
            return;
        }
        const std::uint64_t extent = mine_.emptying;
        format::extent_header& header = extents::listed_extent(all_.memory, shard_number(), extent);
        if (!may_be_cleaned(header)) {
            blocked_ = true;
            return;
        }
        const bool large = format::kind_of(header) == format::extent_kind::large;
        done += large ? clean_large(extent, header) : clean_log(extent, header);
    }
}

/// K1.
bool cleaner::may_be_cleaned(const format::extent_header& header) const noexcept
{
    if (load_relaxed(mine_.promised) == 0 || seeded_fault("cleaned-before-durable")) {
        return true;
    }
    const auto finished =
        static_cast<std::uint32_t>(load_acquire(all_.memory.superblock().locks.checkpoints_finished));
    const auto left_at = static_cast<std::uint32_t>(format::left_at_of(load_relaxed(header.wear)));
    return static_cast<std::int32_t>(finished - left_at) > 0;  // one that began after it was left has finished
}

/// What is won, for how long it is going to last, to what it costs (Rosenblum and Ousterhout, The Design and
/// Implementation of a Log-Structured File System, 1992). 0 = not worth it.
double cleaner::score_of(const format::extent_header& header) const noexcept
{
    const std::uint64_t size = format::bytes_of(header);
    const std::uint64_t dead = format::dead_of(load_relaxed(header.wear));
    if (dead * least_share < size || format::cleaned_of(header.link) == format::never_cleaned) {
        return 0;
    }
    const std::uint64_t now = load_relaxed(all_.memory.superblock().allocator.next_order);
    const auto live = static_cast<double>(size - std::min(dead, size));
    const double age = static_cast<double>(now - std::min(now, header.order)) + 1;
    return static_cast<double>(dead) * age / (static_cast<double>(size) + live);
}

/// Takes the extent with the best score.
bool cleaner::choose()
{
    const std::uint64_t* best_link = nullptr;
    std::uint64_t best = 0;
    double best_score = 0;
    const std::uint64_t* link = &mine_.filled;  // the word that leads to the extent
    const auto compare = [&](std::uint64_t at, const format::extent_header& header) {
        if (const double score = score_of(header); score > 0 && !may_be_cleaned(header)) {
            blocked_ = true;
        } else if (score > best_score) {
            best_score = score;
            best_link = link;
            best = at;
        }
        link = &header.link;
    };
    extents::for_each_listed(all_.memory, shard_number(), mine_.filled, compare);
    if (best == 0) {
        return false;
    }
    const auto& chosen = all_.memory.at<format::extent_header>(best);
    const std::uint64_t behind = format::next_of(chosen.link);
    program steps(all_.memory, mine_.intent);
    // A list's first word is an offset, the others are links.
    steps.store(offset_of(*best_link),
                best_link == &mine_.filled ? behind : format::make_link(format::cleaned_of(*best_link), behind));
    steps.store(offset_of(chosen.link), format::make_link(format::extent_header_size, 0));
    steps.store(offset_of(chosen.since), mine_.next_sequence);
    steps.store(offset_of(mine_.emptying), best);
    steps.run(choose_points);
    return true;
}

bool cleaner::parse(const format::extent_header& header, std::uint64_t extent, std::uint64_t offset,
                    candidate& found) const
{
    const std::uint64_t end = extent + format::bytes_of(header);
    if (end - offset < format::record_header_size || !view_record(all_.memory, offset, found.view) ||
        found.view.size > end - offset || !format::plausible_meta(found.view.header) ||
        format::extent_of(offset, found.view.header.meta) != extent) {
        return false;
    }
    found.sequence = format::sequence_of(found.view.bytes, found.view.header, header.base_sequence);
    found.victim = format::victim_of(found.view.bytes, found.view.header);
    return true;
}

void cleaner::prefetch_slot(std::uint64_t hash) const noexcept
{
    if (const std::uint64_t segment = index::segment_for(all_.memory, mine_.directory, format::tag_of(hash))) {
        const auto* const buckets = all_.memory.at<format::segment>(segment).buckets;
        const std::uint32_t home = format::home_of(hash);
        __builtin_prefetch(&buckets[home]);
        __builtin_prefetch(&buckets[format::partner_of(home, format::tag_of(hash))]);
    }
}

/// Which of them are live, and what is to be appended of each.
void cleaner::judge(batch some) const
{
    const std::uint64_t source = oldest_source();
    for (candidate& each : some) {
        record_view standing;
        const index::outcome result = writer_.find(each.hash, each.view.key(), each.slot, standing);
        if (result == index::outcome::invalid) {
            throw_bad_lookup(all_, shard_number());
        }
        each.live = result == index::outcome::found && standing.offset == each.view.offset;
        if (each.live && !all_.in_extents(each.slot.slot_offset, sizeof each.slot.word)) {
            throw_bad_lookup(all_, shard_number());
        }
        each.copy.kind = each.live ? format::record_kind::value : format::record_kind::tombstone;
        each.copy.sequence = each.sequence;
        each.copy.supersedes = must_carry(each, source);
        each.copy.victim = each.victim;
    }
}

/// K2.
bool cleaner::must_carry(const candidate& each, std::uint64_t source) const
{
    if (each.victim == 0 || seeded_fault("tombstone-dropped-early")) {
        return false;
    }
    return each.sequence >= source || may_be_on_medium(each.victim);
}

/// When the cleaning of the first extent began from which a copy may come, and that may be on the medium still. What
/// was written since may have left such a copy behind that no record names.
std::uint64_t cleaner::oldest_source() const
{
    if (load_acquire(mine_.releasing) != 0) {
        return 0;  // a checkpoint is changing that list
    }
    std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
    const auto compare = [&](std::uint64_t, const format::extent_header& header) {
        if (format::kind_of(header) == format::extent_kind::log) {
            oldest = std::min(oldest, header.since);
        }
    };
    extents::for_each_listed(all_.memory, shard_number(), mine_.limbo, compare);
    extents::for_each_listed(all_.memory, shard_number(), mine_.emptying, compare);
    return oldest;
}

bool cleaner::may_be_on_medium(std::uint64_t victim) const
{
    const std::uint64_t offset = format::slot_offset(victim);
    if (!all_.in_extents(offset, format::record_header_size)) {
        return false;
    }
    // Somebody else's by now, perhaps, who is writing there.
    format::record_header header{};
    copy_unwatched(&header, all_.memory.base() + offset, sizeof header);
    if (format::make_victim(offset, header.checksum) != victim) {
        return false;
    }
    const std::uint64_t extent = format::extent_of(offset, header.meta);
    if (extent > offset || !all_.in_extents(extent, format::extent_header_size)) {
        return false;
    }
    format::extent_header around{};
    copy_unwatched(&around, all_.memory.base() + extent, sizeof around);
    return format::valid_extent(around, all_.memory.superblock().identity, extent, all_.memory.known_size()) &&
           around.shard == shard_number() && offset - extent < format::bytes_of(around);
}

std::size_t cleaner::read(const format::extent_header& header, std::uint64_t extent, std::uint64_t at, batch room,
                          bool& whole) const
{
    const std::uint64_t begin = at;
    const std::uint64_t end = extent + format::bytes_of(header);
    std::size_t count = 0;
    while (count < room.size() && at - begin < most_bytes_at_a_time) {
        candidate& each = room[count];
        whole = end - at < format::record_header_size;
        if (whole || !parse(header, extent, at, each)) {
            break;
        }
        const std::span bytes(each.view.bytes, each.view.size);
        if (format::record_checksum(bytes, header.nonce, at) != each.view.header.checksum) {  // K4
            break;
        }
        whole = format::kind_of(each.view.header.meta) == format::record_kind::end;
        if (whole) {
            break;
        }
        each.hash = hash_key(each.view.key(), all_.seed);
        prefetch_slot(each.hash);
        at += each.view.size;
        ++count;
    }
    return count;
}

std::uint64_t cleaner::clean_log(std::uint64_t extent, format::extent_header& header)
{
    const std::uint64_t begin =
        extent + std::max<std::uint64_t>(format::cleaned_of(header.link), format::extent_header_size);
    if (begin > extent + format::bytes_of(header) || !extents::extent_at(all_.memory, extent)) {
        throw error(errc::damaged,
                    "the extent at offset " + std::to_string(extent) + " is not what was to be cleaned");
    }
    std::array<candidate, most_at_a_time> room;
    bool whole = false;
    batch some = batch(room).first(read(header, extent, begin, room, whole));
    if (some.empty()) {
        if (whole) {
            finish(extent, header, begin - extent - format::extent_header_size);
        } else {
            set_aside(extent, header);
        }
        return format::bytes_of(header) / 16;  // no quota is without an end
    }
    judge(some);
    some = some.first(make_room(some));
    if (some.empty()) {
        return 1;
    }
    append(some);
    std::uint64_t at = begin;
    for (const candidate& each : some) {
        at += each.view.size;
        if (each.size != 0) {
            publish(each, header, at - extent);
        }
    }
    if (some.back().size == 0) {
        skip_to(header, at - extent);
    }
    return at - begin;
}

std::size_t cleaner::make_room(batch some)
{
    std::uint64_t needed = format::record_header_size;  // for an end mark
    for (candidate& each : some) {
        each.size = 0;
        if (!each.live && !each.copy.supersedes) {
            continue;
        }
        each.copy.wide = log::needs_wide(each.sequence, mine_.base_sequence);
        each.size = format::record_size(log::meta_of(each.copy), each.view.header.key_length,
                                        each.live ? each.view.header.value_length : 0);
        if (mine_.log_extent == 0 || needed + each.size > mine_.log_end - mine_.log_tail) {
            const auto before = static_cast<std::size_t>(&each - some.data());
            if (before == 0) {
                // The extent that comes may have another base: with the longest form, and then all over.
                static_cast<void>(writer_.make_log_room(lock_, each.size + 8));
            }
            return before;
        }
        needed += each.size;
    }
    return some.size();
}

void cleaner::append(batch some)
{
    thread_local std::vector<std::byte> buffer;
    std::uint64_t size = 0;
    for (const candidate& each : some) {
        size += each.size;
    }
    if (size == 0) {
        return;
    }
    require_log_place(all_, shard_number());
    buffer.resize(std::max<std::size_t>(buffer.size(), size));
    std::uint64_t put = 0;
    for (const candidate& each : some) {
        if (each.size != 0) {
            log::write_record(buffer.data() + put, mine_.log_tail + put, mine_.log_extent, mine_.base_sequence,
                              mine_.nonce, each.copy, each.view.key(),
                              each.live ? each.view.value() : std::string_view());
            put += each.size;
        }
    }
    writer_.put_behind_tail(std::span(buffer).first(size));
    crash_point("clean.appended");
}

void cleaner::publish(const candidate& each, const format::extent_header& header, std::uint64_t cleaned)
{
    program steps(all_.memory, mine_.intent);
    const std::uint64_t offset = mine_.log_tail;
    steps.store(offset_of(mine_.log_tail), offset + each.size);
    if (each.live) {
        steps.store(each.slot.slot_offset, format::make_slot(offset, format::tag_of(each.hash)) |
                                               (each.slot.word & (format::slot_displaced | format::slot_mark)));
        steps.store(offset_of(mine_.live_bytes), mine_.live_bytes + each.size - each.view.size);
        steps.store(offset_of(mine_.dead_bytes), mine_.dead_bytes + each.view.size);
        steps.store(offset_of(header.wear), header.wear + each.view.size);
    } else {
        steps.store(offset_of(mine_.dead_bytes), mine_.dead_bytes + each.size);
        steps.store(offset_of(mine_.log_dead), mine_.log_dead + each.size);
    }
    steps.store(offset_of(header.link), format::make_link(cleaned, format::next_of(header.link)));
    steps.run(copy_points);
}

void cleaner::skip_to(const format::extent_header& header, std::uint64_t cleaned)
{
    program steps(all_.memory, mine_.intent);
    steps.store(offset_of(header.link), format::make_link(cleaned, format::next_of(header.link)));
    steps.run(skip_points);
}

std::uint64_t cleaner::clean_large(std::uint64_t extent, format::extent_header& header)
{
    candidate each;
    const std::uint64_t offset = extent + format::extent_header_size;
    // The record was found by its key when it died; its bytes need not be read again.
    if (!extents::extent_at(all_.memory, extent) || !parse(header, extent, offset, each)) {
        throw error(errc::damaged,
                    "the extent at offset " + std::to_string(extent) + " is not what was to be cleaned");
    }
    each.hash = hash_key(each.view.key(), all_.seed);
    const batch alone(&each, 1);
    judge(alone);
    if (each.live) {
        throw_bad_lookup(all_, shard_number());
    }
    if (each.copy.supersedes) {
        if (make_room(alone) == 0) {
            return 1;
        }
        append(alone);
        publish(each, header, format::extent_header_size);
    }
    finish(extent, header, each.view.size);
    return format::unit_size;
}

/// All that was in it is dead.
void cleaner::finish(std::uint64_t extent, format::extent_header& header, std::uint64_t record_bytes)
{
    all_.allocator.settle();
    program steps(all_.memory, mine_.intent);
    steps.store(offset_of(mine_.emptying), format::next_of(header.link));
    steps.store(offset_of(header.link), format::make_link(format::cleaned_of(header.link), mine_.limbo));
    steps.store(offset_of(mine_.limbo), extent);
    steps.store(offset_of(mine_.limbo_bytes), mine_.limbo_bytes + format::bytes_of(header));
    steps.store(offset_of(mine_.dead_bytes), mine_.dead_bytes - std::min(mine_.dead_bytes, record_bytes));
    if (!seeded_fault("recycled-without-bump")) {
        steps.bump(offset_of(mine_.shape));  // K3
    }
    steps.run(finish_points);
}

/// K4.
void cleaner::set_aside(std::uint64_t extent, format::extent_header& header)
{
    program steps(all_.memory, mine_.intent);
    steps.store(offset_of(mine_.emptying), format::next_of(header.link));
    steps.store(offset_of(header.link), format::make_link(format::never_cleaned, mine_.filled));
    steps.store(offset_of(mine_.filled), extent);
    steps.run(skip_points);
}

}  // namespace kvdb::shard
