// SPDX-License-Identifier: BSL-1.0
#include "shard/writer.hpp"

#include "base/seeded_fault.hpp"
#include "extents/redo.hpp"
#include "shard/cleaner.hpp"
#include "shard/reader.hpp"

#include <algorithm>
#include <span>
#include <vector>

namespace kvdb::shard {
namespace {

constexpr extents::program_points set_points{"set.armed", "set.step", "set.disarmed"};
constexpr extents::program_points erase_points{"erase.armed", "erase.step", "erase.disarmed"};
constexpr extents::program_points guard_points{"guard.armed", "guard.step", "guard.disarmed"};

using program = extents::shard_program;

/// Header and all fields that a record of this version can carry, and its padding.
constexpr std::uint64_t largest_overhead = format::record_header_size + 2 * 8 + format::record_alignment;

}  // namespace

index::outcome writer::find(std::uint64_t hash, std::string_view key, index::found_slot& where,
                            record_view& view) const
{
    const key_matcher matches(all_.memory, key, view);
    return index::find(all_.memory, load_relaxed(block().directory), hash, matches, where);
}

bool writer::locate(std::uint64_t hash, std::string_view key, target& found) const
{
    index::found_slot where;
    const index::outcome result = find(hash, key, where, found.old);
    if (result == index::outcome::invalid ||
        (result == index::outcome::found && !all_.in_extents(where.slot_offset, sizeof where.word))) {
        throw_bad_lookup(all_, shard_);
    }
    found.replaces = result == index::outcome::found;
    if (found.replaces) {
        found.slot_offset = where.slot_offset;
        found.flags = where.word & (format::slot_displaced | format::slot_mark);
        found.mark_offset = 0;
    }
    return found.replaces;
}

std::uint64_t writer::take_sequence() const noexcept
{
    std::uint64_t& next = block().next_sequence;
    const std::uint64_t taken = load_relaxed(next);
    store_relaxed(next, taken + (seeded_fault("sequence-reused") && taken % 3 == 0 ? 0 : 1));
    std::atomic_thread_fence(std::memory_order_release);  // W1: raised before a record carries it
    return taken;
}

log::record_fields writer::fields_for(format::record_kind kind, const target& where,
                                      std::uint64_t base) const noexcept
{
    log::record_fields fields;
    fields.kind = kind;
    fields.sequence = take_sequence();
    fields.supersedes = where.replaces;
    if (where.replaces) {
        fields.victim = format::make_victim(where.old.offset, where.old.header.checksum);
    }
    fields.wide = log::needs_wide(fields.sequence, base);
    return fields;
}

std::uint64_t writer::write_behind_tail(const log::record_fields& fields, std::string_view key,
                                        std::string_view value)
{
    const format::shard_block& mine = block();
    const std::uint64_t size = format::record_size(log::meta_of(fields), key.size(), value.size());
    if (durable_) {
        append_to_file(fields, key, value, size);
        return size;
    }
    std::byte* at = all_.memory.base() + mine.log_tail;
    log::write_record(at, mine.log_tail, mine.log_extent, mine.base_sequence, mine.nonce, fields, key, value);
    // The lines of the next record, while nobody waits for them.
    for (std::uint64_t ahead = 0; ahead < 4 * 64; ahead += 64) {
        __builtin_prefetch(at + size + ahead, 1);
    }
    return size;
}

/// A store through the mapping would make the whole folio of the page cache dirty, up to 2 MiB, and the commit write
/// all of it.
void writer::append_to_file(const log::record_fields& fields, std::string_view key, std::string_view value,
                            std::uint64_t size)
{
    thread_local std::vector<std::byte> buffer;
    format::shard_block& mine = block();
    if (buffer.size() < size) {
        buffer.resize(size);
    }
    log::write_record(buffer.data(), mine.log_tail, mine.log_extent, mine.base_sequence, mine.nonce, fields, key,
                      value);
    put_behind_tail(std::span(buffer).first(size));
    promise();
    if (!seeded_fault("append-not-registered")) {
        store_release(mine.log_wanted, mine.log_tail + size);  // W5
    }
}

/// From now on nothing of this shard's log is reused before a checkpoint (lib/shard/cleaner.hpp).
void writer::promise() const noexcept
{
    if (load_relaxed(block().promised) == 0) {
        store_release(block().promised, std::uint64_t{1});
    }
}

/// Writes bytes behind the tail; they are nobody's until a program publishes them.
void writer::put_behind_tail(std::span<const std::byte> bytes)
{
    format::shard_block& mine = block();
    std::byte* const at = all_.memory.base() + mine.log_tail;
    if (!durable_) {
        std::memcpy(at, bytes.data(), bytes.size());
        return;
    }
    try {
        all_.data->write_at(mine.log_tail, bytes);
    } catch (...) {
        // Part of it may be there, or all. If not, the extent is as before: whoever keeps failing uses up no space.
        const std::span behind_tail(at, bytes.size());
        const bool untouched = std::ranges::all_of(behind_tail, [](std::byte each) { return each == std::byte{0}; });
        if (!untouched && !seeded_fault("failed-append-not-sealed")) {
            seal(all_, shard_);
        }
        throw;
    }
}

void writer::bury(extents::shard_program& steps, const record_view& old, std::uint64_t more) const
{
    format::shard_block& mine = block();
    const std::uint64_t extent = format::extent_of(old.offset, old.header.meta);
    std::uint64_t of_present = more;
    if (extent == mine.log_extent) {
        of_present += old.size;
    } else if (all_.in_extents(extent, format::extent_header_size)) {
        // The record's checksum was not looked at: no word is changed but that of an extent of this shard.
        const auto& header = all_.memory.at<format::extent_header>(extent);
        const bool ours = header.shard == shard_ && old.offset + old.size <= extent + format::bytes_of(header);
        const auto kind = format::kind_of(header);
        if (ours && kind == format::extent_kind::log) {
            steps.store(offset_of(header.wear), load_relaxed(header.wear) + old.size);
        } else if (ours && kind == format::extent_kind::large && old.offset == extent + format::extent_header_size) {
            steps.store(offset_of(header.link), format::make_link(0, mine.emptying));
            steps.store(offset_of(mine.emptying), extent);
        }
    }
    if (of_present != 0) {
        steps.store(offset_of(mine.log_dead), mine.log_dead + of_present);
    }
}

/// Cleans a little whenever the log has come to another unit.
void writer::clean_behind(locked_shard& lock, std::uint64_t former_tail)
{
    const std::uint64_t units = block().log_tail / format::unit_size - former_tail / format::unit_size;
    if (units != 0) [[unlikely]] {
        cleaner work(*this, lock);
        wants_release_ = work.keep_up(units * format::unit_size);
    }
}

void writer::set(std::uint64_t hash, std::string_view key, std::string_view value)
{
    locked_shard lock(all_, shard_);
    crash_point("set.begin");
    const std::uint64_t room = largest_overhead + key.size() + value.size();
    target where;
    do {
        locate(hash, key, where);
    } while (make_log_room(lock, room) == progress::look_again ||
             (!where.replaces && make_slot(lock, hash, where) == progress::look_again));

    format::shard_block& mine = block();
    const log::record_fields fields = fields_for(format::record_kind::value, where, mine.base_sequence);
    const bool written_last = seeded_fault("armed-before-written");
    const std::uint64_t size = written_last ? format::record_size(log::meta_of(fields), key.size(), value.size())
                                            : write_behind_tail(fields, key, value);
    crash_point("set.record-written");

    program steps(all_.memory, mine.intent);
    const std::uint64_t offset = mine.log_tail;
    steps.store(offset_of(mine.log_tail), offset + size);
    if (where.mark_offset != 0) {
        steps.store(where.mark_offset,
                    load_relaxed(all_.memory.at<std::uint64_t>(where.mark_offset)) | format::slot_mark);
    }
    steps.store(where.slot_offset, format::make_slot(offset, format::tag_of(hash)) | where.flags);
    const std::uint64_t gone = where.replaces ? where.old.size : 0;
    if (where.replaces) {
        steps.store(offset_of(mine.dead_bytes), mine.dead_bytes + gone);
        bury(steps, where.old, 0);
    } else {
        steps.store(offset_of(mine.entries), mine.entries + 1);
    }
    steps.store(offset_of(mine.live_bytes), mine.live_bytes + size - gone);
    if (seeded_fault("acknowledged-when-armed")) {
        steps.arm(set_points);
        return;
    }
    if (written_last) {
        steps.arm(set_points);
        write_behind_tail(fields, key, value);
    }
    steps.run(set_points);
    clean_behind(lock, offset);
}

bool writer::erase(std::uint64_t hash, std::string_view key)
{
    locked_shard lock(all_, shard_);
    crash_point("erase.begin");
    target where;
    do {
        if (!locate(hash, key, where)) {
            return false;
        }
    } while (make_log_room(lock, largest_overhead + key.size()) == progress::look_again);

    format::shard_block& mine = block();
    const log::record_fields fields = fields_for(format::record_kind::tombstone, where, mine.base_sequence);
    const std::uint64_t size = write_behind_tail(fields, key, {});
    crash_point("erase.record-written");

    program steps(all_.memory, mine.intent);
    steps.store(offset_of(mine.log_tail), mine.log_tail + size);
    steps.store(where.slot_offset, where.flags & format::slot_mark);
    steps.store(offset_of(mine.entries), mine.entries - 1);
    steps.store(offset_of(mine.live_bytes), mine.live_bytes - where.old.size);
    steps.store(offset_of(mine.dead_bytes), mine.dead_bytes + where.old.size + size);
    bury(steps, where.old, size);
    const std::uint64_t offset = mine.log_tail;
    steps.run(erase_points);
    clean_behind(lock, offset);
    return true;
}

void writer::adopt(std::uint64_t hash, std::uint64_t record_offset, const index::found_slot* old)
{
    target where;
    if (old != nullptr) {
        where.slot_offset = old->slot_offset;
        where.flags = old->word & (format::slot_displaced | format::slot_mark);
    } else {
        locked_shard lock(all_, shard_);
        while (make_slot(lock, hash, where) == progress::look_again) {
        }
    }
    if (where.mark_offset != 0) {
        all_.memory.at<std::uint64_t>(where.mark_offset) |= format::slot_mark;
    }
    store_release(all_.memory.at<std::uint64_t>(where.slot_offset),
                  format::make_slot(record_offset, format::tag_of(hash)) | where.flags);
}

void writer::abandon(const index::found_slot& where) const
{
    store_release(all_.memory.at<std::uint64_t>(where.slot_offset), where.word & format::slot_mark);
}

void writer::append_guard(std::string_view key, std::uint64_t sequence, std::uint64_t victim)
{
    locked_shard lock(all_, shard_);
    while (make_log_room(lock, largest_overhead + key.size()) == progress::look_again) {
    }
    format::shard_block& mine = block();
    log::record_fields fields;
    fields.kind = format::record_kind::tombstone;
    fields.sequence = sequence;
    fields.supersedes = true;
    fields.victim = victim;
    fields.wide = log::needs_wide(sequence, mine.base_sequence);
    const std::uint64_t size = write_behind_tail(fields, key, {});
    program steps(all_.memory, mine.intent);
    steps.store(offset_of(mine.log_tail), mine.log_tail + size);
    steps.store(offset_of(mine.dead_bytes), mine.dead_bytes + size);
    steps.store(offset_of(mine.log_dead), mine.log_dead + size);
    steps.run(guard_points);
}

}  // namespace kvdb::shard
