// SPDX-License-Identifier: BSL-1.0
// Hands out runs of units, grows the file, takes runs back.
//
//   file:   | fixed tables | run | run | free | run | .. frontier 0 .. | run | .. frontier 1 .. |
//
// Two classes of runs keep apart (format::region_size): 0 for records, 1 for the index. Each class bumps a frontier
// of fresh zero bytes and keeps lists of free runs by size. A run reaches its owner by one store of the redo program
// that takes it off its list: a shard's hand-over word, or a slot's `staged` word. So no run is ever lost between two
// hands.
//
// Who may call: any thread that holds no lock of rank growth or allocator; `supply` and `stage` want no shard lock
// either, since the file may have to grow.
// Locks: growth < allocator. The allocator's lock is held for a few hundred nanoseconds, zeroing of reused runs
// apart; growth is held while the file system allocates. Death: while growing, the file may be longer than its
// published size, which the next growth makes good. Otherwise the redo program decides. Invariants
//   E1  Runs do not overlap; every byte from first_extent_offset to file_size is in one run, list or frontier.
//   E2  A run of kind log or index is all zero behind its header when it is handed out.
//   E3  A free run holds no valid extent header at its start.
#ifndef KVDB_EXTENTS_ALLOCATOR_HPP
#define KVDB_EXTENTS_ALLOCATOR_HPP

#include "extents/redo.hpp"
#include "format/extent.hpp"
#include "format/superblock.hpp"
#include "format/tables.hpp"
#include "io/attachment.hpp"
#include "io/file.hpp"
#include "io/memory.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace kvdb::extents {

/// Who locks, and how long it waits.
struct party {
    const io::attachment* self = nullptr;
    std::chrono::milliseconds timeout{10'000};
};

struct run {
    std::uint64_t offset = 0;
    std::uint64_t units = 0;
    format::extent_kind kind = format::extent_kind::log;
    [[nodiscard]] std::uint64_t end() const noexcept { return offset + units * format::unit_size; }
};

/// How many units are wanted, and how many will do where that saves space.
struct wish {
    wish(std::uint64_t just) noexcept : units(just), least(just) {}
    wish(std::uint64_t most, std::uint64_t fewest) noexcept : units(most), least(fewest) {}

    std::uint64_t units;
    std::uint64_t least;
};

class allocator {
public:
    /// `log` says how the log extents of this handle are going to be written, for the sake of the page cache.
    allocator(io::memory& memory, io::file& file, const party& who, io::file::fill log = io::file::fill::to_be_stored)
        : memory_(memory), file_(file), who_(who), log_(log)
    {
    }

    /// Sees to it that the shard's hand-over word for that kind holds a run of at least the least units wanted,
    /// unless it holds one that was not taken yet. Throws disk_full, file_too_large, busy; nothing is lost then.
    void supply(std::uint32_t shard, format::extent_kind kind, const wish& wanted, std::uint64_t base_sequence);

    /// A run for a large value, named by a `staged` word of this handle's attachment slot until its record is
    /// published. Returns its offset.
    [[nodiscard]] std::uint64_t stage(std::uint32_t shard, std::uint64_t units, std::uint32_t staged_index);
    /// Sees to it that the file has a journal, unless it has. Under the commit lock. Throws as `supply`.
    void supply_journal(std::uint64_t units);
    /// Takes a staged run back, if the word still names one.
    void unstage(std::uint32_t attachment, std::uint32_t staged_index);

    /// Returns when whatever a dead process began with the allocator's lock is carried out. A shard that takes a run
    /// asks for this first: the program that handed it over may still be armed, and its replay zeroes the run's
    /// start.
    void settle();
    /// Recovery alone: frees an extent that holds nothing.
    void release(std::uint64_t extent_offset);
    /// The checkpoint lock's holder alone: frees the first extent of the shard's list `releasing`. `durably` says
    /// that its header is gone on the medium too, with whatever in it looks like one. Throws damaged if the list
    /// leads nowhere.
    void release_listed(std::uint32_t shard, bool durably);
    /// Exclusive use alone: finishes what a dead process left and frees the lock words.
    void repair_locks();
    /// Exclusive use alone: forgets all free space and finds it anew between the runs in use, sorted by offset.
    /// `index_units` is how much of what lies between should serve the index again.
    void rebuild(const std::vector<run>& used, std::uint64_t file_size, std::uint64_t next_order,
                 std::uint64_t index_units);

    /// Where a run handed over begins, from the low half of the word.
    [[nodiscard]] static std::uint64_t offset_of(std::uint64_t word) noexcept
    {
        return (word & 0xffff'ffffU) * format::unit_size;
    }

private:
    class locked;
    /// A growth that was armed and not carried out has targets behind the published size, in the file all the same.
    void know_whole_file() const;
    struct placement {
        run taken;
        bool from_list = false;
        std::uint64_t remainder = 0;  // units
    };
    enum class merge : bool { no, yes };
    [[nodiscard]] format::allocator_block& block() const noexcept { return memory_.superblock().allocator; }
    [[nodiscard]] std::optional<placement> find(std::uint32_t run_class, const wish& wanted) const;
    // free_lists.cpp
    [[nodiscard]] std::optional<placement> find_free(std::uint32_t run_class, std::uint64_t units) const;
    [[nodiscard]] std::optional<placement> find_shorter(std::uint32_t run_class, const wish& wanted) const;
    [[nodiscard]] std::optional<format::free_run> free_run_in(std::uint64_t offset,
                                                              const class word_edits& edits) const;
    [[nodiscard]] format::free_run free_run_at(std::uint64_t offset, const class word_edits& edits) const;
    void take(class word_edits& edits, const placement& where, std::uint32_t run_class) const;
    void unlink(class word_edits& edits, std::uint64_t offset) const;
    /// Adds a run to the lists, with its free neighbours if it is to merge with them.
    void push(class word_edits& edits, run added, std::uint32_t run_class, merge how) const;
    void push_extent(class word_edits& edits, std::uint64_t offset, const format::extent_header& header,
                     bool durably) const;
    void write_header(class word_edits& edits, const run& taken, std::uint32_t shard,
                      std::uint64_t base_sequence) const;
    [[nodiscard]] std::optional<std::uint64_t> hand_out(std::uint32_t shard, format::extent_kind kind,
                                                        const wish& wanted, std::uint64_t base_sequence,
                                                        std::uint64_t& destination, std::uint32_t run_class);
    std::uint64_t obtain(std::uint32_t shard, format::extent_kind kind, const wish& wanted,
                         std::uint64_t base_sequence, std::uint64_t& destination, const std::uint64_t* accepted);
    void grow(format::extent_kind kind, const wish& wanted);
    void grow_by(format::extent_kind kind, std::uint64_t bytes);
    void publish_growth(std::uint32_t run_class, std::uint64_t begin, std::uint64_t start, std::uint64_t end);
    io::memory& memory_;
    io::file& file_;
    const party& who_;
    const io::file::fill log_;
};

/// Zeroes whatever a run that is given up holds that could be taken for the header of an extent, now or when the file
/// has grown: content can look like one (E3). Nobody else uses the run. Returns where.
std::vector<std::uint64_t> forget_headers(io::memory& memory, std::uint64_t offset, std::uint64_t units);

/// The header of the extent at `offset`, if a valid one is there and its whole run lies in the file.
[[nodiscard]] std::optional<format::extent_header> extent_at(io::memory& memory, std::uint64_t offset);

/// The header at `offset` of an extent in a list of the shard, whose checksum may be gone already. Throws damaged
/// unless it can be one, and its run lies in the file.
[[nodiscard]] format::extent_header& listed_extent(io::memory& memory, std::uint32_t shard, std::uint64_t offset);

/// Calls `visit(offset, header)` for each extent of a list of the shard that begins at `first`. Throws as the above;
/// a list that does not end is left.
template <class Visit>
void for_each_listed(io::memory& memory, std::uint32_t shard, std::uint64_t first, Visit&& visit)
{
    std::uint64_t most = memory.known_size() / format::unit_size;
    for (std::uint64_t at = first; at != 0 && most != 0; --most) {
        format::extent_header& header = listed_extent(memory, shard, at);
        visit(at, header);
        at = format::next_of(header.link);
    }
}

/// Class of the runs of a kind.
[[nodiscard]] constexpr std::uint32_t class_of(format::extent_kind kind) noexcept
{
    return kind == format::extent_kind::index ? 1 : 0;
}

}  // namespace kvdb::extents

#endif
