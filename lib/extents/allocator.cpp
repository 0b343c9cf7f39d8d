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

/// From a list, or the frontier; and rather than growing, a run in a list that is shorter than wanted but not too
/// short.
std::optional<allocator::placement> allocator::find(std::uint32_t run_class, const wish& wanted) const
{
    if (auto reused = find_free(run_class, wanted.units)) {
        return reused;
    }
    const format::frontier& fresh = block().frontiers[run_class];
    const std::uint64_t bytes = wanted.units * format::unit_size;
    const std::uint64_t first = memory_.superblock().identity.first_extent_offset;
    if (fresh.end < fresh.next || fresh.next % format::unit_size != 0 || fresh.end % format::unit_size != 0 ||
        (fresh.next != fresh.end && (fresh.next < first || !memory_.covers(fresh.next, fresh.end - fresh.next)))) {
        throw error(errc::damaged,
                    "the allocator's frontier in '" + file_.path().string() + "' lies outside the file");
    }
    if (fresh.end - fresh.next < bytes) {
        return wanted.least < wanted.units ? find_shorter(run_class, wanted) : std::nullopt;
    }
    placement where;
    where.taken = {fresh.next, wanted.units, {}};
    return where;
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

std::optional<std::uint64_t> allocator::hand_out(std::uint32_t shard, format::extent_kind kind, const wish& wanted,
                                                 std::uint64_t base_sequence, std::uint64_t& destination,
                                                 std::uint32_t run_class)
{
    auto where = find(run_class, wanted);
    if (!where) {
        return std::nullopt;
    }
    where->taken.kind = kind;
    word_edits edits(memory_);
    const std::uint64_t serial = edits.get(block().next_order) & 0xffff'ffffU;
    take(edits, *where, run_class);
    write_header(edits, where->taken, shard, base_sequence);
    const std::uint64_t bytes = where->taken.units * format::unit_size;
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

std::uint64_t allocator::obtain(std::uint32_t shard, format::extent_kind kind, const wish& wanted,
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
            if (const auto word = hand_out(shard, kind, wanted, base_sequence, destination, class_of(kind))) {
                return *word;
            }
        }
        try {
            grow(kind, wanted);
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
            if (const auto word =
                    hand_out(shard, kind, wanted.least, base_sequence, destination, 1 - class_of(kind))) {
                return *word;
            }
            throw;
        }
    }
}

void allocator::supply(std::uint32_t shard, format::extent_kind kind, const wish& wanted, std::uint64_t base_sequence)
{
    auto& owner = memory_.shard(shard);
    if (kind == format::extent_kind::index) {
        obtain(shard, kind, wanted, base_sequence, owner.incoming_index, &owner.accepted_index);
    } else {
        obtain(shard, kind, wanted, base_sequence, owner.incoming_log, &owner.accepted_log);
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
    const bool staged = found && format::kind_of(*found) == format::extent_kind::large;
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
        push_extent(edits, offset_of(word), *found, false);
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
    push_extent(edits, extent_offset, *found, false);
    edits.run(block().intent, release_points);
}

void allocator::release_listed(std::uint32_t shard, bool durably)
{
    auto& owner = memory_.shard(shard);
    const std::uint64_t offset = load_relaxed(owner.releasing);
    const format::extent_header header = listed_extent(memory_, shard, offset);
    if (!durably) {
        forget_headers(memory_, offset + format::unit_size, header.units - 1);  // E3
    }
    const locked guard(*this);
    if (load_relaxed(owner.releasing) != offset) {
        return;  // a dead one's doing
    }
    word_edits edits(memory_);
    push_extent(edits, offset, header, durably);
    edits.set(owner.releasing, format::next_of(header.link));
    edits.add(owner.releasing_bytes, std::uint64_t{0} - format::bytes_of(header));
    edits.run(block().intent, release_points);
}

void allocator::push_extent(word_edits& edits, std::uint64_t offset, const format::extent_header& header,
                            bool durably) const
{
    auto& owner = memory_.shard(header.shard);
    const auto kind = format::kind_of(header);
    const bool is_index = kind == format::extent_kind::index;
    const std::uint64_t less = std::uint64_t{0} - format::bytes_of(header);
    push(edits, {offset, header.units}, class_of(kind), merge::yes);
    edits.add(is_index ? block().index_bytes : block().log_bytes, less);
    edits.add(is_index ? owner.index_bytes : owner.log_bytes, less);
    if (!durably) {
        // On the medium the header may stand for longer, and cover what is handed out of the run meanwhile.
        edits.raise_last(memory_.superblock().commits.whole_wanted);
    }
}

format::extent_header& listed_extent(io::memory& memory, std::uint32_t shard, std::uint64_t offset)
{
    if (offset % format::unit_size == 0 && offset >= memory.superblock().identity.first_extent_offset &&
        memory.covers(offset, format::unit_size)) {
        auto& header = memory.at<format::extent_header>(offset);
        const auto kind = format::kind_of(header);
        const bool known = kind == format::extent_kind::log || kind == format::extent_kind::large ||
                           kind == format::extent_kind::index;
        if (known && header.shard == shard && header.units != 0 && memory.covers(offset, format::bytes_of(header))) {
            return header;
        }
    }
    throw error(errc::damaged, "a list of extents of shard " + std::to_string(shard) + " leads to offset " +
                                   std::to_string(offset) + ", where none of them is");
}

std::vector<std::uint64_t> forget_headers(io::memory& memory, std::uint64_t offset, std::uint64_t units)
{
    std::vector<std::uint64_t> forgotten;
    for (std::uint64_t unit = 0; unit < units; ++unit) {
        const std::uint64_t at = offset + unit * format::unit_size;
        auto& header = memory.at<format::extent_header>(at);
        if (format::valid_extent(header, memory.superblock().identity, at, format::max_file_size)) {
            std::memset(&header, 0, sizeof header);
            forgotten.push_back(at);
        }
    }
    return forgotten;
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
    if (!memory.covers(offset, format::bytes_of(header)) ||
        !format::valid_extent(header, id, offset, memory.known_size())) {
        return std::nullopt;
    }
    return header;
}

}  // namespace kvdb::extents
