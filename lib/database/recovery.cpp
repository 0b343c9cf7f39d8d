// SPDX-License-Identifier: BSL-1.0
#include "database/recovery.hpp"

#include "base/hash.hpp"
#include "base/seeded_fault.hpp"
#include "database/commit.hpp"
#include "format/validate.hpp"
#include "io/crash_point.hpp"
#include "shard/writer.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>

namespace kvdb {
namespace {

constexpr unsigned most_threads = 16;

std::uint64_t incarnation_of(std::uint64_t sequence) noexcept
{
    return sequence >> format::sequence_bits;
}

}  // namespace

recovery::recovery(const shard::context& all, io::file& data, const progress_function& progress,
                   std::uint64_t file_size)
    : all_(all), data_(data), progress_(progress), file_size_(file_size)
{
    const format::identity_block& identity = all_.memory.superblock().identity;
    extents_.resize(identity.shard_count);
    for (const log::found_extent& extent : log::find_extents(data_, identity, file_size_, &cut_off_)) {
        const bool journal = extent.kind() == format::extent_kind::journal;
        if (journal && seeded_fault("journal-outlives-recovery")) {
            continue;
        }
        if (journal || extent.kind() == format::extent_kind::index) {
            volatile_extents_.push_back(extent);
        } else {
            extents_[extent.header.shard].push_back(extent);
            total_bytes_ += extent.bytes();
        }
    }
}

void recovery::reset_volatile()
{
    format::superblock& block = all_.memory.superblock();
    const std::uint32_t count = block.identity.shard_count;
    store_release(block.state.file_size, file_size_);
    block.state.volatile_layout = format::volatile_layout;
    block.state.poison = 0;
    block.locks = format::lock_block{};
    block.commits = format::commit_block{};
    block.journal = format::journal_block{};
    for (std::uint32_t i = 0; i < count; ++i) {
        format::shard_block& shard = all_.block(i);
        std::atomic_ref<std::uint64_t>(shard.shape).fetch_add(1, std::memory_order_acq_rel);
        constexpr std::size_t behind_shape = sizeof shard.shape;
        std::memset(reinterpret_cast<std::byte*>(&shard) + behind_shape, 0, sizeof shard - behind_shape);
    }
    for (std::uint32_t i = 0; i < block.identity.attachment_count; ++i) {
        auto& slot = all_.memory.attachment(i);
        const std::uint32_t generation = load_relaxed(slot.generation);
        slot = format::attachment_slot{};
        slot.generation = generation;
    }
}

void recovery::run(bool durable)
{
    durable_ = durable;
    const auto began = std::chrono::steady_clock::now();
    drop_volatile_extents(durable);
    raise_incarnation(durable);
    rebuild_shards();
    for (const std::uint64_t extent : sum_.empty_extents) {
        all_.allocator.release(extent);
    }
    format::state_block& state = all_.memory.superblock().state;
    const auto took = std::chrono::steady_clock::now() - began;
    state.last_recovery.at_unix_ms = io::unix_milliseconds();
    state.last_recovery.duration_us =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    state.last_recovery.records_kept = sum_.kept;
    state.last_recovery.entries = sum_.entries;
    state.last_recovery.bytes_dropped = sum_.dropped;
}

/// A header that stayed valid on disk could swallow a new neighbour, so it must be gone there before its space is
/// used. So must one whose run ends behind the file: it would become valid when the file grows.
void recovery::drop_volatile_extents(bool durable)
{
    std::uint64_t index_units = 0;
    std::uint64_t next_order = 1;
    for (const log::found_extent& extent : volatile_extents_) {
        extents::forget_headers(all_.memory, extent.offset, extent.header.units);
        index_units += extent.kind() == format::extent_kind::index ? extent.header.units : 0;
        next_order = std::max(next_order, extent.header.order + 1);
    }
    for (const std::uint64_t offset : cut_off_) {
        std::memset(all_.memory.base() + offset, 0, format::extent_header_size);
    }
    std::vector<extents::run> used;
    for (const auto& of_shard : extents_) {
        for (const log::found_extent& extent : of_shard) {
            used.push_back({extent.offset, extent.header.units, extent.kind()});
            next_order = std::max(next_order, extent.header.order + 1);
        }
    }
    std::sort(used.begin(), used.end(), [](const auto& a, const auto& b) { return a.offset < b.offset; });
    crash_point("recover.index-dropped");
    if (durable) {
        flush_or_poison(all_, data_);
    }
    all_.allocator.rebuild(used, file_size_, next_order, index_units);
}

void recovery::raise_incarnation(bool durable)
{
    format::superblock& block = all_.memory.superblock();
    std::uint64_t highest = block.state.incarnation;
    for (const std::uint64_t offset : block.identity.checkpoint_offset) {
        const auto& slot = all_.memory.at<format::checkpoint_slot>(offset);
        if (slot.checksum == format::checkpoint_checksum(slot)) {
            highest = std::max(highest, slot.incarnation);
        }
    }
    for (const auto& of_shard : extents_) {
        for (const log::found_extent& extent : of_shard) {
            highest = std::max(highest, incarnation_of(extent.header.base_sequence));
        }
    }
    begin_incarnation(highest + 1);
    if (durable) {
        flush_or_poison(all_, data_);
    }
    crash_point("recover.incarnation-raised");
}

void recovery::rebuild_shards()
{
    const auto count = static_cast<unsigned>(extents_.size());
    unsigned wanted = 1;
    if (total_bytes_ >= 4 * format::region_size) {  // to ask for the cores is a file opened and read
        wanted = std::min({std::max(1U, std::thread::hardware_concurrency()), count, most_threads});
    }
    {
        std::vector<std::jthread> helpers;
        try {
            for (unsigned i = 1; i < wanted; ++i) {
                helpers.emplace_back([this] { work(); });
            }
        } catch (const std::system_error&) {
            // No more threads to be had: those there are will do.
        }
        work();
    }
    if (failure_) {
        std::rethrow_exception(failure_);
    }
    if (incarnation_of(sum_.highest) >= all_.memory.superblock().state.incarnation) {
        begin_incarnation(incarnation_of(sum_.highest) + 1);
    }
}

/// New records never carry a number that one from before the crash has, found or lost.
void recovery::begin_incarnation(std::uint64_t incarnation)
{
    constexpr std::uint64_t last = (std::uint64_t{1} << (64 - format::sequence_bits)) - 1;
    if (incarnation > last && !durable_) {
        incarnation = last;  // a private index takes no numbers
    }
    if (incarnation > last) {
        throw error(errc::damaged, "'" + data_.path().string() + "' claims to have been recovered " +
                                       std::to_string(incarnation - 1) + " times, more than the format can count");
    }
    all_.memory.superblock().state.incarnation = incarnation;
    for (std::uint32_t i = 0; i < extents_.size(); ++i) {
        all_.block(i).next_sequence = (incarnation << format::sequence_bits) + 1;
    }
}

void recovery::work()
{
    try {
        for (;;) {
            const std::uint32_t shard = next_shard_.fetch_add(1);
            if (shard >= extents_.size()) {
                return;
            }
            rebuild_shard(shard);
        }
    } catch (...) {
        const std::lock_guard guard(mutex_);
        if (!failure_) {
            failure_ = std::current_exception();
        }
        next_shard_.store(static_cast<std::uint32_t>(extents_.size()));
    }
}

void recovery::rebuild_shard(std::uint32_t shard)
{
    auto& mine = extents_[shard];
    std::sort(mine.begin(), mine.end(), [](const auto& a, const auto& b) { return a.header.order < b.header.order; });
    findings found;
    losers lost;
    log::record_walker walker(data_);
    for (const log::found_extent& extent : mine) {
        const std::uint64_t before = found.kept;
        if (durable_) {
            auto& header = all_.memory.at<format::extent_header>(extent.offset);
            header.link = header.wear = header.since = 0;
        }
        all_.block(shard).log_bytes += extent.bytes();
        const log::walk_end end = walker.walk(extent, [&](const log::parsed_record& record) {
            take_record(shard, extent.offset, record, found, lost);
        });
        found.dropped += end.bytes_dropped;
        if (durable_ && !seeded_fault("recovery-seals-nothing")) {
            seal(extent, end);
        }
        if (found.kept == before) {
            found.empty_extents.push_back(extent.offset);
        }
        report(extent.bytes());
    }
    if (durable_) {
        guard_losers(shard, lost);
    }
    settle(shard, found);
    if (durable_) {
        list_extents(shard, found);
    }
    crash_point("recover.shard");
    const std::lock_guard guard(mutex_);
    sum_.kept += found.kept;
    sum_.entries += found.entries;
    sum_.dropped += found.dropped;
    sum_.highest = std::max(sum_.highest, found.highest);
    sum_.empty_extents.insert(sum_.empty_extents.end(), found.empty_extents.begin(), found.empty_extents.end());
}

/// Whatever lies behind the last whole record stays dead, and nothing is appended there.
void recovery::seal(const log::found_extent& extent, const log::walk_end& end) const
{
    using reason = log::walk_end::reason;
    if (extent.kind() == format::extent_kind::log && (end.why == reason::blank || end.why == reason::invalid)) {
        log::write_end_mark(all_.memory.base() + end.offset, end.offset, extent.offset, extent.header.nonce);
    }
}

void recovery::take_record(std::uint32_t shard, std::uint64_t extent, const log::parsed_record& record,
                           findings& found, losers& lost)
{
    const std::uint64_t hash = hash_key(record.key, all_.seed);
    if (format::shard_of(hash, all_.shard_bits) != shard) {
        found.dropped += record.size;
        return;
    }
    ++found.kept;
    found.valid_bytes += record.size;
    found.highest = std::max(found.highest, record.sequence);
    const bool is_value = record.kind == format::record_kind::value;
    if (!is_value) {
        count_dead(extent, record.size);
    }
    if (record.supersedes && record.victim != 0) {
        lost.victims.push_back(record.victim);
    }
    shard::writer writer(all_, shard);
    index::found_slot slot;
    shard::record_view view;
    if (writer.find(hash, record.key, slot, view) != index::outcome::found) {
        writer.adopt(hash, record.offset, nullptr);
        count_standing(record, found);
        return;
    }
    const bool value_stands = format::kind_of(view.header.meta) == format::record_kind::value;
    const std::uint64_t standing = sequence_at(view.offset);
    const bool tie =
        record.sequence == standing && is_value && !(value_stands && seeded_fault("first-of-equals-wins"));
    if ((record.sequence > standing || tie) && !seeded_fault("oldest-record-wins")) {
        if (value_stands) {
            const std::uint64_t from = format::extent_of(view.offset, view.header.meta);
            if (tie) {
                note_source(from);
            } else {
                lost.values.push_back(format::make_victim(view.offset, view.header.checksum));
            }
            --found.entries;
            found.live_bytes -= view.size;
            count_dead(from, view.size);
        }
        writer.adopt(hash, record.offset, &slot);
        count_standing(record, found);
    } else if (is_value) {
        lost.values.push_back(format::make_victim(record.offset, record.checksum));
        count_dead(extent, record.size);
    }
}

/// An extent was being cleaned: of two equal records one is the copy of the other, and its original is named by none
/// that will replace the copy.
void recovery::note_source(std::uint64_t extent) const
{
    if (durable_) {
        all_.memory.at<format::extent_header>(extent).since = 1;
    }
}

/// For the cleaner. A large extent holds one record, so that any number says that it is dead.
void recovery::count_dead(std::uint64_t extent, std::uint64_t size) const
{
    if (durable_) {
        auto& header = all_.memory.at<format::extent_header>(extent);
        const bool large = format::kind_of(header) == format::extent_kind::large;
        header.wear += large ? 1 : size;
    }
}

/// Counted as they come and go: to look at each again at the end is a cache miss and more for every key.
void recovery::count_standing(const log::parsed_record& record, findings& found)
{
    if (record.kind == format::record_kind::value) {
        ++found.entries;
        found.live_bytes += record.size;
    } else {
        found.tombstones.push_back(record.offset);
    }
}

std::uint64_t recovery::sequence_at(std::uint64_t record_offset) const
{
    shard::record_view view;
    if (!shard::view_record(all_.memory, record_offset, view)) {
        return 0;
    }
    const std::uint64_t extent = format::extent_of(record_offset, view.header.meta);
    return format::sequence_of(view.bytes, view.header, all_.memory.at<format::extent_header>(extent).base_sequence);
}

/// Invariant L: every dead value on disk has a record of its key with a higher number on disk, for as long as it is
/// there. A loser that no record names as its victim would be forgotten by cleaning; a guard names it.
void recovery::guard_losers(std::uint32_t shard, losers& lost)
{
    std::sort(lost.victims.begin(), lost.victims.end());
    shard::writer writer(all_, shard);
    for (const std::uint64_t value : lost.values) {
        if (std::binary_search(lost.victims.begin(), lost.victims.end(), value)) {
            continue;
        }
        const std::uint64_t offset = format::slot_offset(value);
        shard::record_view loser;
        if (!shard::view_record(all_.memory, offset, loser)) {
            continue;
        }
        index::found_slot slot;
        shard::record_view winner;
        const std::uint64_t hash = hash_key(loser.key(), all_.seed);
        if (writer.find(hash, loser.key(), slot, winner) == index::outcome::found && winner.offset != offset) {
            writer.append_guard(loser.key(), sequence_at(winner.offset), value);
        }
    }
}

/// Tombstones leave the index; what remains is counted.
void recovery::settle(std::uint32_t shard, findings& found)
{
    format::shard_block& block = all_.block(shard);
    shard::writer writer(all_, shard);
    for (const std::uint64_t offset : found.tombstones) {
        shard::record_view stone;
        index::found_slot slot;
        shard::record_view standing;
        if (shard::view_record(all_.memory, offset, stone) &&
            writer.find(hash_key(stone.key(), all_.seed), stone.key(), slot, standing) == index::outcome::found &&
            standing.offset == offset) {
            writer.abandon(slot);
        }
    }
    block.entries = found.entries;
    block.live_bytes = found.live_bytes;
    block.dead_bytes += found.valid_bytes - found.live_bytes;
}

/// In order of age, the newest first, as a shard that left them one after the other would have them.
void recovery::list_extents(std::uint32_t shard, const findings& found) const
{
    format::shard_block& block = all_.block(shard);
    for (const log::found_extent& extent : extents_[shard]) {
        if (std::ranges::find(found.empty_extents, extent.offset) != found.empty_extents.end()) {
            continue;  // given back soon
        }
        auto& header = all_.memory.at<format::extent_header>(extent.offset);
        if (header.since != 0) {
            header.since = block.next_sequence;
            header.link = format::make_link(format::extent_header_size, block.emptying);
            block.emptying = extent.offset;
        } else if (extent.kind() == format::extent_kind::log) {
            header.link = format::make_link(0, block.filled);
            block.filled = extent.offset;
        } else if (format::dead_of(header.wear) != 0) {
            header.link = format::make_link(0, block.emptying);
            block.emptying = extent.offset;
        }
    }
}

void recovery::report(std::uint64_t bytes)
{
    const std::lock_guard guard(mutex_);
    done_bytes_ += bytes;
    if (progress_) {
        progress_(done_bytes_, total_bytes_);
    }
}

}  // namespace kvdb
