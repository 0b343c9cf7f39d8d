// SPDX-License-Identifier: BSL-1.0
// Values in extents of their own, and how extents are found.
#include "base/hash.hpp"

#include <boost/test/unit_test.hpp>

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

struct large_fixture : walked_file {
    std::vector<expected_record> found;
    log_image image{0};
    log::found_extent extent;
    expected_record wanted;

    /// As a writer does it: the body first, then the head with the hash of the body under its checksum.
    void make(std::size_t key_size, std::size_t value_size)
    {
        const std::uint64_t units = (64 + 32 + key_size + value_size + 3 + 1'023) / 1'024;
        image = log_image(place + units * 1'024);
        extent = image.begin_extent(place, static_cast<std::uint32_t>(units), format::extent_kind::large);
        wanted = {};
        wanted.fields.sequence = 0x123'4567'89ab'cdefULL;
        wanted.fields.wide = wanted.fields.supersedes = true;
        wanted.key = bytes_of(key_size, 1);
        wanted.value = bytes_of(value_size, 2);
        wanted.offset = place + 64;
        wanted.size = format::record_size(log::meta_of(wanted.fields), key_size, value_size);
        std::byte* at = image.at(wanted.offset);
        std::byte* body =
            log::write_head(at, wanted.offset, place, 0, wanted.fields, wanted.key.size(), wanted.value.size());
        std::memcpy(body, wanted.key.data(), key_size);
        std::memcpy(body + key_size, wanted.value.data(), value_size);
        const std::uint64_t hash = hash_bytes(body, key_size + value_size, extent.header.nonce);
        const std::uint32_t checksum = format::large_checksum({at, static_cast<std::size_t>(body - at)}, hash,
                                                              extent.header.nonce, wanted.offset);
        std::memcpy(at, &checksum, sizeof checksum);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(large, large_fixture)

BOOST_AUTO_TEST_CASE(a_large_record_comes_back)
{
    for (const std::size_t key_size : {0U, 5U, 65'535U}) {
        for (const std::size_t value_size : {0U, 1U, 33'000U, (1U << 20) - 5, 1U << 20, (1U << 20) + 1, 3'000'000U}) {
            make(key_size, value_size);
            const log::walk_end end = walk(image.bytes, extent, found);
            BOOST_REQUIRE_EQUAL(found.size(), 1U);
            BOOST_TEST(same(found[0], wanted));
            BOOST_TEST((end.why == reason::full));
            BOOST_TEST(end.offset == wanted.offset + wanted.size);
        }
    }
}

BOOST_AUTO_TEST_CASE(each_part_is_under_the_checksum)
{
    make(300, 40'000);
    for (std::uint64_t at = wanted.offset; at < wanted.offset + wanted.size;
         at += at < wanted.offset + 400 ? 1 : 97) {
        std::string bad = image.bytes;
        bad[at] = static_cast<char>(bad[at] ^ 4);
        const log::walk_end end = walk(bad, extent, found);
        BOOST_REQUIRE_MESSAGE(found.empty(), "byte " << at);
        BOOST_TEST((end.why == reason::invalid));
    }
    for (const std::uint64_t size : {place + 64, place + 70, place + 400, place + 20'000}) {
        static_cast<void>(walk(image.bytes.substr(0, size), extent, found));
        BOOST_TEST(found.empty());
    }
}

BOOST_AUTO_TEST_CASE(nothing_yet_and_an_end_mark)
{
    make(3, 40'000);
    std::string blank = image.bytes;
    blank.replace(wanted.offset, wanted.size, wanted.size, '\0');
    BOOST_TEST((walk(blank, extent, found).why == reason::blank));
    BOOST_TEST(found.empty());
    image.end(extent, wanted.offset);
    BOOST_TEST((walk(image.bytes, extent, found).why == reason::invalid));
    BOOST_TEST(found.empty());
}

BOOST_AUTO_TEST_CASE(extents_are_found_run_by_run)
{
    constexpr std::uint64_t unit = format::unit_size;
    log_image many(place + 3'000 * unit);
    chance source(setting("KVDB_TEST_SEED", 1));
    std::vector<std::uint64_t> wanted_offsets;
    for (std::uint64_t number = 0; number < 3'000;) {
        const std::uint64_t at = place + number * unit;
        const std::uint64_t units =
            std::min<std::uint64_t>(1 + source.below(source.below(9) == 0 ? 250 : 12), 3'000 - number);
        switch (source.below(4)) {
            case 0: break;  // free and blank
            case 1:         // free, full of something
                std::memset(many.at(at), 0x5a, units * unit);
                break;
            default:
                // A whole header within another extent is part of its content.
                many.begin_extent(at, static_cast<std::uint32_t>(units));
                wanted_offsets.push_back(at);
                if (units > 2) {
                    many.begin_extent(at + unit, 1);
                }
        }
        number += units;
    }
    const io::file file = open(many.bytes);
    const auto all = log::find_extents(file, log_image::identity(), many.bytes.size());
    BOOST_REQUIRE_EQUAL(all.size(), wanted_offsets.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        BOOST_TEST(all[i].offset == wanted_offsets[i]);
    }
    // A run that would end behind the limit is none; what it covers is looked at unit by unit.
    const log::found_extent& last = all.back();
    const auto fewer = log::find_extents(file, log_image::identity(), last.end() - unit);
    BOOST_TEST(fewer.size() >= all.size() - 1);
    for (const log::found_extent& each : fewer) {
        BOOST_TEST(each.offset != last.offset);
    }
    BOOST_TEST(log::find_extents(file, log_image::identity(), place).empty());
    BOOST_TEST(log::find_extents(file, log_image::identity(), 0).empty());
}

BOOST_AUTO_TEST_CASE(headers_that_cannot_be)
{
    const auto count = [&](auto&& edit) {
        log_image one(place + 4 * format::unit_size);
        format::extent_header header = one.begin_extent(place, 4).header;
        edit(header);
        header.checksum = format::extent_checksum(header, log_image::identity().seed, place);
        std::memcpy(one.at(place), &header, sizeof header);
        return log::find_extents(open(one.bytes), log_image::identity(), one.bytes.size()).size();
    };
    BOOST_TEST(count([](format::extent_header&) {}) == 1U);
    BOOST_TEST(count([](format::extent_header& header) { header.kind = 0; }) == 0U);
    BOOST_TEST(count([](format::extent_header& header) { header.kind = 5; }) == 0U);
    BOOST_TEST(count([](format::extent_header& header) { header.shard = 4; }) == 0U);
    BOOST_TEST(count([](format::extent_header& header) { header.units = 0; }) == 0U);
    BOOST_TEST(count([](format::extent_header& header) { header.units = 5; }) == 0U);
    BOOST_TEST(count([](format::extent_header& header) { header.units = ~0U; }) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
