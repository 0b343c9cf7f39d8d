// SPDX-License-Identifier: BSL-1.0
#include "format/index.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <set>

#include "support/values.hpp"

namespace format = kvdb::format;

BOOST_AUTO_TEST_SUITE(index_words)

BOOST_AUTO_TEST_CASE(partners_are_each_other_and_never_the_same)
{
    for (std::uint32_t bucket = 0; bucket < format::buckets_per_segment; ++bucket) {
        for (std::uint64_t tag = 0; tag < 4096; ++tag) {
            const std::uint32_t partner = format::partner_of(bucket, tag);
            BOOST_REQUIRE_NE(partner, bucket);
            BOOST_REQUIRE_LT(partner, format::buckets_per_segment);
            BOOST_REQUIRE_EQUAL(format::partner_of(partner, tag), bucket);
        }
    }
    BOOST_TEST(format::partner_of(5, format::tag_mask) < format::buckets_per_segment);
}

BOOST_AUTO_TEST_CASE(a_slot_gives_back_what_was_packed)
{
    kvdb::testing::chance source(1);
    for (int round = 0; round < 1000; ++round) {
        const std::uint64_t offset = source.below(format::max_file_size) & ~std::uint64_t{3};
        const std::uint64_t tag = source.next() & format::tag_mask;
        const std::uint64_t slot = format::make_slot(offset, tag);
        BOOST_REQUIRE_EQUAL(format::slot_offset(slot), offset);
        BOOST_REQUIRE_EQUAL(format::slot_tag(slot), tag);
        BOOST_REQUIRE_EQUAL(slot & (format::slot_mark | format::slot_displaced), 0U);
        const std::uint64_t marked = slot | format::slot_mark | format::slot_displaced;
        BOOST_REQUIRE_EQUAL(format::slot_offset(marked), offset);
        BOOST_REQUIRE_EQUAL(format::slot_tag(marked), tag);
    }
    BOOST_TEST(format::slot_offset(format::make_slot(format::max_file_size - 4, 0)) == format::max_file_size - 4);
}

BOOST_AUTO_TEST_CASE(the_bits_of_a_hash_are_shared_out)
{
    BOOST_TEST(format::shard_of(~std::uint64_t{0}, 0) == 0U);
    BOOST_TEST(format::shard_of(~std::uint64_t{0}, 8) == 255U);
    BOOST_TEST(format::shard_of(std::uint64_t{1} << 63, 1) == 1U);
    // Each of the low 28 bits moves the home bucket or the tag; none of them the shard.
    for (unsigned bit = 0; bit < 64; ++bit) {
        const std::uint64_t hash = std::uint64_t{1} << bit;
        BOOST_TEST((format::home_of(hash) != 0) == (bit < 6));
        BOOST_TEST((format::tag_of(hash) != 0) == (bit >= 6 && bit < 28));
        BOOST_TEST((format::shard_of(hash, 8) != 0) == (bit >= 56));
    }
}

BOOST_AUTO_TEST_CASE(the_masks_do_not_overlap)
{
    const std::uint64_t tag_field = format::tag_mask << format::position_bits;
    BOOST_TEST((format::position_mask & tag_field) == 0U);
    BOOST_TEST((format::position_mask ^ tag_field ^ format::slot_displaced ^ format::slot_mark) == ~std::uint64_t{0});
    BOOST_TEST(((format::position_mask + 1) << 2) == format::max_file_size);
    BOOST_TEST((1U << format::bucket_bits) == format::buckets_per_segment);
}

BOOST_AUTO_TEST_SUITE_END()
