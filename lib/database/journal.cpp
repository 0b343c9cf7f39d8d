// SPDX-License-Identifier: BSL-1.0
#include "database/journal.hpp"

#include "base/hash.hpp"
#include "base/seeded_fault.hpp"
#include "database/commit.hpp"
#include "io/crash_point.hpp"
#include "log/journal.hpp"

#include <cstring>

namespace kvdb {
namespace {

constexpr std::uint64_t most_of_a_lap = 4;  // an entry is at most this part of the journal
constexpr std::uint64_t start = format::extent_header_size;

constexpr std::uint64_t make_next(std::uint64_t lap, std::uint64_t at) noexcept
{
    return (lap << 32) | at;
}

}  // namespace

std::optional<log::found_extent> journal::find() const
{
    const std::uint64_t word = load_acquire(block().extent);
    if (word == 0) {
        return std::nullopt;
    }
    const std::uint64_t offset = extents::allocator::offset_of(word);
    const auto header = extents::extent_at(all_.memory, offset);
    if (!header || format::kind_of(*header) != format::extent_kind::journal) {
        return std::nullopt;  // forged; commits do without
    }
    return log::found_extent{offset, *header};
}

std::optional<log::found_extent> journal::find_or_make() const
{
    if (load_acquire(block().extent) == 0) {
        make();
        return std::nullopt;
    }
    try {
        // The program that handed the run over may be armed still, and its replay zeroes the run's start.
        if (!seeded_fault("journal-not-settled")) {
            all_.allocator.settle();
        }
    } catch (const error&) {
        return std::nullopt;
    }
    return find();
}

/// For the next commit, which will see what was given up before the run was taken: where a header of that still
/// stands on the medium, it flushes the whole file. No commit waits for the sake of a journal.
void journal::make() const
{
    const auto policy = current_policy<journal_policy>();
    const format::superblock& file = all_.memory.superblock();
    const std::uint64_t size = load_acquire(file.state.file_size);
    const bool taken = load_relaxed(file.locks.growth) != 0 || load_relaxed(file.locks.allocator) != 0;
    if (taken || all_.data == nullptr || size < policy.least_file_size || load_relaxed(block().refused) == size) {
        return;
    }
    try {
        all_.allocator.supply_journal(policy.size / format::unit_size);
    } catch (const error& failure) {
        if (failure.reason() != errc::busy) {
            store_relaxed(block().refused, size);  // no space: not again before the file has grown
        }
    }
}

std::optional<io::byte_range> journal::append(std::span<const io::byte_range> ranges)
{
    if (ranges.size() < current_policy<journal_policy>().least_ranges) {
        return std::nullopt;
    }
    std::uint64_t size = sizeof(format::journal_entry) + ranges.size() * sizeof(format::journal_range);
    for (const io::byte_range& each : ranges) {
        size += each.end - each.begin;
    }
    size = (size + 7) / 8 * 8;
    const auto run = find_or_make();
    if (!run || size > run->bytes() / most_of_a_lap) {
        return std::nullopt;
    }
    for (const io::byte_range& each : ranges) {
        const format::journal_range named{each.begin, each.end - each.begin};
        if (!log::may_be_named(named, all_.memory.superblock().identity, *run, all_.memory.known_size())) {
            return std::nullopt;  // forged; no reader would take the entry
        }
    }
    const std::uint64_t next = load_relaxed(block().next);
    std::uint64_t lap = next >> 32;
    std::uint64_t at = next & 0xffff'ffffU;
    if (at < start || at % 8 != 0 || at > run->bytes() || size > run->bytes() - at) {
        if (at > start) {
            write_back(*run, at);
        }
        ++lap;
        at = start;
        store_release(block().next, make_next(lap, at));
        crash_point("journal.new-lap");
    }

    entry_.assign(size, std::byte{0});
    format::journal_entry head{0, static_cast<std::uint32_t>(lap), static_cast<std::uint32_t>(ranges.size()), size};
    std::byte* put = entry_.data() + sizeof head;
    for (const io::byte_range& each : ranges) {
        const format::journal_range named{each.begin, each.end - each.begin};
        std::memcpy(put, &named, sizeof named);
        put += sizeof named;
    }
    for (const io::byte_range& each : ranges) {
        std::memcpy(put, all_.memory.base() + each.begin, each.end - each.begin);
        put += each.end - each.begin;
    }
    std::memcpy(entry_.data(), &head, sizeof head);
    head.checksum = hash_bytes(std::span<const std::byte>(entry_).subspan(format::journal_checksummed_from),
                               run->header.nonce + run->offset + at);
    std::memcpy(entry_.data(), &head.checksum, sizeof head.checksum);
    try {
        all_.data->write_at(run->offset + at, entry_);
    } catch (const error&) {
        return std::nullopt;  // what is there of it counts for nothing; the places themselves may fare better
    }
    crash_point("journal.written");
    next_ = make_next(lap, at + size);
    // The first time, the extent's header as well.
    return io::byte_range{at == start ? run->offset : run->offset + at, run->offset + at + size};
}

void journal::flushed() const
{
    store_release(block().next, next_);
    crash_point("journal.flushed");
}

void journal::start_over() const
{
    if (const auto run = find()) {
        store_release(block().next, make_next((load_relaxed(block().next) >> 32) + 1, start));
        // Harmless as they are, but whoever rebuilds the index in this boot need not go by them.
        store_release(all_.memory.at<std::uint64_t>(run->offset + start), std::uint64_t{0});
    }
}

bool journal::is_empty() const
{
    return !find() || (load_relaxed(block().next) & 0xffff'ffffU) == start;
}

std::optional<io::byte_range> journal::first_entry() const
{
    const auto run = find();
    return run ? std::optional(io::byte_range{run->offset + start, run->offset + start + 8}) : std::nullopt;
}

void journal::write_back(const log::found_extent& run, std::uint64_t end) const
{
    std::vector<io::byte_range> places;
    const std::uint64_t file_size = all_.memory.known_size();
    const std::uint64_t read = log::walk_journal(data_, all_.memory.superblock().identity, run, file_size,
                                                 [&](std::uint64_t offset, std::span<const std::byte> bytes) {
                                                     places.push_back({offset, offset + bytes.size()});
                                                 });
    if (read < end) {
        flush_whole(all_, data_);  // an entry that cannot be read: forged, or the medium lost it
        return;
    }
    if (!seeded_fault("journal-lap-without-write-back")) {
        flush_or_poison(all_, data_, [&] { all_.memory.sync_ranges(places); });
    }
}

}  // namespace kvdb
