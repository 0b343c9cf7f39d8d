// SPDX-License-Identifier: BSL-1.0
// What a journal holds and the log lacks comes back, and nothing else does.
#include "log/journal.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "log_file.hpp"
#include "support/values.hpp"

using namespace kvdb;
using namespace kvdb::testing;
using kind = format::extent_kind;

namespace {

constexpr std::uint64_t place = 13'312;
constexpr std::uint64_t unit = format::unit_size;
constexpr std::uint64_t head_size = format::extent_header_size;

std::string with(std::string bytes, const std::vector<io::patch>& patches)
{
    for (const io::patch& each : patches) {
        BOOST_REQUIRE_LE(each.offset + each.bytes.size(), bytes.size());
        std::memcpy(bytes.data() + each.offset, each.bytes.data(), each.bytes.size());
    }
    return bytes;
}

std::string wiped(std::string bytes, std::uint64_t from, std::uint64_t to, char filling = '\0')
{
    return bytes.replace(from, to - from, to - from, filling);
}

/// The whole header of an extent at a place where the image has none.
std::string header_for(std::uint64_t offset, const format::extent_header& like)
{
    format::extent_header made = like;
    made.checksum = format::extent_checksum(made, log_image::identity().seed, offset);
    return {reinterpret_cast<const char*>(&made), sizeof made};
}

/// Units from `place` on: 0 to 3 a log extent of seven records, 4 to 7 free, 8 to 15 a journal, 16 to 23 free.
struct journal_fixture : walked_file {
    log_image image{place + 24 * unit};
    log::found_extent extent = image.begin_extent(place, 4);
    log::found_extent run = image.begin_journal(place + 8 * unit, 8);
    std::vector<expected_record> records{7};
    std::uint64_t tail = place + head_size;       // behind the last record
    std::uint64_t next = run.offset + head_size;  // behind the last entry

    journal_fixture()
    {
        for (std::size_t i = 0; i < records.size(); ++i) {
            records[i].fields.sequence = 1'000 + i;
            records[i].key = "key " + std::to_string(i);
            records[i].value = bytes_of(101 + 23 * i, i);
            tail = image.append(extent, tail, records[i]);
        }
    }

    void journal(const std::vector<journal_copy>& copies, std::uint32_t lap = 1)
    {
        next = image.append_entry(run, next, copies, lap);
    }
    /// Where a record begins, or what is behind the last.
    [[nodiscard]] std::uint64_t start(std::size_t i) const
    {
        const bool behind_all = i == records.size();
        return behind_all ? tail : records[i].offset;
    }
    [[nodiscard]] journal_copy copy_of(std::size_t first, std::size_t behind) const
    {
        return image.copy(start(first), start(behind));
    }
    /// Another record that fits the place of this one.
    [[nodiscard]] journal_copy another(std::size_t i) const
    {
        log_image changed = image;
        expected_record record = records[i];
        std::reverse(record.value.begin(), record.value.end());
        changed.append(extent, start(i), record);
        return changed.copy(start(i), start(i + 1));
    }
    [[nodiscard]] std::string lost(std::size_t first, std::size_t behind) const
    {
        return wiped(image.bytes, start(first), start(behind));
    }

    [[nodiscard]] std::vector<io::patch> missing(const std::string& bytes) const
    {
        const io::file file = open(bytes);
        return log::missing_from_log(file, log_image::identity(), bytes.size());
    }
    [[nodiscard]] std::string completed(const std::string& bytes) const { return with(bytes, missing(bytes)); }
    [[nodiscard]] std::size_t count(const std::string& bytes) const
    {
        std::vector<expected_record> found;
        walk(bytes, extent, found);
        BOOST_REQUIRE_LE(found.size(), records.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            BOOST_REQUIRE_MESSAGE(same(found[i], records[i]), "record " << i << " differs");
        }
        return found.size();
    }
    /// The places that the entries which count name; `end` is where they end.
    [[nodiscard]] std::vector<journal_copy> told(std::uint64_t& end) const
    {
        const io::file file = open(image.bytes);
        std::vector<journal_copy> all;
        const auto take = [&](std::uint64_t offset, std::span<const std::byte> bytes) {
            all.push_back({offset, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
        };
        end = run.offset + log::walk_journal(file, log_image::identity(), run, image.bytes.size(), take);
        return all;
    }
    /// Exactly that many ranges are told, and the chain ends there.
    void expect_told(std::size_t ranges, std::uint64_t wanted_end) const
    {
        std::uint64_t end = 0;
        BOOST_TEST(told(end).size() == ranges);
        BOOST_TEST(end == wanted_end);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(journal, journal_fixture)

BOOST_AUTO_TEST_CASE(without_a_journal_nothing_is_missing)
{
    journal({copy_of(0, 7)});
    const std::string torn = lost(3, 7);
    BOOST_TEST((completed(torn) == image.bytes));
    BOOST_TEST(missing(wiped(torn, run.offset, run.end())).empty());
    BOOST_TEST(missing(wiped(torn, run.offset, run.offset + 1, '!')).empty());
    // The same bytes in an extent of another kind, and in one that ends behind the usable end.
    for (const kind other : {kind::log, kind::index, kind::large}) {
        format::extent_header header = run.header;
        header.kind = static_cast<std::uint16_t>(other);
        std::string bytes = torn;
        BOOST_TEST(missing(bytes.replace(run.offset, head_size, header_for(run.offset, header))).empty());
    }
    const io::file file = open(torn);
    BOOST_TEST(log::missing_from_log(file, log_image::identity(), run.end() - unit).empty());
    BOOST_TEST(log::missing_from_log(file, log_image::identity(), place).empty());
    BOOST_TEST(log::missing_from_log(file, log_image::identity(), 0).empty());
}

BOOST_AUTO_TEST_CASE(an_empty_journal)
{
    BOOST_TEST(missing(lost(3, 7)).empty());
    expect_told(0, run.offset + head_size);
    journal({});  // an entry may have no ranges
    BOOST_TEST(missing(lost(3, 7)).empty());
    expect_told(0, next);
}

BOOST_AUTO_TEST_CASE(what_the_log_has_is_not_missing)
{
    journal({image.copy(place, start(3))});
    journal({copy_of(3, 5), copy_of(5, 7)});
    expect_told(3, next);
    BOOST_TEST(missing(image.bytes).empty());
    // What is lost has to be behind what the journal knows.
    image.bytes = wiped(image.bytes, run.offset + head_size, run.end());
    next = run.offset + head_size;
    journal({copy_of(0, 5)});
    BOOST_TEST(missing(lost(5, 7)).empty());
    BOOST_TEST(missing(lost(6, 7)).empty());
}

BOOST_AUTO_TEST_CASE(the_entries_tell_what_was_put_into_them)
{
    journal({copy_of(0, 1), copy_of(2, 4)});
    journal({});
    journal({image.copy(place, start(1))});
    std::uint64_t end = 0;
    const std::vector<journal_copy> all = told(end);
    BOOST_REQUIRE_EQUAL(all.size(), 3U);
    BOOST_TEST((all[0].offset == start(0) && all[0].bytes == copy_of(0, 1).bytes));
    BOOST_TEST((all[1].offset == start(2) && all[1].bytes == copy_of(2, 4).bytes));
    BOOST_TEST((all[2].offset == place && all[2].bytes == image.copy(place, start(1)).bytes));
    BOOST_TEST(end == next);
}

BOOST_AUTO_TEST_CASE(zeroed_records_come_back)
{
    for (std::size_t i = 0; i < records.size(); ++i) {
        journal({copy_of(i, i + 1)});
    }
    for (std::size_t first = 0; first < records.size(); ++first) {
        for (std::size_t behind = first + 1; behind <= records.size(); ++behind) {
            const std::string torn = lost(first, behind);
            BOOST_REQUIRE_EQUAL(count(torn), first);
            BOOST_TEST((completed(torn) == image.bytes), "records " << first << " to " << behind);
        }
    }
}

BOOST_AUTO_TEST_CASE(several_extents_at_once)
{
    const log::found_extent other = image.begin_extent(place + 4 * unit, 3);
    expected_record record = records[0];
    const std::uint64_t end = image.append(other, other.offset + head_size, record);
    journal({image.copy(other.offset + head_size, end), copy_of(3, 7)});
    std::string torn = lost(3, 7);
    BOOST_TEST((completed(torn) == image.bytes));
    torn = wiped(torn, record.offset, end);
    BOOST_TEST((completed(torn) == image.bytes));
    torn = wiped(image.bytes, record.offset, end);
    BOOST_TEST((completed(torn) == image.bytes));
}

BOOST_AUTO_TEST_CASE(a_log_torn_anywhere)
{
    journal({copy_of(0, 4)});
    journal({copy_of(4, 7)});
    for (const char filling : {'\0', '\xa5'}) {
        for (std::uint64_t at = start(0); at < tail; at += 3) {
            // Nothing from there on, or a piece in the middle.
            for (const std::uint64_t to : {tail, std::min(at + 48, tail)}) {
                const std::string torn = wiped(image.bytes, at, to, filling);
                BOOST_REQUIRE_MESSAGE(completed(torn) == image.bytes,
                                      "from " << at << " to " << to << " filled with " << int{filling});
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(garbage_behind_the_last_journaled_record_stays)
{
    journal({copy_of(0, 5)});
    const std::string torn = wiped(image.bytes, start(3), extent.end(), '\xa5');
    const std::string whole = completed(torn);
    BOOST_TEST(count(whole) == 5U);
    BOOST_TEST((whole.substr(0, start(5)) == image.bytes.substr(0, start(5))));
    BOOST_TEST((whole.substr(start(5)) == torn.substr(start(5))));
}

BOOST_AUTO_TEST_CASE(what_lies_between_the_ranges_stays)
{
    journal({copy_of(3, 4), copy_of(6, 7)});
    const std::string torn = wiped(lost(3, 4), start(6), tail, '\xa5');
    BOOST_TEST((completed(torn) == image.bytes));
    // What was lost between them ends the log.
    BOOST_TEST(count(completed(wiped(torn, start(4), start(4) + 1, '!'))) == 4U);
}

BOOST_AUTO_TEST_CASE(nothing_comes_before_the_end_of_the_walk)
{
    format::extent_header header = extent.header;
    header.order += 100;
    const journal_copy changed_header{place, header_for(place, header)};
    journal({changed_header, another(1), another(2), copy_of(3, 7)});
    BOOST_TEST(missing(image.bytes).empty());
    const std::string torn = lost(3, 5);
    BOOST_TEST((completed(torn) == image.bytes));
    for (const io::patch& each : missing(torn)) {
        BOOST_TEST(each.offset >= start(3));
    }
    // From where the walk ends the journal has the word.
    std::string wanted = image.bytes;
    wanted.replace(start(2), start(3) - start(2), another(2).bytes);
    BOOST_TEST((completed(lost(2, 3)) == wanted));
    // A range that is half before it.
    image.bytes = wiped(image.bytes, run.offset + head_size, run.end());
    next = run.offset + head_size;
    journal_copy both = another(1);
    both.bytes += copy_of(2, 7).bytes;
    journal({both});
    BOOST_TEST((completed(lost(2, 7)) == image.bytes));
}

BOOST_AUTO_TEST_CASE(an_end_mark_wins_over_a_longer_journal)
{
    journal({image.copy(place, tail)});
    for (std::size_t i = 0; i <= records.size(); ++i) {
        log_image ended = image;
        ended.end(extent, start(i));
        BOOST_TEST(missing(ended.bytes).empty());
        const std::string hidden = wiped(ended.bytes, start(i) + 16, extent.end());
        BOOST_TEST(missing(hidden).empty());
        // Half an end mark is none.
        if (i < records.size()) {
            const std::string broken = wiped(ended.bytes, start(i) + 2, start(i) + 3, '!');
            BOOST_TEST((completed(broken) == image.bytes));
        }
    }
}

BOOST_AUTO_TEST_CASE(an_end_mark_of_the_journal_comes_back)
{
    image.end(extent, start(5));
    journal({image.copy(start(3), start(5) + 16)});
    const std::string torn = wiped(image.bytes, start(4), start(5) + 16);
    BOOST_TEST((completed(torn) == image.bytes));
    BOOST_TEST(count(image.bytes) == 5U);
}

BOOST_AUTO_TEST_CASE(a_full_extent_lacks_nothing)
{
    for (std::uint64_t left = 0; left < 16; left += 4) {
        log_image full(image.bytes.size());
        const log::found_extent one = full.begin_extent(place, 1);
        run = full.begin_journal(run.offset, 8);
        expected_record record;
        record.fields.sequence = 1'000;
        record.value = std::string(unit - head_size - 16 - left, 'v');
        const std::uint64_t end = full.append(one, place + head_size, record);
        BOOST_REQUIRE_EQUAL(end, one.end() - left);
        full.append_entry(run, run.offset + head_size, {full.copy(place, end), {end, std::string(left, 'x')}}, 1);
        BOOST_TEST(missing(full.bytes).empty());
        const std::string whole = completed(wiped(full.bytes, place + unit / 2, end));
        BOOST_TEST((whole.substr(0, end) == full.bytes.substr(0, end)));
    }
}

BOOST_AUTO_TEST_CASE(a_header_makes_an_extent)
{
    journal({image.copy(place, start(3))});
    journal({copy_of(3, 7)});
    for (std::uint64_t to = place + 1; to <= tail; ++to) {
        const std::string torn = wiped(image.bytes, place, to);
        const std::vector<io::patch> patches = missing(torn);
        BOOST_REQUIRE_MESSAGE(with(torn, patches) == image.bytes, "all before " << to << " was lost");
        // First of all the header alone: a header that stands is one to walk behind.
        BOOST_TEST((patches.size() == 1) == (to <= start(0)));
        BOOST_TEST(patches[0].offset == place);
        BOOST_TEST(patches[0].bytes.size() == head_size);
    }
    BOOST_TEST((completed(wiped(image.bytes, place, place + 3, '!')) == image.bytes));
}

BOOST_AUTO_TEST_CASE(a_header_alone_makes_an_extent)
{
    journal({image.copy(place, place + head_size)});
    const std::string torn = wiped(image.bytes, place, place + head_size);
    BOOST_TEST((completed(torn) == image.bytes));
    // What came before its header belonged to nothing.
    next = run.offset + head_size;
    journal({copy_of(0, 3), image.copy(place, start(0)), copy_of(3, 7)});
    BOOST_TEST((completed(wiped(image.bytes, place, start(3))) == lost(0, 3)));
}

BOOST_AUTO_TEST_CASE(headers_that_make_no_extent)
{
    // In the free units behind the log extent; a record goes with it, which would come as well.
    const auto made = [&](std::uint64_t offset, std::size_t length, const auto& edit) {
        log_image with_it = image;
        log::found_extent other = with_it.begin_extent(offset, 3);
        other.header.since = 1;  // so that the header's last bytes are seen to be looked at or not
        edit(other.header);
        with_it.bytes.replace(offset, head_size, header_for(offset, other.header));
        expected_record record = records[0];
        const std::uint64_t end = with_it.append(other, offset + head_size, record);
        std::string torn = wiped(with_it.bytes, offset, end);
        // In one piece or in two.
        with_it.append_entry(run, run.offset + head_size,
                             {with_it.copy(offset, offset + length), with_it.copy(offset + length, end)}, 1);
        torn.replace(run.offset, run.bytes(), with_it.bytes, run.offset, run.bytes());
        const std::vector<io::patch> patches = missing(torn);
        BOOST_TEST((patches.empty() || with(torn, patches) == with_it.bytes));
        return !patches.empty();
    };
    using header = format::extent_header;
    const std::uint64_t free = place + 4 * unit;
    const auto as_is = [](header&) {};
    BOOST_TEST(made(free, head_size, as_is));
    BOOST_TEST(made(free, head_size + 20, as_is));
    BOOST_TEST(!made(free, head_size - 4, as_is));
    BOOST_TEST(!made(free, 40, as_is));
    // Not at a unit's start.
    BOOST_TEST(!made(free + 4, head_size, as_is));
    BOOST_TEST(!made(free + 64, head_size, as_is));
    BOOST_TEST(!made(free + 512, head_size, as_is));
    // Over the journal behind it, over the end of the file, or just not.
    BOOST_TEST(made(free, head_size, [](header& h) { h.units = 4; }));
    BOOST_TEST(!made(free, head_size, [](header& h) { h.units = 5; }));
    BOOST_TEST(!made(free, head_size, [](header& h) { h.units = 20; }));
    BOOST_TEST(made(place + 16 * unit, head_size, [](header& h) { h.units = 8; }));
    BOOST_TEST(!made(place + 16 * unit, head_size, [](header& h) { h.units = 9; }));
    BOOST_TEST(!made(place + 16 * unit, head_size, [](header& h) { h.units = ~0U; }));
    BOOST_TEST(!made(free, head_size, [](header& h) { h.units = 0; }));
    for (std::uint16_t other = 0; other < 8; ++other) {
        const bool may = other == static_cast<std::uint16_t>(kind::log);
        BOOST_TEST(made(free, head_size, [&](header& h) { h.kind = other; }) == may, "kind " << other);
    }
    BOOST_TEST(made(free, head_size, [](header& h) { h.shard = 3; }));
    BOOST_TEST(!made(free, head_size, [](header& h) { h.shard = 4; }));
    // Where an extent is already: what comes belongs to that one, which is finished.
    image.end(extent, tail);
    BOOST_TEST(!made(place + 2 * unit, head_size, as_is));
    BOOST_TEST(!made(place + 2 * unit, head_size, [](header& h) { h.units = 1; }));
}

BOOST_AUTO_TEST_CASE(a_header_with_a_wrong_checksum_makes_none)
{
    const std::string torn = wiped(image.bytes, place, tail);
    for (std::uint64_t at = 0; at < head_size; ++at) {
        journal_copy wrong = image.copy(place, tail);
        wrong.bytes[at] = static_cast<char>(wrong.bytes[at] ^ 4);
        log_image now = image;
        now.bytes = torn;
        now.append_entry(run, run.offset + head_size, {wrong}, 1);
        // The last words are not under it.
        BOOST_TEST(missing(now.bytes).empty() == (at < 40), "byte " << at);
    }
}

BOOST_AUTO_TEST_CASE(a_log_extent_that_would_be_too_long)
{
    for (const std::uint32_t units : {256U, 257U}) {
        log_image longer(place + (8 + 257) * unit);
        run = longer.begin_journal(place, 8);
        const log::found_extent made = longer.begin_extent(place + 8 * unit, units);
        longer.append_entry(run, place + head_size, {longer.copy(made.offset, made.offset + head_size)}, 1);
        const std::string torn = wiped(longer.bytes, made.offset, made.offset + head_size);
        BOOST_TEST((completed(torn) == longer.bytes) == (units == 256));
    }
}

BOOST_AUTO_TEST_CASE(an_extent_made_by_the_journal_is_one_for_what_follows)
{
    // The first of two headers that overlap makes its extent, whichever that is.
    const std::uint64_t low = place + 16 * unit;
    const std::uint64_t high = low + 2 * unit;
    format::extent_header header = extent.header;
    header.units = 3;
    const journal_copy lower{low, header_for(low, header)};
    const journal_copy upper{high, header_for(high, header)};
    const auto made = [&](const std::vector<journal_copy>& copies) {
        log_image now = image;
        now.append_entry(run, run.offset + head_size, copies, 1);
        std::vector<std::uint64_t> offsets;
        const std::string whole = completed(now.bytes);
        for (const log::found_extent& each : log::find_extents(open(whole), log_image::identity(), whole.size())) {
            if (each.offset == low || each.offset == high) {
                offsets.push_back(each.offset);
            }
        }
        return offsets;
    };
    BOOST_TEST((made({lower, upper}) == std::vector{low}));
    BOOST_TEST((made({upper, lower}) == std::vector{high}));
    header.units = 2;
    BOOST_TEST((made({{low, header_for(low, header)}, upper}) == std::vector{low, high}));
    BOOST_TEST((made({upper, {low, header_for(low, header)}}) == std::vector{low, high}));
    // Passing over a range ends nothing.
    image.append_entry(run, run.offset + head_size, {upper, lower, copy_of(6, 7)}, 1);
    std::string wanted = image.bytes;
    wanted.replace(high, head_size, upper.bytes);
    BOOST_TEST((completed(lost(6, 7)) == wanted));
}

BOOST_AUTO_TEST_CASE(extents_that_are_no_log_take_nothing)
{
    for (const kind other : {kind::log, kind::index, kind::large, kind::journal}) {
        log_image with_it = image;
        // An older journal than the one that counts.
        run = with_it.begin_extent(run.offset, 8, kind::journal, 0, 0);
        format::extent_header header = run.header;
        header.kind = static_cast<std::uint16_t>(other);
        header.order = 1;
        header.units = 3;
        const std::uint64_t at = place + 4 * unit;
        with_it.bytes.replace(at, head_size, header_for(at, header));
        expected_record record = records[0];
        const std::uint64_t end = with_it.append({at, header}, at + head_size, record);
        with_it.append_entry(run, run.offset + head_size, {with_it.copy(at, end), copy_of(6, 7)}, 1);
        const std::string torn = wiped(with_it.bytes, at + head_size, end);
        const std::string with_last = wiped(torn, start(6), tail);
        BOOST_TEST(missing(torn).empty() == (other != kind::log));
        BOOST_TEST((completed(with_last) == (other == kind::log ? with_it.bytes : torn)));
        // Nor does the journal make one.
        const std::string headless = wiped(torn, at, at + head_size);
        BOOST_TEST((completed(headless) == (other == kind::log ? with_it.bytes : headless)));
    }
}

BOOST_AUTO_TEST_CASE(a_range_lies_in_one_extent)
{
    // Two log extents, the second right behind the first.
    const log::found_extent other = image.begin_extent(extent.end(), 4);
    expected_record record = records[0];
    const std::uint64_t end = image.append(other, other.offset + head_size, record);
    const auto comes = [&](std::uint64_t from, std::uint64_t to) {
        log_image now = image;
        now.append_entry(run, run.offset + head_size, {now.copy(from, to)}, 1);
        return !missing(wiped(wiped(now.bytes, start(6), tail), record.offset, end)).empty();
    };
    BOOST_TEST(comes(start(6), tail));
    BOOST_TEST(comes(start(6), extent.end()));
    BOOST_TEST(!comes(start(6), extent.end() + 4));
    BOOST_TEST(!comes(start(6), end));
    BOOST_TEST(comes(extent.end(), end));
    BOOST_TEST(!comes(place + 16 * unit, place + 17 * unit));
    image.bytes = wiped(image.bytes, place, place + head_size);
    BOOST_TEST(!comes(other.offset - 4, end));  // begins in what is free
}

BOOST_AUTO_TEST_CASE(later_ranges_win)
{
    const std::string torn = lost(2, 7);
    std::string wanted = image.bytes;
    wanted.replace(start(4), start(5) - start(4), another(4).bytes);
    const auto result = [&](const std::vector<std::vector<journal_copy>>& entries) {
        std::uint64_t at = run.offset + head_size;
        log_image now = image;
        for (const auto& each : entries) {
            at = now.append_entry(run, at, each, 1);
        }
        const auto from = static_cast<std::ptrdiff_t>(run.offset);
        std::string bytes = torn;
        std::copy(now.bytes.begin() + from, now.bytes.end(), bytes.begin() + from);
        return completed(bytes).substr(0, run.offset);
    };
    const std::string first = image.bytes.substr(0, run.offset);
    const std::string second = wanted.substr(0, run.offset);
    BOOST_TEST((result({{copy_of(2, 7)}, {another(4)}}) == second));
    BOOST_TEST((result({{another(4)}, {copy_of(2, 7)}}) == first));
    BOOST_TEST((result({{copy_of(2, 7), another(4)}}) == second));
    BOOST_TEST((result({{another(4), copy_of(2, 7)}}) == first));
    BOOST_TEST((result({{another(4)}, {copy_of(2, 7)}, {another(4)}}) == second));
    BOOST_TEST((result({{copy_of(4, 7)}, {another(4), copy_of(2, 4)}}) == second));
    // A shorter one does not take back what an earlier one said behind it.
    BOOST_TEST((result({{copy_of(2, 7)}, {copy_of(2, 3)}}) == first));
}

BOOST_AUTO_TEST_CASE(entries_of_another_lap)
{
    for (const std::uint32_t lap : {0U, 1U, 7U, ~0U}) {
        for (const std::uint32_t other : {lap - 1, lap, lap + 1, lap ^ 0x8000'0000U}) {
            next = run.offset + head_size;
            journal({copy_of(3, 5)}, lap);
            const std::uint64_t first = next;
            journal({copy_of(5, 6)}, other);
            journal({copy_of(6, 7)}, lap);
            BOOST_TEST(count(completed(lost(3, 7))) == (other == lap ? 7U : 5U), lap << " and " << other);
            expect_told(other == lap ? 3 : 1, other == lap ? next : first);
        }
    }
}

BOOST_AUTO_TEST_CASE(leftovers_behind_the_last_entry)
{
    journal({copy_of(3, 5)});
    const std::uint64_t first = next;
    for (const std::uint64_t gap : {8U, 16U, 24U, 40U, 512U, 1'024U}) {
        for (const char filling : {'\0', '\xa5'}) {
            image.bytes = wiped(image.bytes, first, run.end(), filling);
            next = first + gap;
            journal({copy_of(5, 7)});
            BOOST_TEST(count(completed(lost(3, 7))) == 5U);
            expect_told(1, first);
        }
    }
    image.bytes = wiped(image.bytes, first, run.end());
    next = first;
    journal({copy_of(5, 7)});
    BOOST_TEST(count(completed(lost(3, 7))) == 7U);
    // Nothing at the start: none counts.
    image.bytes = wiped(image.bytes, run.offset + head_size, first);
    BOOST_TEST(missing(lost(3, 7)).empty());
    expect_told(0, run.offset + head_size);
}

BOOST_AUTO_TEST_CASE(each_flipped_bit_ends_the_chain_there)
{
    std::vector<std::uint64_t> entries;
    for (std::size_t i = 3; i < 7; ++i) {
        entries.push_back(next);
        journal({copy_of(i, i + 1)});
    }
    BOOST_TEST(count(completed(lost(3, 7))) == 7U);
    std::uint32_t bit = 0;
    for (std::size_t n = 0; n < entries.size(); ++n) {
        for (std::uint64_t at = entries[n]; at < (n + 1 < entries.size() ? entries[n + 1] : next); ++at) {
            std::string bad = lost(3, 7);
            bad[at] = static_cast<char>(bad[at] ^ (1 << (bit++ % 8)));
            BOOST_REQUIRE_MESSAGE(count(completed(bad)) == 3 + n, "byte " << at - entries[n] << " of entry " << n);
        }
    }
}

BOOST_AUTO_TEST_CASE(an_entry_of_another_place_is_none)
{
    journal({copy_of(3, 5)});
    const std::uint64_t size = next - run.offset - head_size;
    const std::string entry = image.bytes.substr(run.offset + head_size, size);
    image.bytes.replace(next, size, entry);
    expect_told(1, next);
    // Nor is one of a journal that stood here before.
    log::found_extent before = run;
    ++before.header.nonce;
    image.append_entry(before, next, {copy_of(5, 7)}, 1);
    expect_told(1, next);
    image.append_entry(run, next, {copy_of(5, 7)}, 1);
    expect_told(2, next + 24 + 16 + (tail - start(5) + 7) / 8 * 8);
}

BOOST_AUTO_TEST_CASE(sizes_that_cannot_be)
{
    journal({copy_of(3, 5)});
    const std::uint64_t first = next;
    journal({copy_of(5, 7)});
    const std::uint64_t room = run.end() - first;
    const std::uint64_t whole = next - first;
    const log_image good = image;
    // The checksum fits what is claimed, where that can be.
    const auto counts = [&](std::uint64_t size, std::uint32_t ranges, std::uint64_t signed_size) {
        image = good;
        const format::journal_entry head{0, 1, ranges, size};
        std::memcpy(image.at(first), &head, sizeof head);
        image.sign_entry(run, first, signed_size);
        std::uint64_t end = 0;
        const std::size_t said = told(end).size();
        const bool ends_here = said == 1 && end == first && count(completed(lost(3, 7))) == 5;
        BOOST_TEST((ends_here || end == first + size), "size " << size);
        return !ends_here;
    };
    BOOST_TEST(counts(whole, 1, whole));
    BOOST_TEST(counts(whole + 8, 1, whole + 8));  // more than its ranges need
    BOOST_TEST(counts(24, 0, 24));
    BOOST_TEST(counts(40, 0, 40));
    BOOST_TEST(counts(room, 1, room));
    for (const std::uint32_t ranges : {0U, 1U}) {
        BOOST_TEST(!counts(0, ranges, 8));
        BOOST_TEST(!counts(0, ranges, whole));
        BOOST_TEST(!counts(8, ranges, 8));
        BOOST_TEST(!counts(16, ranges, 16));
        for (std::uint64_t odd = 1; odd < 8; ++odd) {
            BOOST_TEST(!counts(whole + odd, ranges, whole + odd));
        }
        BOOST_TEST(!counts(room + 8, ranges, room + 8));
        BOOST_TEST(!counts(run.bytes(), ranges, run.bytes()));
        BOOST_TEST(!counts(run.bytes() + 8, ranges, run.bytes() + 8));
        for (const std::uint64_t huge : {std::uint64_t{1} << 32, std::uint64_t{1} << 63, ~std::uint64_t{7}}) {
            BOOST_TEST(!counts(huge, ranges, whole));
            BOOST_TEST(!counts(huge + whole, ranges, whole));
        }
    }
}

BOOST_AUTO_TEST_CASE(more_ranges_than_the_entry_has_room_for)
{
    journal({copy_of(3, 5)});
    const std::uint64_t first = next;
    // What stands behind the entry would do for ranges.
    journal({{start(5), ""}, {start(5), ""}, {start(5), ""}});
    const auto counts = [&](std::uint64_t size, std::uint32_t ranges) {
        const format::journal_entry head{0, 1, ranges, size};
        std::memcpy(image.at(first), &head, sizeof head);
        image.sign_entry(run, first, size);
        std::uint64_t end = 0;
        const std::size_t said = told(end).size();
        BOOST_TEST((end == first || end == first + size));
        BOOST_TEST(said == (end == first ? 1 : 1 + ranges));
        return end != first;
    };
    BOOST_TEST(counts(72, 3));
    BOOST_TEST(counts(72, 2));
    BOOST_TEST(!counts(64, 3));
    BOOST_TEST(counts(56, 2));
    BOOST_TEST(!counts(48, 2));
    BOOST_TEST(!counts(40, 2));
    BOOST_TEST(!counts(24, 1));
    BOOST_TEST(!counts(32, 1));
    BOOST_TEST(!counts(72, 4));
    BOOST_TEST(!counts(72, 0x1000'0000));  // 2^28 * 16 is 0 in 32 bits
    BOOST_TEST(!counts(72, 0x1000'0001));
    BOOST_TEST(!counts(72, ~0U));
}

BOOST_AUTO_TEST_CASE(ranges_that_cannot_be)
{
    const std::uint64_t size = image.bytes.size();
    // An entry whose ranges are these and that has so many bytes for them; then one more that is whole.
    const auto counts = [&](const std::vector<format::journal_range>& ranges, std::uint64_t bytes) {
        next = run.offset + head_size;
        journal({copy_of(3, 5)});
        const std::uint64_t first = next;
        std::vector<journal_copy> copies(ranges.size());
        copies.back().bytes.assign(bytes, '\0');
        journal(copies);
        std::byte* names = image.at(first + sizeof(format::journal_entry));
        std::memcpy(names, ranges.data(), ranges.size() * sizeof ranges[0]);
        image.sign_entry(run, first, next - first);
        journal({copy_of(5, 7)});
        std::uint64_t end = 0;
        const std::size_t said = told(end).size();
        const bool goes_on = said == 2 + ranges.size() && end == next;
        BOOST_TEST((goes_on || (said == 1 && end == first)));
        BOOST_TEST(count(completed(lost(3, 7))) == (goes_on ? 7U : 5U));
        return goes_on;
    };
    const std::uint64_t here = start(5);
    BOOST_TEST(counts({{here, 8}}, 8));
    BOOST_TEST(counts({{here, 4}}, 8));
    BOOST_TEST(counts({{here, 8}, {here, 16}}, 24));
    // Their sum.
    BOOST_TEST(!counts({{here, 12}}, 8));
    BOOST_TEST(!counts({{here, 8}, {here, 20}}, 24));
    BOOST_TEST(!counts({{here, 20}, {here, 8}}, 24));
    BOOST_TEST(!counts({{here, 24}, {here, 24}}, 24));
    // The sum of these is 8, of all bits that a word has; or its low half is.
    BOOST_TEST(!counts({{here, ~std::uint64_t{3}}, {here, 12}}, 8));
    BOOST_TEST(!counts({{here, 12}, {here, ~std::uint64_t{3}}}, 8));
    BOOST_TEST(!counts({{here, std::uint64_t{1} << 63}, {here, (std::uint64_t{1} << 63) + 8}}, 8));
    BOOST_TEST(!counts({{here, (std::uint64_t{1} << 32) + 8}}, 8));
    BOOST_TEST(!counts({{here, std::uint64_t{8} - here}}, 8));  // ends at 8
    // Offset and length are multiples of 4.
    for (std::uint64_t off = 1; off < 4; ++off) {
        BOOST_TEST(!counts({{here + off, 8}}, 8));
        BOOST_TEST(!counts({{here, off}}, 8));
        BOOST_TEST(!counts({{here + off, 8 - off}}, 8));
    }
    BOOST_TEST(counts({{here + 4, 8}}, 8));
    // From the first extent to the end of the file, in free space too.
    BOOST_TEST(counts({{place, 8}}, 8));
    BOOST_TEST(!counts({{place - 4, 8}}, 8));
    BOOST_TEST(!counts({{place - 4, 4}}, 8));
    BOOST_TEST(!counts({{0, 8}}, 8));
    BOOST_TEST(counts({{size - 8, 8}}, 8));
    BOOST_TEST(counts({{size, 0}}, 8));
    BOOST_TEST(!counts({{size - 4, 8}}, 8));
    BOOST_TEST(!counts({{size, 4}}, 8));
    BOOST_TEST(!counts({{size + 4, 0}}, 8));
    BOOST_TEST(!counts({{std::uint64_t{1} << 42, 8}}, 8));
    BOOST_TEST(!counts({{~std::uint64_t{7}, 8}}, 8));  // ends at 0
    BOOST_TEST(!counts({{~std::uint64_t{3}, 8}}, 8));  // ends at 4
    // Not over the journal itself.
    BOOST_TEST(counts({{run.offset - 8, 8}}, 8));
    BOOST_TEST(counts({{run.end(), 8}}, 8));
    BOOST_TEST(!counts({{run.offset - 4, 8}}, 8));
    BOOST_TEST(!counts({{run.offset, 8}}, 8));
    BOOST_TEST(!counts({{run.end() - 4, 4}}, 8));
    BOOST_TEST(!counts({{run.end() - 4, 8}}, 8));
    BOOST_TEST(!counts({{run.offset - 4, run.bytes() / 2}}, run.bytes() / 2));
    // One that cannot be is enough, wherever it stands.
    BOOST_TEST(!counts({{here, 8}, {here + 8, 8}, {0, 8}}, 24));
    BOOST_TEST(!counts({{0, 8}, {here, 8}, {here + 8, 8}}, 24));
}

BOOST_AUTO_TEST_CASE(the_usable_end_is_given)
{
    const std::uint64_t limit = place + 20 * unit;
    journal({copy_of(3, 5)});
    const std::uint64_t first = next;
    journal({{limit - 4, "12345678"}, copy_of(5, 7)});
    const std::string torn = lost(3, 7);
    const auto expect = [&](std::uint64_t usable, std::uint64_t wanted_end, std::size_t wanted) {
        const io::file file = open(torn);
        const std::uint64_t end = log::walk_journal(file, log_image::identity(), run, usable,
                                                    [](std::uint64_t, std::span<const std::byte>) {});
        BOOST_TEST(run.offset + end == wanted_end);
        BOOST_TEST(count(with(torn, log::missing_from_log(file, log_image::identity(), usable))) == wanted);
    };
    expect(limit, first, 5);
    expect(limit + unit, next, 7);
}

BOOST_AUTO_TEST_CASE(entries_up_to_the_end_of_the_run)
{
    for (std::uint64_t left = 0; left <= 48; left += 8) {
        image.bytes = wiped(image.bytes, run.offset + head_size, run.end());
        // What stands behind the run is no entry of it.
        image.bytes = wiped(image.bytes, run.end(), run.end() + unit, '\xa5');
        next = run.offset + head_size;
        journal({copy_of(3, 5)});
        const std::uint64_t filling = run.end() - left - next - 40 - 40 - (tail - start(5) + 7) / 8 * 8;
        journal({{run.end(), std::string(filling, 'f')}});
        journal({copy_of(5, 7)});
        BOOST_REQUIRE_EQUAL(next, run.end() - left);
        BOOST_TEST(count(completed(lost(3, 7))) == 7U);
        expect_told(3, next);
    }
}

BOOST_AUTO_TEST_CASE(the_newest_of_two_journals_counts)
{
    const std::uint64_t places[] = {run.offset, place + 16 * unit};
    for (const bool older_first : {true, false}) {
        const log::found_extent older = image.begin_journal(places[older_first ? 0 : 1], 8);
        run = image.begin_journal(places[older_first ? 1 : 0], 8);
        image.bytes = wiped(image.bytes, run.offset + head_size, run.end());
        image.append_entry(older, older.offset + head_size, {copy_of(0, 7)}, 1);
        BOOST_TEST(missing(lost(3, 7)).empty());  // it has no entry
        next = run.offset + head_size;
        journal({copy_of(3, 5)});
        BOOST_TEST(count(completed(lost(3, 7))) == 5U);
        BOOST_TEST(count(completed(lost(0, 7))) == 0U);
        // It may speak of the other, to no avail.
        journal({image.copy(older.offset, older.offset + unit)});
        journal({{older.offset + head_size, std::string(unit, 'x')}});
        journal({copy_of(5, 7)});
        BOOST_TEST((completed(lost(3, 7)) == image.bytes));
        // Without its header it is none.
        BOOST_TEST((completed(wiped(lost(0, 7), run.offset, run.offset + head_size)) ==
                    wiped(image.bytes, run.offset, run.offset + head_size)));
    }
}

BOOST_AUTO_TEST_CASE(the_first_of_two_journals_of_one_order_counts)
{
    const log::found_extent other{place + 16 * unit, run.header};
    image.bytes.replace(other.offset, head_size, header_for(other.offset, other.header));
    image.append_entry(other, other.offset + head_size, {copy_of(0, 7)}, 1);
    journal({copy_of(3, 5)});
    BOOST_TEST(count(completed(lost(3, 7))) == 5U);
    BOOST_TEST(count(completed(wiped(lost(3, 7), run.offset, run.offset + head_size))) == 7U);
}

BOOST_AUTO_TEST_CASE(killed_while_it_is_completed)
{
    const log::found_extent other = image.begin_extent(place + 4 * unit, 3);
    expected_record record = records[0];
    const std::uint64_t end = image.append(other, other.offset + head_size, record);
    image.end(other, end);
    journal({image.copy(place, start(3))});
    journal({image.copy(other.offset, end + 16), copy_of(3, 5)});
    journal({copy_of(3, 7)});
    for (const char filling : {'\0', '\xa5'}) {
        std::string torn = wiped(image.bytes, start(0), tail, filling);
        torn = wiped(torn, record.offset, end + 16, filling);
        torn = wiped(wiped(torn, place, start(0)), other.offset, record.offset);
        const std::vector<io::patch> patches = missing(torn);
        BOOST_REQUIRE((with(torn, patches) == image.bytes));
        BOOST_TEST(missing(image.bytes).empty());
        for (const io::patch& each : patches) {
            for (std::size_t stored = 0; stored <= each.bytes.size(); ++stored) {
                std::memcpy(torn.data() + each.offset, each.bytes.data(), stored);
                BOOST_REQUIRE_MESSAGE(completed(torn) == image.bytes,
                                      stored << " bytes of that at " << each.offset << " were stored");
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_reader_sees_the_same_beside_the_file)
{
    journal({image.copy(place, start(3))});
    journal({copy_of(3, 7)});
    io::file file = open(wiped(image.bytes, place, start(5) + 10));
    BOOST_TEST(log::find_extents(file, log_image::identity(), image.bytes.size()).size() == 1U);
    file.overlay(log::missing_from_log(file, log_image::identity(), image.bytes.size()));
    BOOST_TEST(log::find_extents(file, log_image::identity(), image.bytes.size()).size() == 2U);
    std::size_t seen = 0;
    log::record_walker(file).walk(
        extent, [&](const log::parsed_record& one) { BOOST_TEST(one.key == records.at(seen++).key); });
    BOOST_TEST(seen == records.size());
    BOOST_TEST(log::missing_from_log(file, log_image::identity(), image.bytes.size()).empty());
}

namespace {

/// A log extent and how much of it is where.
struct written_extent {
    log::found_extent extent;
    std::vector<expected_record> records;
    std::uint64_t end = 0;       // behind the last record, or its end mark
    std::uint64_t in_place = 0;  // all before this is on the medium where it belongs
    std::uint64_t durable = 0;   // all before this is there or in the journal
    std::size_t journaled = 0;   // records that must be found: those before the end of what was journaled

    [[nodiscard]] std::uint64_t behind(std::size_t records_before) const
    {
        return records_before == 0 ? extent.offset + head_size
                                   : records[records_before - 1].offset + records[records_before - 1].size;
    }
};

/// A file as commits leave it: a few log extents, and a journal somewhere among them.
struct committed_log {
    chance& source;
    log_image image{place + 40 * unit};
    std::vector<written_extent> extents;
    log::found_extent run;

    explicit committed_log(chance& chances) : source(chances)
    {
        const std::uint64_t count = 1 + source.below(4);
        const std::uint64_t before_journal = source.below(count + 1);
        std::uint64_t at = place;
        for (std::uint64_t i = 0; i <= count; ++i) {
            at += source.below(3) * unit;
            const auto units = static_cast<std::uint32_t>(1 + source.below(i == before_journal ? 8 : 4));
            if (i == before_journal) {
                run = image.begin_journal(at, units);
            } else {
                write(at, units);
            }
            at += units * unit;
        }
        image.bytes.resize(at + source.below(2) * unit);
        if (source.below(2) == 0) {
            image.bytes.replace(run.offset + head_size, run.bytes() - head_size,
                                bytes_of(run.bytes() - head_size, source.next()));
        }
    }

    void write(std::uint64_t at, std::uint32_t units)
    {
        written_extent one;
        one.extent = image.begin_extent(at, units);
        one.end = at + head_size;
        while (source.below(16) != 0) {
            expected_record record;
            using format::record_kind;
            record.fields.kind = source.below(8) == 0 ? record_kind::tombstone : record_kind::value;
            record.fields.sequence = one.extent.header.base_sequence + one.records.size();
            record.key = bytes_of(source.below(24), source.next());
            if (record.fields.kind == record_kind::value) {
                record.value = bytes_of(source.below(source.below(8) == 0 ? 700 : 100), source.next());
            }
            const std::uint64_t size =
                format::record_size(log::meta_of(record.fields), record.key.size(), record.value.size());
            if (size > one.extent.end() - one.end) {
                break;
            }
            one.end = image.append(one.extent, one.end, record);
            one.records.push_back(record);
        }
        if (one.extent.end() - one.end >= 16 && source.below(2) == 0) {
            image.end(one.extent, one.end);
            one.end += 16;
        }
        // Its header alone, or with some records, or not even that.
        one.in_place = source.below(3) == 0 ? at : one.behind(source.below(one.records.size() + 1));
        one.durable = one.in_place;
        extents.push_back(one);
    }

    /// From what is durable of some extents to the end of some record, as long as there is room.
    void commit()
    {
        std::uint64_t next = run.offset + head_size;
        const auto lap = static_cast<std::uint32_t>(source.next());
        for (std::uint64_t i = source.below(8); i != 0; --i) {
            std::vector<journal_copy> copies;
            std::vector<written_extent> after = extents;
            std::uint64_t size = sizeof(format::journal_entry) + 7;
            for (written_extent& each : after) {
                const std::size_t records = 1 + source.below(each.records.size() + 1);
                const bool all = records >= each.records.size();
                const std::uint64_t to = all ? each.end : each.behind(records);
                if (source.below(2) == 0 || each.records.empty() || to <= each.durable) {
                    continue;
                }
                copies.push_back(image.copy(each.durable, to));
                size += sizeof(format::journal_range) + copies.back().bytes.size();
                each.journaled = std::max(each.journaled, std::min(records, each.records.size()));
                // The commit after a failed or a concurrent one begins where that began.
                each.durable = source.below(4) == 0 ? each.durable : to;
            }
            if (next + size > run.end()) {
                return;
            }
            next = image.append_entry(run, next, copies, lap);
            extents = after;
        }
    }

    /// What a loss of power leaves of all that was not in its place: some blocks, zeros, or anything.
    [[nodiscard]] std::string torn() const
    {
        std::string bytes = image.bytes;
        const std::uint64_t block = source.below(2) == 0 ? 512 : 8;
        const std::uint64_t one_of = 1 + source.below(4);
        const bool garbage = source.below(3) == 0;
        for (const written_extent& each : extents) {
            for (std::uint64_t at = each.extent.offset; at < each.extent.end(); at += block) {
                const std::uint64_t from = std::max(at, each.in_place);
                if (from >= at + block || source.below(one_of) != 0) {
                    continue;
                }
                bytes.replace(from, at + block - from, at + block - from, '\0');
                // Not so a header: its last words are under no checksum.
                const std::uint64_t records_from = std::max(from, each.extent.offset + head_size);
                if (garbage && records_from < at + block) {
                    const std::size_t size = at + block - records_from;
                    bytes.replace(records_from, size, bytes_of(size, source.next()));
                }
            }
        }
        return bytes;
    }

    /// Every journaled record is found, and nothing that was never written.
    [[nodiscard]] bool holds(const io::file& file, const std::string& bytes) const
    {
        const std::vector<log::found_extent> found =
            log::find_extents(file, log_image::identity(), image.bytes.size());
        for (const written_extent& each : extents) {
            const bool there = std::any_of(found.begin(), found.end(), [&](const log::found_extent& one) {
                return one.offset == each.extent.offset && one.header.nonce == each.extent.header.nonce;
            });
            std::size_t count = 0;
            bool as_written = true;
            log::record_walker(file).walk(each.extent, [&](const log::parsed_record& record) {
                const auto from = static_cast<std::ptrdiff_t>(record.offset);
                const auto to = static_cast<std::ptrdiff_t>(record.offset + record.size);
                as_written = as_written && count < each.records.size() &&
                             record.offset == each.records[count].offset &&
                             std::equal(bytes.begin() + from, bytes.begin() + to, image.bytes.begin() + from);
                ++count;
            });
            if (!as_written || (each.journaled != 0 && (!there || count < each.journaled))) {
                return false;
            }
        }
        return true;
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_commits_journaled_survives_any_loss)
{
    chance source(setting("KVDB_TEST_SEED", 1));
    const std::uint64_t rounds = setting("KVDB_TEST_ROUNDS", 3'000);
    std::uint64_t needed = 0;
    std::uint64_t made = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        committed_log written(source);
        written.commit();
        const std::string torn = written.torn();
        io::file file = open(torn);
        const auto missing_now = [&] {
            return log::missing_from_log(file, log_image::identity(), written.image.bytes.size());
        };
        const std::vector<io::patch> patches = missing_now();
        const std::string whole = with(torn, patches);
        file.overlay(patches);
        BOOST_REQUIRE_MESSAGE(written.holds(file, whole), "round " << round << ": a journaled record is lost");
        BOOST_REQUIRE_MESSAGE(missing_now().empty(), "round " << round << ": it is never done");
        needed += patches.empty() ? 0U : 1U;
        made += std::any_of(patches.begin(), patches.end(), [](const io::patch& each) {
            return each.offset % unit == 0 && each.bytes.size() == head_size;
        });

        // The power fails again before all that is stored.
        std::string half = torn;
        const std::uint64_t block = source.below(2) == 0 ? 512 : 8;
        for (const io::patch& each : patches) {
            for (std::uint64_t at = 0; at < each.bytes.size(); at += block) {
                if (source.below(2) == 0) {
                    std::memcpy(half.data() + each.offset + at, each.bytes.data() + at,
                                std::min(block, each.bytes.size() - at));
                }
            }
        }
        BOOST_REQUIRE_MESSAGE(completed(half) == whole, "round " << round << ": it ends otherwise");
    }
    BOOST_TEST(needed > rounds / 2);
    BOOST_TEST(made > rounds / 8);
}

BOOST_AUTO_TEST_SUITE_END()
