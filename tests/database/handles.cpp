// SPDX-License-Identifier: BSL-1.0
// Handles: moved, doubled, and used by many threads.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

BOOST_FIXTURE_TEST_SUITE(handles, store_fixture)

BOOST_AUTO_TEST_CASE(moving)
{
    static_assert(!std::is_copy_constructible_v<database> && !std::is_copy_assignable_v<database>);
    static_assert(std::is_nothrow_move_constructible_v<database> && std::is_nothrow_move_assignable_v<database>);
    auto first = open();
    first.set("k", "v");
    database second(std::move(first));
    BOOST_TEST(!first.is_open());  // NOLINT(bugprone-use-after-move): moved-from is closed
    BOOST_CHECK(second.get("k") == "v");
    auto elsewhere = database::open(folder / "elsewhere.kvdb");
    elsewhere.set("k", "other");
    elsewhere = std::move(second);  // closes what it held
    BOOST_CHECK(elsewhere.get("k") == "v");
    expect_whole_file(folder / "elsewhere.kvdb");
    std::vector<database> many;
    many.push_back(std::move(elsewhere));
    many.emplace_back();
    many.insert(many.begin(), database());
    BOOST_CHECK(many[1].get("k") == "v");
}

BOOST_AUTO_TEST_CASE(two_handles_on_one_file_in_one_process)
{
    auto one = open();
    auto two = open();
    one.set("a", "1");
    two.set("b", "2");
    BOOST_CHECK(two.get("a") == "1");
    BOOST_CHECK(one.get("b") == "2");
    BOOST_TEST(one.stats().writers.size() == 2U);
    one.close();
    BOOST_TEST(two.stats().writers.size() == 1U);
    for (std::uint64_t i = 0; i < 5'000; ++i) {  // the one that stays goes on, growth included
        two.set(numbered_key(i), telling_value(i, 1));
    }
    auto three = open();
    BOOST_TEST(three.size() == 5'002U);
    two.close();
    three.set("c", "3");
    BOOST_CHECK(three.get("a") == "1");
    const auto reader = open(with_mode(open_mode::read_only));
    three.close();
    BOOST_CHECK(reader.get("c") == "3");
}

BOOST_AUTO_TEST_CASE(two_handles_write_the_same_shard_in_turn)
{
    auto one = open(with_shards(1));
    auto two = open();
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        (i % 2 == 0 ? one : two).set(numbered_key(i % 700), telling_value(i % 700, i));
    }
    for (std::uint64_t i = 19'300; i < 20'000; ++i) {
        BOOST_REQUIRE(told_version(i % 700, one.get(numbered_key(i % 700)).value()) == i);
    }
}

BOOST_AUTO_TEST_CASE(opened_and_closed_many_times)
{
    for (std::uint64_t i = 0; i < 300; ++i) {
        auto db = open();
        BOOST_TEST(db.size() == i);
        db.set(numbered_key(i), "v");
    }
}

BOOST_AUTO_TEST_CASE(many_threads_on_one_handle)
{
    constexpr std::uint64_t each = 5'000;
    for (const std::uint32_t shards : {1U, 64U}) {
        const auto path = folder / ("threads" + std::to_string(shards)).c_str();
        auto db = database::open(path, with_shards(shards));
        std::atomic<std::uint64_t> wrong = 0;
        std::atomic<std::uint64_t> written = 0;
        const auto write = [&](std::uint64_t mine) {
            for (std::uint64_t i = mine * each; i < (mine + 1) * each; ++i) {
                db.set(numbered_key(i), telling_value(i, 1, 16 + i % 400));
                wrong += db.get(numbered_key(i)) == telling_value(i, 1, 16 + i % 400) ? 0U : 1U;
                if (i % 4 == 0) {
                    wrong += db.erase(numbered_key(i)) ? 0U : 1U;
                }
                db.set("contended", telling_value(1'000'000, i));
                ++written;
            }
        };
        const auto read = [&](std::uint64_t seed) {
            chance source(seed);
            std::string value;
            while (written < 4 * each) {
                const std::uint64_t i = source.below(4 * each);
                wrong += db.get(numbered_key(i), value) && !told_version(i, value) ? 1U : 0U;
                wrong += db.get("contended", value) && !told_version(1'000'000, value) ? 1U : 0U;
            }
        };
        std::vector<std::thread> threads;
        for (std::uint64_t i = 0; i < 4; ++i) {
            threads.emplace_back(write, i);
        }
        threads.emplace_back(read, 7);
        threads.emplace_back(read, 8);
        for (std::thread& thread : threads) {
            thread.join();
        }
        BOOST_TEST(wrong == 0U);
        BOOST_TEST(db.size() == 3 * each + 1);
        expect_whole(db);
        db.close();
        expect_whole_file(path);
    }
}

BOOST_AUTO_TEST_CASE(threads_that_open_and_close_for_themselves)
{
    std::atomic<std::uint64_t> wrong = 0;
    std::vector<std::thread> threads;
    for (std::uint64_t mine = 0; mine < 4; ++mine) {
        threads.emplace_back([&, mine] {
            try {
                for (std::uint64_t round = 0; round < 50; ++round) {
                    auto db = open();
                    const std::uint64_t key = mine * 1'000 + round;
                    db.set(numbered_key(key), telling_value(key, 1));
                    for (std::uint64_t before = 0; before <= round; ++before) {
                        wrong += db.contains(numbered_key(mine * 1'000 + before)) ? 0U : 1U;
                    }
                }
            } catch (const error& caught) {
                ++wrong;
                std::fprintf(stderr, "thread: %s\n", caught.what());
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    BOOST_TEST(wrong == 0U);
    BOOST_TEST(open().size() == 200U);
}

BOOST_AUTO_TEST_SUITE_END()
