// SPDX-License-Identifier: BSL-1.0
#include "extents/allocator.hpp"

#include "base/seeded_fault.hpp"
#include "extents/allocator_lock.hpp"
#include "extents/word_edits.hpp"
#include "format/validate.hpp"
#include "io/cancellation.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

namespace kvdb::extents {
namespace {

constexpr program_points hand_out_points{"hand-out.armed", "hand-out.step", "hand-out.done"};
constexpr program_points release_points{"release.armed", "release.step", "release.done"};

}  // namespace

format::free_run& allocator::free_run_at(std::uint64_t offset) const
{
    if (offset % format::unit_size != 0 || offset < memory_.superblock().identity.first_extent_offset ||
        !memory_.covers(offset, format::unit_size)) {
        throw error(errc::damaged, "a free list of '" + file_.path().string() + "' leads to offset " +
                                       std::to_string(offset) + ", where no run can be");
    }
    auto& found = memory_.at<format::free_run>(offset + format::free_run_offset);
    if (found.units == 0 || found.units > format::max_file_size / format::unit_size ||
        !memory_.covers(offset, found.units * format::unit_size)) {
        throw error(errc::damaged, "the free run at offset " + std::to_string(offset) + " of '" +
                                       file_.path().string() + "' claims an impossible length");
    }
    return found;
}

std::optional<allocator::placement> allocator::find_free(std::uint32_t run_class, std::uint64_t units) const
{
    constexpr int looks = 8;  // at runs of the same size class, which may be too short
    const std::uint32_t exact = size_class_of(units);
    for (std::uint32_t size_class = exact; size_class < format::size_classes; ++size_class) {
        std::uint64_t* word = &block().free_lists[run_class][size_class];
        for (int i = 0; i < looks && *word != 0; ++i) {
            format::free_run& candidate = free_run_at(*word);
            if (candidate.units >= units) {
                placement where;
                where.taken = {*word, units, {}};
                where.list_word = memory_.offset_of(word);
                where.list_next = candidate.next;
                where.remainder = candidate.units - units;
                return where;
            }
            word = &candidate.next;
        }
    }
    return std::nullopt;
}

std::optional<allocator::placement> allocator::find(std::uint32_t run_class, std::uint64_t units) const
{
    if (auto reused = find_free(run_class, units)) {
        return reused;
    }
    const format::frontier& fresh = block().frontiers[run_class];
    const std::uint64_t bytes = units * format::unit_size;
    const std::uint64_t first = memory_.superblock().identity.first_extent_offset;
    if (fresh.end < fresh.next || fresh.next % format::unit_size != 0 || fresh.end % format::unit_size != 0 ||
        (fresh.next != fresh.end && (fresh.next < first || !memory_.covers(fresh.next, fresh.end - fresh.next)))) {
        throw error(errc::damaged,
                    "the allocator's frontier in '" + file_.path().string() + "' lies outside the file");
    }
    if (fresh.end - fresh.next < bytes) {
        return std::nullopt;
    }
    placement where;
    where.taken = {fresh.next, units, {}};
    return where;
}

void allocator::take(word_edits& edits, const placement& where, std::uint32_t run_class) const
{
    if (where.list_word == 0) {
        edits.set(block().frontiers[run_class].next, where.taken.end());
        return;
    }
    // Zero behind the header (E2); the words that link the free run are zeroed by the program itself.
    std::byte* start = memory_.base() + where.taken.offset;
    constexpr std::uint64_t kept = format::free_run_offset + sizeof(format::free_run);
    std::memset(start, 0, format::free_run_offset);
    if (where.taken.kind == format::extent_kind::log || where.taken.kind == format::extent_kind::index) {
        std::memset(start + kept, 0, where.taken.units * format::unit_size - kept);
    }
    edits.set_at(where.list_word, where.list_next);
    edits.set(block().free_bytes,
              edits.get(block().free_bytes) - (where.taken.units + where.remainder) * format::unit_size);
    if (where.remainder != 0) {
        push(edits, run_class, where.taken.end(), where.remainder);
    }
    edits.set_at(where.taken.offset + format::free_run_offset, 0);
    edits.set_at(where.taken.offset + format::free_run_offset + 8, 0);
}

void allocator::push(word_edits& edits, std::uint32_t run_class, std::uint64_t offset, std::uint64_t units) const
{
    const std::uint64_t& head = block().free_lists[run_class][size_class_of(units)];
    edits.set_at(offset, 0);  // E3: whatever header stood here is none any more
    edits.set_at(offset + format::free_run_offset, units);
    edits.set_at(offset + format::free_run_offset + 8, edits.get(head));
    edits.set(head, offset);
    edits.add(block().free_bytes, units * format::unit_size);
}

void allocator::write_header(word_edits& edits, const run& taken, std::uint32_t shard,
                             std::uint64_t base_sequence) const
{
    format::extent_header header{};
    header.kind = static_cast<std::uint16_t>(taken.kind);
    header.shard = static_cast<std::uint16_t>(shard);
    header.units = static_cast<std::uint32_t>(taken.units);
    header.order = edits.get(block().next_order);
    header.nonce = seeded_fault("constant-nonce") ? 1 : io::random_word();
    header.base_sequence = base_sequence;
    header.checksum = format::extent_checksum(header, memory_.superblock().identity.seed, taken.offset);
    std::uint64_t words[sizeof header / 8];
    std::memcpy(words, &header, sizeof header);
    for (std::uint64_t i = 0; i < 5; ++i) {
        edits.set_at(taken.offset + 8 * i, words[i]);
    }
    edits.set(block().next_order, header.order + 1);
}

std::optional<std::uint64_t> allocator::hand_out(std::uint32_t shard, format::extent_kind kind, std::uint64_t units,
                                                 std::uint64_t base_sequence, std::uint64_t& destination,
                                                 std::uint32_t run_class)
{
    auto where = find(run_class, units);
    if (!where) {
        return std::nullopt;
    }
    where->taken.kind = kind;
    word_edits edits(memory_);
    const std::uint64_t serial = edits.get(block().next_order) & 0xffff'ffffU;
    take(edits, *where, run_class);
    write_header(edits, where->taken, shard, base_sequence);
    const std::uint64_t bytes = units * format::unit_size;
    auto& owner = memory_.shard(shard);
    if (kind != format::extent_kind::journal) {
        const bool is_index = kind == format::extent_kind::index;
        edits.add(is_index ? block().index_bytes : block().log_bytes, bytes);
        edits.add(is_index ? owner.index_bytes : owner.log_bytes, bytes);
    }
    const std::uint64_t word = (serial << 32) | (where->taken.offset / format::unit_size);
    edits.set(destination, word);
    edits.run(block().intent, hand_out_points);
    return word;
}

void allocator::settle()
{
    if (load_acquire(block().intent.armed) != 0) {
        const locked guard(*this);
    }
}

std::uint64_t allocator::obtain(std::uint32_t shard, format::extent_kind kind, std::uint64_t units,
                                std::uint64_t base_sequence, std::uint64_t& destination,
                                const std::uint64_t* accepted)
{
    const io::no_cancellation whole;
    for (;;) {
        {
            const locked guard(*this);
            if (accepted != nullptr && load_acquire(destination) != load_acquire(*accepted)) {
                return load_acquire(destination);  // somebody else was faster
            }
            if (const auto word = hand_out(shard, kind, units, base_sequence, destination, class_of(kind))) {
                return *word;
            }
        }
        try {
            grow(kind, units);
        } catch (const error& failure) {
            const bool full = failure.reason() == errc::disk_full || failure.reason() == errc::file_too_large;
            if (!full || kind == format::extent_kind::journal) {
                throw;
            }
            // The last resort before giving up: space that was kept for the other class.
            const locked guard(*this);
            if (accepted != nullptr && load_acquire(destination) != load_acquire(*accepted)) {
                return load_acquire(destination);
            }
            if (const auto word = hand_out(shard, kind, units, base_sequence, destination, 1 - class_of(kind))) {
                return *word;
            }
            throw;
        }
    }
}

void allocator::supply(std::uint32_t shard, format::extent_kind kind, std::uint64_t units,
                       std::uint64_t base_sequence)
{
    auto& owner = memory_.shard(shard);
    if (kind == format::extent_kind::index) {
        obtain(shard, kind, units, base_sequence, owner.incoming_index, &owner.accepted_index);
    } else {
        obtain(shard, kind, units, base_sequence, owner.incoming_log, &owner.accepted_log);
    }
}

std::uint64_t allocator::stage(std::uint32_t shard, std::uint64_t units, std::uint32_t staged_index)
{
    auto& slot = memory_.attachment(who_.self->slot());
    if (load_relaxed(slot.staged[staged_index]) != 0) {
        unstage(who_.self->slot(), staged_index);  // an earlier attempt could not
    }
    return offset_of(obtain(shard, format::extent_kind::large, units, 0, slot.staged[staged_index], nullptr));
}

void allocator::supply_journal(std::uint64_t units)
{
    const std::uint64_t none = 0;
    obtain(0, format::extent_kind::journal, units, 0, memory_.superblock().journal.extent, &none);
}

void allocator::unstage(std::uint32_t attachment, std::uint32_t staged_index)
{
    settle();  // a dead one may have been about to store the word
    auto& slot = memory_.attachment(attachment);
    const std::uint64_t word = load_relaxed(slot.staged[staged_index]);
    const auto found = word != 0 ? extent_at(memory_, offset_of(word)) : std::nullopt;
    const bool staged = found && static_cast<format::extent_kind>(found->kind) == format::extent_kind::large;
    if (staged) {
        // Before the lock: it may be long.
        forget_headers(memory_, offset_of(word) + format::unit_size, found->units - 1);
    }
    const locked guard(*this);
    if (load_relaxed(slot.staged[staged_index]) != word || word == 0) {
        return;
    }
    word_edits edits(memory_);
    if (staged) {
        push_extent(edits, offset_of(word), *found);
    }
    edits.set(slot.staged[staged_index], 0);
    edits.run(block().intent, release_points);
}

void allocator::release(std::uint64_t extent_offset)
{
    const locked guard(*this);
    const auto found = extent_at(memory_, extent_offset);
    if (!found) {
        return;
    }
    forget_headers(memory_, extent_offset + format::unit_size, found->units - 1);
    word_edits edits(memory_);
    push_extent(edits, extent_offset, *found);
    edits.run(block().intent, release_points);
}

void allocator::push_extent(word_edits& edits, std::uint64_t offset, const format::extent_header& header) const
{
    auto& owner = memory_.shard(header.shard);
    const std::uint64_t less = std::uint64_t{0} - std::uint64_t{header.units} * format::unit_size;
    push(edits, class_of(static_cast<format::extent_kind>(header.kind)), offset, header.units);
    edits.add(block().log_bytes, less);
    edits.add(owner.log_bytes, less);
    // On the medium the header may stand for longer, and cover what is handed out of the run meanwhile.
    edits.raise_last(memory_.superblock().commits.whole_wanted);
}

void forget_headers(io::memory& memory, std::uint64_t offset, std::uint64_t units)
{
    for (std::uint64_t unit = 0; unit < units; ++unit) {
        const std::uint64_t at = offset + unit * format::unit_size;
        auto& header = memory.at<format::extent_header>(at);
        if (format::valid_extent(header, memory.superblock().identity, at, format::max_file_size)) {
            std::memset(&header, 0, sizeof header);
        }
    }
}

std::optional<format::extent_header> extent_at(io::memory& memory, std::uint64_t offset)
{
    const format::identity_block& id = memory.superblock().identity;
    if (offset % format::unit_size != 0 || offset < id.first_extent_offset ||
        !memory.covers(offset, format::unit_size)) {
        return std::nullopt;
    }
    const auto header = memory.at<format::extent_header>(offset);
    // The run may end in space that another process has just added.
    if (!memory.covers(offset, std::uint64_t{header.units} * format::unit_size) ||
        !format::valid_extent(header, id, offset, memory.known_size())) {
        return std::nullopt;
    }
    return header;
}

}  // namespace kvdb::extents
