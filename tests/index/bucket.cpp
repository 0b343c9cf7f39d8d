// SPDX-License-Identifier: BSL-1.0
// The two ways to look for a tag in a bucket say the same of every bucket.
#include "index/bucket.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>

#include "support/scratch.hpp"
#include "support/values.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct alignas(64) lone_bucket : format::bucket {};

/// Few tags, so that many slots match; empty slots, marks and displaced entries among them.
std::uint64_t random_slot(chance& source, std::uint64_t tags)
{
    std::uint64_t slot = source.below(tags) << format::position_bits;
    if (source.below(4) != 0) {
        slot |= source.next() & format::position_mask;
    }
    slot |= source.below(3) == 0 ? format::slot_displaced : 0;
    slot |= source.below(3) == 0 ? format::slot_mark : 0;
    return slot;
}

/// By the words of the format's description.
bool equal(std::uint64_t slot, std::uint64_t tag, bool displaced)
{
    return ((slot >> 40) & 0x3fffffU) == tag && ((slot >> 62) & 1U) == (displaced ? 1U : 0U);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bucket)

BOOST_AUTO_TEST_CASE(both_ways_agree_with_the_format)
{
    chance source(setting("KVDB_TEST_SEED", 1));
#ifndef KVDB_BUCKET_SSE
    BOOST_TEST_MESSAGE("no vector instructions here: the portable way alone");
#endif
    for (int round = 0; round < 100'000; ++round) {
        lone_bucket one{};
        const std::uint64_t tags = round % 3 == 0 ? format::tag_mask + 1 : 3;
        for (std::uint64_t& slot : one.slots) {
            slot = round % 7 == 0 ? source.next() : random_slot(source, tags);
        }
        const std::uint64_t tag = round % 2 == 0 ? format::slot_tag(one.slots[source.below(8)]) : source.below(tags);
        for (const bool displaced : {false, true}) {
            std::uint32_t wanted = 0;
            for (std::uint32_t i = 0; i < format::slots_per_bucket; ++i) {
                wanted |= (equal(one.slots[i], tag, displaced) ? 1U : 0U) << i;
            }
            const std::uint64_t pattern = index::pattern_of(tag, displaced);
            BOOST_REQUIRE_EQUAL(index::match_portable(one, pattern), wanted);
#ifdef KVDB_BUCKET_SSE
            BOOST_REQUIRE_EQUAL(index::match_sse(one, pattern), wanted);
#endif
            BOOST_REQUIRE_EQUAL(index::match(one, pattern), wanted);
        }
    }
}

BOOST_AUTO_TEST_CASE(both_buckets_at_once_say_what_each_says)
{
    chance source(setting("KVDB_TEST_SEED", 1));
    for (int round = 0; round < 100'000; ++round) {
        lone_bucket home{};
        lone_bucket partner{};
        for (std::uint32_t i = 0; i < format::slots_per_bucket; ++i) {
            home.slots[i] = random_slot(source, 3);
            partner.slots[i] = random_slot(source, 3);
        }
        const std::uint64_t tag = source.below(3);
        const std::uint32_t wanted = index::match_portable(home, index::pattern_of(tag, false)) |
                                     index::match_portable(partner, index::pattern_of(tag, true)) << 8;
        BOOST_REQUIRE_EQUAL(index::match_both(home, partner, tag), wanted);
    }
}

BOOST_AUTO_TEST_CASE(each_bit_that_counts_is_compared)
{
    for (std::uint32_t i = 0; i < format::slots_per_bucket; ++i) {
        for (unsigned bit = 0; bit < 64; ++bit) {
            lone_bucket one{};
            one.slots[i] = std::uint64_t{1} << bit;
            const bool counts = bit >= 40 && bit != 63;
            const std::uint32_t wanted = counts ? 0xffU & ~(1U << i) : 0xffU;
            BOOST_TEST(index::match_portable(one, 0) == wanted);
            BOOST_TEST(index::match(one, 0) == wanted);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
