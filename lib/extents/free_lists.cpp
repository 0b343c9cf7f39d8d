// SPDX-License-Identifier: BSL-1.0
// Free runs: in lists by size, each run known by a word of its own at its start, and by its last word from behind. So
// who frees a run finds its free neighbours, and makes one run of them.
#include "extents/allocator_lock.hpp"
#include "extents/word_edits.hpp"
#include "format/validate.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

namespace kvdb::extents {
namespace {

constexpr std::uint64_t units_at = format::free_run_offset + offsetof(format::free_run, size);
constexpr std::uint64_t next_at = format::free_run_offset + offsetof(format::free_run, next);
constexpr std::uint64_t prev_at = format::free_run_offset + offsetof(format::free_run, prev);
constexpr std::uint64_t check_at = format::free_run_offset + offsetof(format::free_run, check);

constexpr int looks = 8;  // at runs of the same size class, which may be too short

}  // namespace

/// The free run that is at `offset` once the edits are carried out.
std::optional<format::free_run> allocator::free_run_in(std::uint64_t offset, const word_edits& edits) const
{
    const std::uint64_t size = edits.get(memory_.superblock().state.file_size);
    const std::uint64_t first = memory_.superblock().identity.first_extent_offset;
    if (offset % format::unit_size != 0 || offset < first || offset >= size ||
        !memory_.covers(offset, format::unit_size)) {
        return std::nullopt;
    }
    const auto& words = memory_.at<format::free_run>(offset + format::free_run_offset);
    const format::free_run found{edits.get(words.size), edits.get(words.next), edits.get(words.prev),
                                 edits.get(words.check)};
    const bool good = found.check == format::free_run_check(found.size, memory_.superblock().identity.seed, offset) &&
                      found.units() != 0 && found.units() <= (size - offset) / format::unit_size;
    return good ? std::optional(found) : std::nullopt;
}

format::free_run allocator::free_run_at(std::uint64_t offset, const word_edits& edits) const
{
    const auto found = free_run_in(offset, edits);
    if (!found) {
        throw error(errc::damaged, "a free list of '" + file_.path().string() + "' leads to offset " +
                                       std::to_string(offset) + ", where no free run is");
    }
    return *found;
}

std::optional<allocator::placement> allocator::find_free(std::uint32_t run_class, std::uint64_t units) const
{
    const word_edits none(memory_);
    for (std::uint32_t size_class = size_class_of(units); size_class < format::size_classes; ++size_class) {
        std::uint64_t at = block().free_lists[run_class][size_class];
        for (int i = 0; i < looks && at != 0; ++i) {
            const format::free_run candidate = free_run_at(at, none);
            if (candidate.units() >= units && candidate.run_class() == run_class && !candidate.punched()) {
                return placement{{at, units, {}}, true, candidate.units() - units};
            }
            at = candidate.next;
        }
    }
    return std::nullopt;
}

/// The longest run that will do, whole.
std::optional<allocator::placement> allocator::find_shorter(std::uint32_t run_class, const wish& wanted) const
{
    const word_edits none(memory_);
    const std::uint32_t last = size_class_of(wanted.least);
    for (std::uint32_t size_class = size_class_of(wanted.units) + 1; size_class-- > last;) {
        std::uint64_t at = block().free_lists[run_class][size_class];
        for (int i = 0; i < looks && at != 0; ++i) {
            const format::free_run candidate = free_run_at(at, none);
            if (candidate.units() >= wanted.least && candidate.run_class() == run_class && !candidate.punched()) {
                const std::uint64_t taken = std::min(candidate.units(), wanted.units);
                return placement{{at, taken, {}}, true, candidate.units() - taken};
            }
            at = candidate.next;
        }
    }
    return std::nullopt;
}

void allocator::take(word_edits& edits, const placement& where, std::uint32_t run_class) const
{
    if (!where.from_list) {
        edits.set(block().frontiers[run_class].next, where.taken.end());
        return;
    }
    // Zero behind the header (E2); the words of the free run are zeroed by the program itself.
    std::byte* start = memory_.base() + where.taken.offset;
    constexpr std::uint64_t kept = format::free_run_offset + sizeof(format::free_run);
    std::memset(start, 0, format::free_run_offset);
    // Who still reads what stood here must see that before anything that comes.
    std::atomic_thread_fence(std::memory_order_release);
    if (where.taken.kind == format::extent_kind::log || where.taken.kind == format::extent_kind::index) {
        std::memset(start + kept, 0, where.taken.units * format::unit_size - kept);
    }
    unlink(edits, where.taken.offset);
    if (where.remainder != 0) {
        push(edits, {where.taken.end(), where.remainder, {}}, run_class, merge::no);
    }
    edits.clear(where.taken.offset + format::free_run_offset, sizeof(format::free_run) / 8);
}

void allocator::unlink(word_edits& edits, std::uint64_t offset) const
{
    const format::free_run gone = free_run_at(offset, edits);
    const std::uint64_t& head = block().free_lists[gone.run_class()][size_class_of(gone.units())];
    if ((gone.prev == 0 ? edits.get(head) : free_run_at(gone.prev, edits).next) != offset) {
        throw error(errc::damaged, "the free run at offset " + std::to_string(offset) + " of '" +
                                       file_.path().string() + "' is not in the list of its size");
    }
    if (gone.next != 0) {
        static_cast<void>(free_run_at(gone.next, edits));
        edits.set_at(gone.next + prev_at, gone.prev);
    }
    if (gone.prev == 0) {
        edits.set(head, gone.next);
    } else {
        edits.set_at(gone.prev + next_at, gone.next);
    }
    edits.add(block().free_bytes, std::uint64_t{0} - gone.units() * format::unit_size);
}

void allocator::push(word_edits& edits, run added, std::uint32_t run_class, merge how) const
{
    edits.set_at(added.offset, 0);  // E3: whatever header stood here is none any more
    bool punched = false;
    const auto join = [&](std::uint64_t neighbour, const format::free_run& with) {
        unlink(edits, neighbour);
        edits.set_at(neighbour + check_at, 0);
        punched = punched || with.punched();
        added.units += with.units();
        added.offset = std::min(added.offset, neighbour);
    };
    if (how == merge::yes) {
        const std::uint64_t behind = added.end();
        if (const auto next = free_run_in(behind, edits); next && next->run_class() == run_class) {
            join(behind, *next);
        }
        const std::uint64_t before =
            load_unwatched(memory_.at<std::uint64_t>(added.offset - format::free_run_footer));
        const auto prev = free_run_in(before, edits);
        if (prev && prev->run_class() == run_class && before + prev->units() * format::unit_size == added.offset) {
            join(before, *prev);
        }
    }
    const std::uint64_t size = format::make_free_size(added.units, run_class, punched);
    const std::uint64_t& head = block().free_lists[run_class][size_class_of(added.units)];
    const std::uint64_t next = edits.get(head);
    edits.set_at(added.offset + units_at, size);
    edits.set_at(added.offset + next_at, next);
    edits.set_at(added.offset + prev_at, 0);
    edits.set_at(added.offset + check_at,
                 format::free_run_check(size, memory_.superblock().identity.seed, added.offset));
    edits.set_at(added.end() - format::free_run_footer, added.offset);
    if (next != 0) {
        static_cast<void>(free_run_at(next, edits));
        edits.set_at(next + prev_at, added.offset);
    }
    edits.set(head, added.offset);
    edits.add(block().free_bytes, added.units * format::unit_size);
}

}  // namespace kvdb::extents
