// SPDX-License-Identifier: BSL-1.0
// How the file grows, and how the allocator's lists are made anew from the extents alone.
#include "base/seeded_fault.hpp"
#include "extents/allocator_lock.hpp"
#include "extents/word_edits.hpp"
#include "format/validate.hpp"

#include <string>

namespace kvdb::extents {
namespace {

constexpr program_points growth_points{"growth.armed", "growth.step", "growth.done"};
constexpr std::uint64_t regions_from = 4 * 1024 * 1024;  // below this size, classes may share a region

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) noexcept
{
    return (value + step - 1) / step * step;
}

/// How much a file of that size grows at a time.
std::uint64_t growth_step(std::uint64_t file_size) noexcept
{
    if (file_size < 1024 * 1024) {
        return file_size < 256 * 1024 ? 16 * 1024 : 64 * 1024;
    }
    return file_size < regions_from ? 256 * 1024 : format::region_size;
}

/// The lock of rank growth: one grows while all others go on with what there is.
class growth_lock {
public:
    growth_lock(io::memory& memory, const party& who) : word_(memory.superblock().locks.growth)
    {
        // A dead holder left at most a file longer than its published size.
        static_cast<void>(io::lock(word_, *who.self, who.timeout, "the growth lock"));
    }
    growth_lock(const growth_lock&) = delete;
    growth_lock& operator=(const growth_lock&) = delete;
    ~growth_lock() { io::unlock(word_); }

private:
    std::uint64_t& word_;
};

}  // namespace

void allocator::grow(format::extent_kind kind, const wish& wanted)
{
    const growth_lock growing(memory_, who_);
    {
        const locked guard(*this);
        if (find(class_of(kind), wanted)) {
            return;  // somebody else grew it meanwhile
        }
    }
    const std::uint64_t bytes = wanted.units * format::unit_size;
    const std::uint64_t step = growth_step(load_acquire(memory_.superblock().state.file_size));
    try {
        grow_by(kind, round_up(bytes, step));
    } catch (const error& failure) {
        const bool full = failure.reason() == errc::disk_full || failure.reason() == errc::file_too_large;
        const std::uint64_t least = wanted.least * format::unit_size;
        if (!full || round_up(bytes, step) == least) {
            throw;
        }
        grow_by(kind, least);
    }
}

void allocator::grow_by(format::extent_kind kind, std::uint64_t bytes)
{
    const std::uint64_t begin = load_acquire(memory_.superblock().state.file_size);
    const bool by_regions = begin >= regions_from && bytes % format::region_size == 0;
    const std::uint64_t start = by_regions ? round_up(begin, format::region_size) : begin;
    if (bytes > format::max_file_size || start > format::max_file_size - bytes) {
        throw error(errc::file_too_large,
                    "'" + file_.path().string() + "' would exceed the 4 TiB that the format can address");
    }
    const std::uint64_t end = start + bytes;
    crash_point("growth.begin");
    if (memory_.kind() == io::mapping_kind::shared) {
        if (seeded_fault("growth-not-allocated")) {
            file_.truncate(end);
        } else {
            file_.allocate(begin, end);
        }
        if (kind != format::extent_kind::large) {
            // A large value is written whole soon.
            file_.fill_with_zeros(start, end,
                                  kind == format::extent_kind::index ? io::file::fill::to_be_stored : log_);
        }
    }
    crash_point("growth.allocated");
    memory_.grown_to(end);
    publish_growth(class_of(kind), begin, start, end);
}

void allocator::publish_growth(std::uint32_t run_class, std::uint64_t begin, std::uint64_t start, std::uint64_t end)
{
    const locked guard(*this);
    word_edits edits(memory_);
    const format::frontier& fresh = block().frontiers[run_class];
    edits.set(memory_.superblock().state.file_size, end);
    if (fresh.end == start) {
        edits.set(fresh.end, end);  // the new space continues the old
    } else {
        if (fresh.end != fresh.next) {
            push(edits, {fresh.next, (fresh.end - fresh.next) / format::unit_size, {}}, run_class, merge::no);
        }
        if (start != begin) {
            push(edits, {begin, (start - begin) / format::unit_size, {}}, run_class, merge::no);
        }
        edits.set(fresh.next, start);
        edits.set(fresh.end, end);
    }
    edits.run(block().intent, growth_points);
}

void allocator::know_whole_file() const
{
    if (load_acquire(block().intent.armed) != 0) {
        memory_.grown_to(file_.size() / format::unit_size * format::unit_size);
    }
}

void allocator::repair_locks()
{
    know_whole_file();
    allocator_program::replay(memory_, block().intent);
    auto& locks = memory_.superblock().locks;
    store_release(locks.allocator, std::uint64_t{0});
    store_release(locks.growth, std::uint64_t{0});
    store_release(locks.checkpoint, std::uint64_t{0});
    store_release(memory_.superblock().commits.lock, std::uint64_t{0});
}

namespace {

/// Free space between two runs, cut where regions of 2 MiB begin, so that each class gets back whole regions.
struct gap_sorter {
    std::uint64_t index_bytes_wanted;

    /// Class of the piece of a gap that begins at `offset`; `before` and `after` are the classes of the neighbours.
    std::uint32_t class_for(std::uint64_t offset, std::uint64_t end, std::uint64_t gap_end, std::uint32_t before,
                            std::uint32_t after)
    {
        const bool whole_region = offset % format::region_size == 0 && end % format::region_size == 0;
        const std::uint32_t chosen = whole_region                      ? (index_bytes_wanted > 0 ? 1U : 0U)
                                     : end == gap_end && end != offset ? after
                                                                       : before;
        if (chosen == 1) {
            index_bytes_wanted -= std::min(index_bytes_wanted, end - offset);
        }
        return chosen;
    }
};

}  // namespace

void allocator::rebuild(const std::vector<run>& used, std::uint64_t file_size, std::uint64_t next_order,
                        std::uint64_t index_units)
{
    auto& state = block();
    state = format::allocator_block{};
    state.next_order = next_order;
    store_release(memory_.superblock().state.file_size, file_size);
    gap_sorter sorter{index_units * format::unit_size};

    const auto add_gap = [&](std::uint64_t from, std::uint64_t to, std::uint32_t before, std::uint32_t after) {
        while (from < to) {
            const bool small = file_size < regions_from;
            const std::uint64_t cut = from - from % format::region_size + format::region_size;
            const std::uint64_t end = small ? to : std::min(to, cut);
            const std::uint32_t run_class =
                small ? (sorter.index_bytes_wanted > 0 ? 1U : 0U) : sorter.class_for(from, end, to, before, after);
            if (small) {
                sorter.index_bytes_wanted -= std::min(sorter.index_bytes_wanted, end - from);
            }
            const std::uint64_t units = (end - from) / format::unit_size;
            auto& head = state.free_lists[run_class][size_class_of(units)];
            const std::uint64_t size = format::make_free_size(units, run_class, false);
            memory_.at<std::uint64_t>(from) = 0;
            memory_.at<format::free_run>(from + format::free_run_offset) = {
                size, head, 0, format::free_run_check(size, memory_.superblock().identity.seed, from)};
            memory_.at<std::uint64_t>(end - format::free_run_footer) = from;
            if (head != 0) {
                memory_.at<format::free_run>(head + format::free_run_offset).prev = from;
            }
            head = from;
            state.free_bytes += end - from;
            from = end;
        }
    };

    std::uint64_t at = memory_.superblock().identity.first_extent_offset;
    std::uint32_t before = 0;
    for (const run& taken : used) {
        add_gap(at, taken.offset, before, class_of(taken.kind));
        (taken.kind == format::extent_kind::index ? state.index_bytes : state.log_bytes) +=
            taken.units * format::unit_size;
        at = taken.end();
        before = class_of(taken.kind);
    }
    add_gap(at, file_size, before, 0);
}

}  // namespace kvdb::extents
