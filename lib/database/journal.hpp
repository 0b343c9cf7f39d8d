// SPDX-License-Identifier: BSL-1.0
// The journal of commits. The records of a commit lie in as many places as there are shards, and a disk takes each of
// them by itself. So a commit copies them, one behind the other, into an extent of its own and has that flushed;
// their own places are written back when the journal is full, many commits at a time.
//
//   append:  [full: write back every place named since the start -> next = start of the next lap] -> pwrite an entry
//            at `next` -> flush it -> next = behind the entry
//
// Who may call: the leader of a commit, under the commit lock.
// Death: before `next` moves, the next entry is written over this one; nobody was told of it. Between two laps the
// entries of the old one are there still, and name what is in its place.
// Invariants
//   J1  Below `next`, from the journal's start on, are whole entries of the lap that `next` names, all flushed.
//   J2  What an entry names is in its place on the medium before another entry is written over it.
#ifndef KVDB_DATABASE_JOURNAL_HPP
#define KVDB_DATABASE_JOURNAL_HPP

#include "base/policy.hpp"
#include "io/file.hpp"
#include "io/flush_hook.hpp"
#include "log/walk.hpp"
#include "shard/context.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace kvdb {

/// How long a journal is made, from which size of the file on, and for how many ranges it is used: a single one is a
/// single request for the disk by itself, and then not written twice. For tests, small files have small ones.
struct journal_policy {
#ifdef KVDB_TEST_HOOKS
    std::uint64_t size = 32 * 1024;
    std::uint64_t least_file_size = 128 * 1024;
    std::size_t least_ranges = 1;
#else
    std::uint64_t size = format::max_journal_size;
    std::uint64_t least_file_size = 8 * format::max_journal_size;
    std::size_t least_ranges = 2;
#endif
};

class journal {
public:
    journal(const shard::context& all, const io::file& data) noexcept : all_(all), data_(data) {}

    /// Writes an entry that holds the ranges. Returns what of the file has to be flushed for it to count; nothing if
    /// there is no journal, or the ranges are too few or too long for one, and the caller has to flush them
    /// themselves.
    [[nodiscard]] std::optional<io::byte_range> append(std::span<const io::byte_range> ranges);
    /// What `append` wrote was flushed.
    void flushed() const;
    /// The whole file was flushed: the next entry goes to the start again.
    void start_over() const;
    /// True if there is none, or no entry in it counts, in the page cache at least.
    [[nodiscard]] bool is_empty() const;
    /// What has to be flushed for that to hold on the medium.
    [[nodiscard]] std::optional<io::byte_range> first_entry() const;

private:
    [[nodiscard]] std::optional<log::found_extent> find_or_make() const;
    [[nodiscard]] std::optional<log::found_extent> find() const;
    void make() const;
    void write_back(const log::found_extent& run, std::uint64_t end) const;
    [[nodiscard]] format::journal_block& block() const noexcept { return all_.memory.superblock().journal; }

    const shard::context& all_;
    const io::file& data_;
    std::uint64_t next_ = 0;  // what `next` is to be when the entry is flushed
    std::vector<std::byte> entry_;
};

}  // namespace kvdb

#endif
