// SPDX-License-Identifier: BSL-1.0
#include "log/journal.hpp"

#include "base/hash.hpp"
#include "format/validate.hpp"

#include <algorithm>
#include <cstring>
#include <map>

namespace kvdb::log {
namespace {

bool may_hold(const format::journal_range& range, const format::identity_block& identity, const found_extent& journal,
              std::uint64_t file_size) noexcept
{
    if (range.offset % format::record_alignment != 0 || range.length % format::record_alignment != 0 ||
        range.offset < identity.first_extent_offset || range.offset > file_size ||
        range.length > file_size - range.offset) {
        return false;
    }
    return range.offset + range.length <= journal.offset || range.offset >= journal.end();
}

/// The entry at `at` and its ranges. False if no whole one is there, of whatever lap.
bool read_entry(const std::vector<std::byte>& run, std::uint64_t at, const found_extent& journal,
                format::journal_entry& entry, std::vector<format::journal_range>& ranges)
{
    if (run.size() - at < sizeof entry) {
        return false;
    }
    std::memcpy(&entry, run.data() + at, sizeof entry);
    if (entry.size > run.size() - at || entry.size < sizeof entry || entry.size % 8 != 0 ||
        entry.ranges > (entry.size - sizeof entry) / sizeof(format::journal_range)) {
        return false;
    }
    const std::span covered(run.data() + at + format::journal_checksummed_from,
                            entry.size - format::journal_checksummed_from);
    if (entry.checksum != hash_bytes(covered, journal.header.nonce + journal.offset + at)) {
        return false;
    }
    ranges.resize(entry.ranges);
    if (!ranges.empty()) {
        std::memcpy(ranges.data(), run.data() + at + sizeof entry, ranges.size() * sizeof ranges[0]);
    }
    std::uint64_t room = entry.size - sizeof entry - ranges.size() * sizeof(format::journal_range);
    for (const format::journal_range& each : ranges) {
        if (each.length > room) {
            return false;
        }
        room -= each.length;
    }
    return true;
}

}  // namespace

std::uint64_t walk_journal(const io::file& file, const format::identity_block& identity, const found_extent& journal,
                           std::uint64_t file_size,
                           const std::function<void(std::uint64_t, std::span<const std::byte>)>& take)
{
    std::vector<std::byte> run(journal.bytes());
    run.resize(run.size() - file.read_at(journal.offset, run));
    std::uint64_t at = format::extent_header_size;
    std::uint32_t lap = 0;
    std::vector<format::journal_range> ranges;
    format::journal_entry entry;
    while (at < run.size() && read_entry(run, at, journal, entry, ranges)) {
        if (at == format::extent_header_size) {
            lap = entry.lap;
        }
        const bool possible = std::all_of(ranges.begin(), ranges.end(), [&](const format::journal_range& each) {
            return may_hold(each, identity, journal, file_size);
        });
        if (entry.lap != lap || !possible) {
            break;
        }
        std::span<const std::byte> bytes =
            std::span(run).subspan(at + sizeof entry + ranges.size() * sizeof(format::journal_range));
        for (const format::journal_range& each : ranges) {
            take(each.offset, bytes.first(each.length));
            bytes = bytes.subspan(each.length);
        }
        at += entry.size;
    }
    return at;
}

namespace {

/// What one journal says, and how it fits the extents of the file.
class replay {
public:
    replay(const io::file& file, const format::identity_block& identity, std::uint64_t file_size)
        : file_(file), identity_(identity), file_size_(file_size), extents_(find_extents(file, identity, file_size))
    {
    }

    std::vector<io::patch> run()
    {
        const found_extent* journal = nullptr;
        for (const found_extent& each : extents_) {
            const bool newer = journal == nullptr || each.header.order > journal->header.order;
            if (each.kind() == format::extent_kind::journal && newer) {
                journal = &each;
            }
        }
        if (journal == nullptr) {
            return {};
        }
        const found_extent chosen = *journal;
        walk_journal(file_, identity_, chosen, file_size_,
                     [&](std::uint64_t offset, std::span<const std::byte> bytes) { take(offset, bytes); });
        for (const auto& [extent, ranges] : ranges_) {
            complete(extent, ranges);
        }
        return std::move(patches_);
    }

private:
    /// Sorts a range to the log extent that it lies in. A range that begins with the header of an extent where the
    /// file has none makes it one.
    void take(std::uint64_t offset, std::span<const std::byte> bytes)
    {
        const auto* home = extent_around(offset);
        if (home == nullptr) {
            home = extent_made_by(offset, bytes);
        }
        if (home != nullptr && home->kind() == format::extent_kind::log && offset + bytes.size() <= home->end()) {
            ranges_[home->offset].push_back({offset, {bytes.begin(), bytes.end()}});
        }
    }

    const found_extent* extent_around(std::uint64_t offset) const
    {
        const auto behind =
            std::upper_bound(extents_.begin(), extents_.end(), offset,
                             [](std::uint64_t place, const found_extent& each) { return place < each.offset; });
        return behind != extents_.begin() && offset < std::prev(behind)->end() ? &*std::prev(behind) : nullptr;
    }

    const found_extent* extent_made_by(std::uint64_t offset, std::span<const std::byte> bytes)
    {
        found_extent made;
        made.offset = offset;
        if (offset % format::unit_size != 0 || bytes.size() < sizeof made.header) {
            return nullptr;
        }
        std::memcpy(&made.header, bytes.data(), sizeof made.header);
        if (made.kind() != format::extent_kind::log ||
            !format::valid_extent(made.header, identity_, offset, file_size_)) {
            return nullptr;
        }
        const auto behind =
            std::upper_bound(extents_.begin(), extents_.end(), offset,
                             [](std::uint64_t place, const found_extent& each) { return place < each.offset; });
        if (behind != extents_.end() && behind->offset < made.end()) {
            return nullptr;
        }
        patches_.push_back({offset, {bytes.begin(), bytes.begin() + sizeof made.header}});
        return &*extents_.insert(behind, made);
    }

    /// Where the walk of the extent as the file has it ends, the journal goes on; an end mark is an end.
    void complete(std::uint64_t extent, const std::vector<io::patch>& ranges)
    {
        const found_extent& whole = *extent_around(extent);
        record_walker walker(file_);
        const walk_end end = walker.walk(whole, [](const parsed_record&) {});
        if (end.why != walk_end::reason::blank && end.why != walk_end::reason::invalid) {
            return;
        }
        // In one piece: stored in part, it is the beginning of what it is to be, and the walk ends there.
        io::patch rest{end.offset, {}};
        for (const io::patch& each : ranges) {
            const std::uint64_t behind = each.offset + each.bytes.size();
            if (behind > rest.offset + rest.bytes.size()) {
                rest.bytes.resize(behind - rest.offset);
            }
        }
        rest.bytes.resize(rest.bytes.size() - file_.read_at(rest.offset, rest.bytes));
        const std::vector<std::byte> present = rest.bytes;
        for (const io::patch& each : ranges) {
            const std::uint64_t from = std::max(each.offset, rest.offset);
            const std::uint64_t to = std::min(each.offset + each.bytes.size(), rest.offset + rest.bytes.size());
            if (from < to) {
                std::memcpy(rest.bytes.data() + (from - rest.offset), each.bytes.data() + (from - each.offset),
                            to - from);
            }
        }
        if (rest.bytes != present) {
            patches_.push_back(std::move(rest));
        }
    }

    const io::file& file_;
    const format::identity_block& identity_;
    const std::uint64_t file_size_;
    std::vector<found_extent> extents_;  // sorted by offset; those that the journal makes come in
    std::map<std::uint64_t, std::vector<io::patch>> ranges_;  // by their extent
    std::vector<io::patch> patches_;
};

}  // namespace

std::vector<io::patch> missing_from_log(const io::file& file, const format::identity_block& identity,
                                        std::uint64_t file_size)
{
    return replay(file, identity, file_size).run();
}

}  // namespace kvdb::log
