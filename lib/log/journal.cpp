// SPDX-License-Identifier: BSL-1.0
#include "log/journal.hpp"

#include "base/hash.hpp"
#include "format/validate.hpp"

#include <algorithm>
#include <cstring>
#include <map>

namespace kvdb::log {

bool may_be_named(const format::journal_range& range, const format::identity_block& identity,
                  const found_extent& journal, std::uint64_t file_size) noexcept
{
    if (range.offset % format::record_alignment != 0 || range.length % format::record_alignment != 0 ||
        range.offset < identity.first_extent_offset || range.offset > file_size ||
        range.length > file_size - range.offset) {
        return false;
    }
    return range.offset + range.length <= journal.offset || range.offset >= journal.end();
}

namespace {

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
            return may_be_named(each, identity, journal, file_size);
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
        walk_journal(file_, identity_, *journal, file_size_,
                     [&](std::uint64_t offset, std::span<const std::byte> bytes) { take(offset, bytes); });
        for (const auto& [extent, ranges] : ranges_) {
            complete(*extent_around(extent), ranges);
        }
        std::sort(patches_.begin(), patches_.end(),
                  [](const io::patch& a, const io::patch& b) { return a.offset < b.offset; });
        return std::move(patches_);
    }

private:
    /// Sorts a range to the log extent that it lies in. A range that begins with the header of an extent where the
    /// file has none makes it one.
    void take(std::uint64_t offset, std::span<const std::byte> bytes)
    {
        const found_extent* home = extent_around(offset);
        if (home == nullptr) {
            home = extent_made_by(offset, bytes);
        }
        if (home != nullptr && home->kind() == format::extent_kind::log && offset + bytes.size() <= home->end()) {
            ranges_[home->offset].push_back({offset, {bytes.begin(), bytes.end()}});
        }
    }

    /// The last extent that begins before `end`, or none: of the file, of those that the journal made.
    [[nodiscard]] const found_extent* found_before(std::uint64_t end) const
    {
        const auto behind = std::partition_point(extents_.begin(), extents_.end(),
                                                 [&](const found_extent& each) { return each.offset < end; });
        return behind != extents_.begin() ? &*std::prev(behind) : nullptr;
    }
    [[nodiscard]] const found_extent* made_before(std::uint64_t end) const
    {
        const auto behind = made_.lower_bound(end);
        return behind != made_.begin() ? &std::prev(behind)->second : nullptr;
    }
    /// An extent with bytes of [begin, end).
    [[nodiscard]] const found_extent* extent_within(std::uint64_t begin, std::uint64_t end) const
    {
        for (const found_extent* last : {found_before(end), made_before(end)}) {
            if (last != nullptr && last->end() > begin) {
                return last;
            }
        }
        return nullptr;
    }
    [[nodiscard]] const found_extent* extent_around(std::uint64_t offset) const
    {
        return extent_within(offset, offset + 1);
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
            !format::valid_extent(made.header, identity_, offset, file_size_) ||
            extent_within(offset, made.end()) != nullptr) {
            return nullptr;
        }
        patches_.push_back({offset, {bytes.begin(), bytes.begin() + sizeof made.header}});
        return &made_.emplace(offset, made).first->second;
    }

    /// Where the walk of the extent as the file has it ends, the journal goes on; an end mark is an end.
    void complete(const found_extent& extent, const std::vector<io::patch>& ranges)
    {
        record_walker walker(file_);
        const walk_end stopped = walker.walk(extent, [](const parsed_record&) {});
        if (stopped.why != walk_end::reason::blank && stopped.why != walk_end::reason::invalid) {
            return;
        }
        const std::uint64_t begin = stopped.offset;
        std::vector<std::byte> content(extent.end() - begin);
        std::vector<bool> held(content.size() + 1);  // one more, so that the last piece ends
        for (const io::patch& each : ranges) {
            const std::uint64_t from = std::max(each.offset, begin);
            const std::uint64_t to = each.offset + each.bytes.size();
            if (from < to) {
                std::memcpy(content.data() + (from - begin), each.bytes.data() + (from - each.offset), to - from);
                std::fill(held.begin() + static_cast<std::ptrdiff_t>(from - begin),
                          held.begin() + static_cast<std::ptrdiff_t>(to - begin), true);
            }
        }
        for (auto first = std::find(held.begin(), held.end(), true); first != held.end();) {
            const auto last = std::find(first, held.end(), false);
            add_unless_there(begin + static_cast<std::uint64_t>(first - held.begin()),
                             std::span(content).subspan(static_cast<std::size_t>(first - held.begin()),
                                                        static_cast<std::size_t>(last - first)));
            first = std::find(last, held.end(), true);
        }
    }

    void add_unless_there(std::uint64_t offset, std::span<const std::byte> wanted)
    {
        std::vector<std::byte> present(wanted.size());
        const bool whole = file_.read_at(offset, present) == 0;
        if (!whole || !std::equal(wanted.begin(), wanted.end(), present.begin())) {
            patches_.push_back({offset, {wanted.begin(), wanted.end()}});
        }
    }

    const io::file& file_;
    const format::identity_block& identity_;
    const std::uint64_t file_size_;
    std::vector<found_extent> extents_;                       // of the file, in order
    std::map<std::uint64_t, found_extent> made_;              // by the journal
    std::map<std::uint64_t, std::vector<io::patch>> ranges_;  // by the log extent that they belong to
    std::vector<io::patch> patches_;
};

}  // namespace

std::vector<io::patch> missing_from_log(const io::file& file, const format::identity_block& identity,
                                        std::uint64_t file_size)
{
    return replay(file, identity, file_size).run();
}

}  // namespace kvdb::log
