// SPDX-License-Identifier: BSL-1.0
// Filling a segment: how full it gets, that nothing in it is ever lost, and that building one aside gives the same.
#include "index/placement.hpp"

#include "index/lookup.hpp"
#include "index/segment_builder.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "index/lone_file.hpp"
#include "support/values.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr std::uint64_t slots = format::buckets_per_segment * format::slots_per_bucket;
constexpr std::uint64_t segment_at = 4'096;

/// Carries plans out as a writer does: mark, new place, old place. False if the segment is full for this hash.
bool insert(format::segment& segment, std::uint64_t hash, std::uint64_t offset)
{
    const std::uint64_t tag = format::tag_of(hash);
    for (;;) {
        const index::placement where = index::plan(segment, format::home_of(hash), tag);
        if (where.what == index::placement::kind::full) {
            return false;
        }
        if (where.marks_home) {
            segment.buckets[where.home].slots[format::displaced_mark_slot] |= format::slot_mark;
        }
        std::uint64_t& at = segment.buckets[where.at.bucket].slots[where.at.slot];
        const std::uint64_t flag = where.displaced ? format::slot_displaced : 0;
        if (where.what == index::placement::kind::place) {
            at = (at & format::slot_mark) | format::make_slot(offset, tag) | flag;
            return true;
        }
        std::uint64_t& to = segment.buckets[where.to.bucket].slots[where.to.slot];
        BOOST_REQUIRE((to & format::position_mask) == 0);
        BOOST_REQUIRE((at & format::position_mask) != 0);
        to = (to & format::slot_mark) | (at & ~(format::slot_mark | format::slot_displaced)) | flag;
        at &= format::slot_mark;
    }
}

struct segment_fixture : lone_file {
    std::vector<std::uint64_t> hashes;

    segment_fixture() : lone_file(64 * 1'024) {}

    [[nodiscard]] bool finds(std::uint64_t number)
    {
        index::found_slot slot;
        const auto matches = [&](std::uint64_t offset) {
            return offset == record_offset(number) ? index::outcome::found : index::outcome::absent;
        };
        auto same = matches;
        return index::find_in_segment(memory, segment(segment_at), hashes[number], same, slot) ==
                   index::outcome::found &&
               format::slot_offset(slot.word) == record_offset(number) &&
               memory.at<std::uint64_t>(slot.slot_offset) == slot.word;
    }
    void expect_all(std::uint64_t count)
    {
        for (std::uint64_t i = 0; i < count; ++i) {
            BOOST_REQUIRE_MESSAGE(finds(i), "entry " << i << " of " << count);
        }
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(placement, segment_fixture)

BOOST_AUTO_TEST_CASE(a_segment_fills_to_nine_tenths)
{
    chance source(setting("KVDB_TEST_SEED", 1));
    double sum = 0;
    double least = 1;
    constexpr int rounds = 300;
    for (int round = 0; round < rounds; ++round) {
        segment(segment_at) = {};
        hashes.clear();
        for (;;) {
            hashes.push_back(source.next());
            if (!insert(segment(segment_at), hashes.back(), record_offset(hashes.size() - 1))) {
                break;
            }
            if (round < 3) {
                expect_all(hashes.size());
            }
        }
        const std::uint64_t count = hashes.size() - 1;
        BOOST_TEST(index::count_entries(segment(segment_at)) == count);
        expect_all(count);
        BOOST_TEST(!finds(count));
        const double load = static_cast<double>(count) / slots;
        sum += load;
        least = std::min(least, load);
    }
    BOOST_TEST_MESSAGE("load at the first failure: mean " << sum / rounds << ", least " << least);
    BOOST_TEST(sum / rounds > 0.9);
    BOOST_TEST(least > 0.8);
}

BOOST_AUTO_TEST_CASE(coming_and_going)
{
    chance source(setting("KVDB_TEST_SEED", 2));
    std::vector<bool> there;
    for (int round = 0; round < 4'000; ++round) {
        if (source.below(5) < 3) {
            hashes.push_back(source.next());
            there.push_back(insert(segment(segment_at), hashes.back(), record_offset(hashes.size() - 1)));
        } else {
            // An erase empties the slot and leaves the mark.
            const std::uint64_t position = record_offset(source.below(hashes.size() + 1)) >> 2;
            for (format::bucket& bucket : segment(segment_at).buckets) {
                for (std::uint64_t& slot : bucket.slots) {
                    if ((slot & format::position_mask) == position) {
                        slot &= format::slot_mark;
                        there[position - 1] = false;
                    }
                }
            }
        }
        if (round % 50 == 0) {
            for (std::uint64_t i = 0; i < hashes.size(); ++i) {
                BOOST_REQUIRE_EQUAL(finds(i), there[i]);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_plan_changes_nothing)
{
    chance source(3);
    while (insert(segment(segment_at), source.next(), 4)) {
    }
    const format::segment before = segment(segment_at);
    for (int i = 0; i < 1'000; ++i) {
        static_cast<void>(index::plan(segment(segment_at), static_cast<std::uint32_t>(source.below(64)),
                                      source.next() & format::tag_mask));
    }
    BOOST_TEST(std::memcmp(&before, &segment(segment_at), sizeof before) == 0);
}

BOOST_AUTO_TEST_CASE(a_segment_built_aside_is_the_same)
{
    constexpr std::uint64_t built_at = 16'384;
    constexpr std::uint64_t overflow_at = 32'768;
    chance source(setting("KVDB_TEST_SEED", 4));
    for (int round = 0; round < 200; ++round) {
        std::memset(memory.base() + segment_at, 0, 60 * 1'024);
        hashes.clear();
        index::segment_builder builder;
        const std::uint64_t count = source.below(slots * 9 / 10);
        std::uint64_t refused = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t crowd = round % 4 == 0 ? ~std::uint64_t{0x3e} : ~std::uint64_t{0};
            hashes.push_back(source.next() & crowd);
            builder.insert(format::home_of(hashes.back()), format::tag_of(hashes.back()), record_offset(i));
            if (!insert(segment(segment_at), hashes.back(), record_offset(i))) {
                ++refused;
                segment(segment_at).buckets[format::home_of(hashes.back())].slots[format::overflow_mark_slot] |=
                    format::slot_mark;
            }
        }
        BOOST_TEST(builder.overflow_bytes() == (refused + 6) / 7 * sizeof(format::overflow_block));
        builder.write(memory, built_at, overflow_at);
        segment(segment_at).overflow = segment(built_at).overflow;
        BOOST_REQUIRE(std::memcmp(&segment(segment_at), &segment(built_at), sizeof(format::segment)) == 0);
        BOOST_TEST(index::count_entries(segment(built_at)) == count - refused);
        expect_all(count);  // those in the chain too
    }
}

BOOST_AUTO_TEST_SUITE_END()
