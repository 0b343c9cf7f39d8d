// SPDX-License-Identifier: BSL-1.0
// How a shard's index makes room, with hashes chosen so that each way is taken.
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "index/lookup.hpp"
#include "shard_store.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct structure_fixture : shard_fixture {
    raw_store store{path};

    structure_fixture()
    {
        test_crash_hook = [](const char* point) { ++passed[point]; };
    }
    void expect_all() const
    {
        BOOST_TEST(store.shard(0).entries == content.size());
        for (const auto& [key, value] : content) {
            BOOST_REQUIRE(get(store, key) == value);
        }
        BOOST_TEST(!get(store, key_with_hash(0x77, "absent")).has_value());
    }
    [[nodiscard]] std::uint32_t depth() const { return index::directory_view(store.shard(0).directory).depth; }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(structure, structure_fixture)

BOOST_AUTO_TEST_CASE(an_empty_shard)
{
    BOOST_TEST(!get(store, "nothing here").has_value());
    BOOST_TEST(!erase(store, "nothing here"));
    BOOST_TEST(store.shard(0).directory == 0U);
    expect_whole_database(store, content);
}

BOOST_AUTO_TEST_CASE(random_hashes_split_and_double)
{
    chance source(setting("KVDB_TEST_SEED", 1));
    for (int i = 0; i < 6'000; ++i) {
        put(store, key_with_hash(source.next()), "value " + std::to_string(i));
        if (i % 1'000 == 0) {
            expect_all();
        }
    }
    expect_all();
    for (const char* point : {"create-index.armed", "move.armed", "split.armed", "double.armed", "accept-log.armed",
                              "accept-index.armed"}) {
        BOOST_TEST(passed[point] > 0, point);
    }
    BOOST_TEST(passed["overflow.armed"] == 0);
    BOOST_TEST(store.shard(0).segments == static_cast<std::uint64_t>(passed["split.armed"]) + 1);
    BOOST_TEST(depth() >= 4U);
    expect_whole_database(store, content);
}

BOOST_AUTO_TEST_CASE(tags_that_begin_alike_make_a_deep_directory)
{
    // The top 12 bits of all tags are equal: a dozen splits part nothing, until the others tell them apart.
    chance source(2);
    for (int i = 0; i < 1'200; ++i) {
        put(store, key_with_hash(make_hash((0xabcULL << 10) | source.below(1'024), source.below(64))), "deep");
    }
    BOOST_TEST(depth() > 12U);
    BOOST_TEST(passed["double.armed"] > 12);
    expect_all();
    expect_whole_database(store, content);
}

BOOST_AUTO_TEST_CASE(two_full_buckets_move_entries_of_others)
{
    // Home 0 and its partner by tag 0 (bucket 1) fill up with entries that have another place to go.
    for (std::uint64_t i = 0; i < 8; ++i) {
        put(store, key_with_hash(make_hash(2 * i + 2, 0)), "first");
        put(store, key_with_hash(make_hash(2 * i + 2, 1)), "second");
    }
    BOOST_TEST(passed["move.armed"] == 0);
    for (std::uint64_t i = 0; i < 8; ++i) {
        put(store, key_with_hash(make_hash(0, 0), std::to_string(i)), "third");
        expect_all();
    }
    BOOST_TEST(passed["move.armed"] >= 8);
    BOOST_TEST(passed["split.armed"] == 0);
    expect_whole_database(store, content);
}

BOOST_AUTO_TEST_CASE(one_hash_overflows_and_never_splits)
{
    for (int i = 0; i < 100; ++i) {
        put(store, key_with_hash(0x1234567, std::to_string(i)), std::to_string(i));
    }
    BOOST_TEST(passed["split.armed"] == 0);
    BOOST_TEST(passed["overflow.armed"] == 12);  // 16 places in buckets, then blocks of 7
    expect_all();
    for (int i = 0; i < 100; i += 2) {
        const std::string key = key_with_hash(0x1234567, std::to_string(i));
        BOOST_TEST(erase(store, key));
        content.erase(key);
    }
    expect_all();
    for (int i = 100; i < 150; ++i) {  // in the places of those that went
        put(store, key_with_hash(0x1234567, std::to_string(i)), std::to_string(i));
    }
    BOOST_TEST(passed["overflow.armed"] == 12);
    expect_all();
    expect_whole_database(store, content);
}

BOOST_AUTO_TEST_CASE(a_split_takes_the_chain_along)
{
    // Two crowds in one segment, which a split parts, among entries enough to make it worth it.
    for (int i = 0; i < 40; ++i) {
        put(store, key_with_hash(make_hash(0x000000, 3), std::to_string(i)), "low");
        put(store, key_with_hash(make_hash(0x200000, 3), std::to_string(i)), "high");
    }
    BOOST_TEST(passed["overflow.armed"] > 0);
    const int before = passed["split.armed"];
    chance source(4);
    while (passed["split.armed"] < before + 3) {
        put(store, key_with_hash(make_hash(source.below(1 << 22), source.below(64))), "other");
    }
    expect_all();
    expect_whole_database(store, content);
}

BOOST_AUTO_TEST_CASE(a_frozen_segment_is_used_again)
{
    chance source(5);
    std::uint64_t frozen = 0;
    int reused = 0;
    while (passed["split.armed"] < 20) {
        const int before = passed["split.armed"];
        put(store, key_with_hash(source.next()), "x");
        if (passed["split.armed"] != before) {
            const index::directory_view directory(store.shard(0).directory);
            for (std::uint64_t i = 0; frozen != 0 && i < (1U << directory.depth); ++i) {
                const auto entry = store.memory.at<std::uint64_t>(directory.offset + 8 * i);
                if (index::segment_of_entry(entry) == frozen) {
                    ++reused;
                    break;
                }
            }
            frozen = store.shard(0).free_segment;
            BOOST_TEST(frozen != 0U);
        }
    }
    BOOST_TEST(reused > 10);
    expect_all();
}

BOOST_AUTO_TEST_CASE(the_shape_moves_with_moves_splits_and_emptied_extents_alone)
{
    chance source(6);
    std::uint64_t shape = store.shard(0).shape;
    for (int i = 0; i < 6'000; ++i) {
        const auto moved = [&] {
            return passed["move.armed"] + passed["split.armed"] + passed["clean-finish.armed"];
        };
        const int before = moved();
        const std::string key = key_with_hash(source.below(3'000) * 0x9e3779b97f4a7c15ULL);
        if (source.below(3) == 0) {
            erase(store, key);
            content.erase(key);
        } else {
            put(store, key, std::to_string(i));
        }
        const int changes = moved() - before;
        BOOST_REQUIRE_EQUAL(store.shard(0).shape, shape + static_cast<std::uint64_t>(changes));
        shape = store.shard(0).shape;
    }
    BOOST_TEST(passed["move.armed"] > 0);
    BOOST_TEST(passed["split.armed"] > 0);
    expect_all();
    expect_whole_database(store, content);
}

BOOST_AUTO_TEST_CASE(a_run_that_waits_behind_a_full_extent_is_no_damage)
{
    for (std::uint64_t i = 0; i < 500; ++i) {
        put(store, key_with_hash(i * 0x9e3779b97f4a7c15ULL), "value");
    }
    format::shard_block& mine = store.shard(0);
    mine.index_tail = mine.index_end;  // as after a split that took the rest
    store.allocator.supply(0, format::extent_kind::index, 9, 0);
    const std::uint64_t run = extents::allocator::offset_of(mine.incoming_index);
    BOOST_REQUIRE(mine.incoming_index != mine.accepted_index);
    BOOST_REQUIRE_EQUAL(run, mine.index_end);
    expect_whole_database(store, content);
    for (std::uint64_t i = 500; i < 1'500; ++i) {
        put(store, key_with_hash(i * 0x9e3779b97f4a7c15ULL), "value");
    }
    BOOST_TEST(mine.incoming_index == mine.accepted_index);
    expect_all();
    expect_whole_database(store, content);
}

BOOST_AUTO_TEST_SUITE_END()
