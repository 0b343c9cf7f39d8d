// SPDX-License-Identifier: BSL-1.0
// What was written is read back; what was not written whole is not, wherever it broke off.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "log_file.hpp"
#include "support/values.hpp"

using namespace kvdb;
using namespace kvdb::testing;
using reason = log::walk_end::reason;

namespace {

constexpr std::uint64_t place = 13'312;
constexpr std::uint64_t incarnation = std::uint64_t{1} << format::sequence_bits;

struct walk_fixture : walked_file {
    std::vector<expected_record> found;

    void expect(const std::vector<expected_record>& wanted, std::size_t count) const
    {
        BOOST_REQUIRE_EQUAL(found.size(), count);
        for (std::size_t i = 0; i < count; ++i) {
            BOOST_REQUIRE_MESSAGE(same(found[i], wanted[i]), "record " << i << " differs");
        }
    }
};

expected_record random_record(chance& source, std::uint64_t base)
{
    expected_record one;
    one.fields.kind = source.below(4) == 0 ? format::record_kind::tombstone : format::record_kind::value;
    one.key = bytes_of(source.below(20) == 0 ? source.below(3'000) : source.below(40), source.next());
    if (one.fields.kind == format::record_kind::value) {
        one.value = bytes_of(source.below(200), source.next());
    }
    one.fields.sequence = source.below(3) == 0 ? source.next() : base + source.below(1'000'000);
    one.fields.wide = log::needs_wide(one.fields.sequence, base);
    one.fields.supersedes = source.below(2) == 0;
    one.fields.victim = one.fields.supersedes ? source.next() : 0;
    return one;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(walk, walk_fixture)

BOOST_AUTO_TEST_CASE(records_come_back_as_they_were_written)
{
    chance source(setting("KVDB_TEST_SEED", 1));
    for (int round = 0; round < 60; ++round) {
        const auto units = static_cast<std::uint32_t>(1 + source.below(256));
        log_image image(place + units * std::uint64_t{format::unit_size});
        const log::found_extent extent =
            image.begin_extent(place, units, format::extent_kind::log, 1, incarnation * source.below(3));
        std::vector<expected_record> wanted;
        std::uint64_t tail = place + format::extent_header_size;
        for (;;) {
            expected_record next = random_record(source, extent.header.base_sequence);
            if (tail + format::record_size(log::meta_of(next.fields), next.key.size(), next.value.size()) + 16 >
                extent.end()) {
                break;
            }
            tail = image.append(extent, tail, next);
            wanted.push_back(next);
        }
        log::walk_end end = walk(image.bytes, extent, found);
        expect(wanted, wanted.size());
        BOOST_TEST(end.offset == tail);
        BOOST_TEST((end.why == reason::blank || end.why == reason::full));
        image.end(extent, tail);
        end = walk(image.bytes, extent, found);
        expect(wanted, wanted.size());
        BOOST_TEST((end.why == reason::end_mark));
        BOOST_TEST(end.offset == tail);
        walk(image.bytes, extent, found, false);
        expect(wanted, wanted.size());
    }
}

BOOST_AUTO_TEST_CASE(a_number_that_does_not_fit_is_wide)
{
    BOOST_TEST(!log::needs_wide(5, 5));
    BOOST_TEST(!log::needs_wide(5 + 0xffff'ffffULL, 5));
    BOOST_TEST(log::needs_wide(5 + 0x1'0000'0000ULL, 5));
    BOOST_TEST(log::needs_wide(4, 5));
    BOOST_TEST(log::needs_wide(incarnation, 2 * incarnation));
    BOOST_TEST(!log::needs_wide(~std::uint64_t{0}, ~std::uint64_t{0} - 7));
}

BOOST_AUTO_TEST_CASE(a_tail_torn_at_each_byte)
{
    log_image image(place + 2 * format::unit_size);
    const log::found_extent extent = image.begin_extent(place, 2);
    std::vector<expected_record> wanted(4);
    std::uint64_t tail = place + format::extent_header_size;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        wanted[i].fields.sequence = i % 2 == 0 ? 1'001 + i : 7;
        wanted[i].fields.wide = i % 2 != 0;
        wanted[i].fields.supersedes = i == 3;
        wanted[i].fields.victim = 0x123456789abcdef0ULL;
        wanted[i].key = "key number " + std::to_string(i);
        wanted[i].value = bytes_of(70 + i, i);
        tail = image.append(extent, tail, wanted[i]);
    }
    wanted[0].fields.victim = wanted[1].fields.victim = wanted[2].fields.victim = 0;
    const expected_record& last = wanted.back();
    for (const char filling : {'\0', '\xa5'}) {
        for (std::uint64_t written = 0; written <= last.size; ++written) {
            std::string torn = image.bytes;
            std::fill_n(torn.begin() + static_cast<std::ptrdiff_t>(last.offset + written),
                        extent.end() - last.offset - written, filling);
            const bool whole = torn.compare(last.offset, last.size, image.bytes, last.offset, last.size) == 0;
            BOOST_TEST_CONTEXT(written << " of " << last.size << " bytes written, then " << int{filling})
            {
                const log::walk_end end = walk(torn, extent, found);
                expect(wanted, whole ? 4 : 3);
                BOOST_TEST(end.offset == (whole ? tail : last.offset));
                std::string rest = torn.substr(end.offset, extent.end() - end.offset);
                const bool blank = rest.find_first_not_of('\0') >= 16;
                BOOST_TEST((end.why == (blank ? reason::blank : reason::invalid)));
                rest.erase(rest.find_last_not_of('\0') + 1);
                BOOST_TEST(end.bytes_dropped == (blank ? 0U : rest.size()));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(each_flipped_bit_ends_the_walk_there)
{
    log_image image(place + format::unit_size);
    const log::found_extent extent = image.begin_extent(place, 1);
    std::vector<expected_record> wanted(3);
    std::uint64_t tail = place + format::extent_header_size;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        wanted[i].fields.sequence = 1'000 + i;
        wanted[i].key = "abc";
        wanted[i].value = std::string(i + 5, 'v');
        tail = image.append(extent, tail, wanted[i]);
    }
    image.end(extent, tail);
    for (std::uint64_t bit = 8 * wanted[1].offset; bit < 8 * (tail + 16); ++bit) {
        std::string bad = image.bytes;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        const log::walk_end end = walk(bad, extent, found);
        const std::size_t sound = bit / 8 < wanted[2].offset ? 1 : bit / 8 < tail ? 2 : 3;
        expect(wanted, sound);
        BOOST_TEST((end.why == reason::invalid));
        BOOST_TEST(end.offset == (sound == 3 ? tail : wanted[sound].offset));
    }
}

BOOST_AUTO_TEST_CASE(an_end_mark_hides_what_is_behind_it)
{
    log_image image(place + format::unit_size);
    const log::found_extent extent = image.begin_extent(place, 1);
    expected_record hidden;
    hidden.key = "hidden";
    image.end(extent, place + format::extent_header_size);
    image.append(extent, place + format::extent_header_size + 16, hidden);
    BOOST_TEST((walk(image.bytes, extent, found).why == reason::end_mark));
    BOOST_TEST(found.empty());
}

BOOST_AUTO_TEST_CASE(a_record_of_another_place_is_none)
{
    log_image image(place + 4 * format::unit_size);
    const log::found_extent one = image.begin_extent(place, 2);
    const log::found_extent other = image.begin_extent(place + 2'048, 2);
    expected_record record;
    record.fields.sequence = 1'000;
    record.key = "stale";
    image.append(one, place + 64, record);
    // The same bytes, copied: by its checksum and back distance a record knows where it belongs.
    for (const std::uint64_t offset : {other.offset + 64, one.offset + 64 + 4, one.offset + 1'088}) {
        std::string copied = image.bytes;
        copied.replace(offset, record.size, image.bytes, record.offset, record.size);
        if (offset != other.offset + 64) {
            copied.replace(record.offset, 4, 4, '\0');
        }
        const log::walk_end end = walk(copied, offset == other.offset + 64 ? other : one, found);
        BOOST_TEST(found.empty());
        BOOST_TEST((end.why == reason::invalid));
    }
}

BOOST_AUTO_TEST_CASE(an_extent_without_room_for_more_is_full)
{
    for (std::uint64_t left = 0; left < 16; left += 4) {
        log_image image(place + format::unit_size);
        const log::found_extent extent = image.begin_extent(place, 1);
        std::vector<expected_record> wanted(1);
        wanted[0].fields.sequence = 1'000;
        wanted[0].value = std::string(format::unit_size - 64 - 16 - left, 'v');
        image.append(extent, place + 64, wanted[0]);
        const log::walk_end end = walk(image.bytes, extent, found);
        expect(wanted, 1);
        BOOST_TEST((end.why == reason::full));
        BOOST_TEST(end.offset == extent.end() - left);
    }
}

BOOST_AUTO_TEST_CASE(a_file_shorter_than_the_extent)
{
    log_image image(place + format::unit_size);
    const log::found_extent extent = image.begin_extent(place, 1);
    std::vector<expected_record> wanted(1);
    wanted[0].fields.sequence = 1'000;
    wanted[0].value = std::string(100, 'v');
    image.append(extent, place + 64, wanted[0]);
    for (std::uint64_t size = place; size < image.bytes.size(); ++size) {
        static_cast<void>(walk(image.bytes.substr(0, size), extent, found));
        expect(wanted, size >= place + 64 + wanted[0].size ? 1 : 0);
    }
}

BOOST_AUTO_TEST_SUITE_END()
