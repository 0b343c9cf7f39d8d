// SPDX-License-Identifier: BSL-1.0
// for_each: everything once, no lock held, writers may come and go.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr std::uint64_t steady = 5'000;

/// Adds, overwrites and removes keys behind the steady ones, so that segments split and slots move.
void disturb(database& db, const std::atomic<bool>& stop, std::uint64_t seed)
{
    chance source(seed);
    for (std::uint64_t fresh = seed * 1'000'000; !stop; ++fresh) {
        db.set(numbered_key(fresh), "passing");
        const std::uint64_t number = source.below(steady);
        db.set(numbered_key(number), telling_value(number, source.below(1'000'000)));
        if (source.below(3) != 0) {
            db.erase(numbered_key(fresh));
        }
    }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(walk, store_fixture)

BOOST_AUTO_TEST_CASE(nothing_in_an_empty_database)
{
    const auto db = open();
    db.for_each([](std::string_view, std::string_view) { BOOST_ERROR("visited"); });
}

BOOST_AUTO_TEST_CASE(every_entry_exactly_once)
{
    auto db = open();
    contents model;
    for (std::uint64_t i = 0; i < 7'000; ++i) {
        const std::size_t size = i % 1000 == 0 ? 50'000 : i % 200;
        model[numbered_key(i)] = bytes_of(size, i);
        db.set(numbered_key(i), model[numbered_key(i)]);
        if (i % 5 == 0) {
            model.erase(numbered_key(i / 2));
            db.erase(numbered_key(i / 2));
        }
    }
    BOOST_CHECK(contents_of(db) == model);
}

BOOST_AUTO_TEST_CASE(false_ends_it)
{
    auto db = open();
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        db.set(numbered_key(i), "v");
    }
    for (const int wanted : {1, 2, 500, 1'000}) {
        int visited = 0;
        db.for_each([&](std::string_view, std::string_view) { return ++visited < wanted; });
        BOOST_TEST(visited == wanted);
    }
}

BOOST_AUTO_TEST_CASE(an_exception_of_the_visitor_passes_through)
{
    auto db = open();
    db.set("a", "1");
    BOOST_CHECK_THROW(db.for_each([](std::string_view, std::string_view) { throw std::logic_error("mine"); }),
                      std::logic_error);
    db.set("a", "2");
    BOOST_CHECK(db.get("a") == "2");
}

BOOST_AUTO_TEST_CASE(the_visitor_may_use_the_handle)
{
    auto db = open(with_shards(4));
    for (std::uint64_t i = 0; i < 2'000; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
    std::uint64_t visited = 0;
    db.for_each([&](std::string_view key, std::string_view value) {
        if (value == "new") {
            return;
        }
        ++visited;
        BOOST_REQUIRE(db.get(key) == value);
        const std::string copy(value);
        db.set(key, copy + "!");
        db.set("new-" + std::string(key), "new");
        BOOST_REQUIRE(value == copy);  // the view is the visitor's own
        BOOST_REQUIRE(db.size() >= 2'000U);
        if (visited % 500 == 0) {
            std::uint64_t inner = 0;
            db.for_each([&](std::string_view, std::string_view) { return ++inner < 10; });
            BOOST_TEST(inner == 10U);
        }
    });
    BOOST_TEST(visited == 2'000U);
    BOOST_TEST(db.size() == 4'000U);
    BOOST_CHECK(db.get(numbered_key(7)) == telling_value(7, 1) + "!");
}

BOOST_AUTO_TEST_CASE(the_visitor_may_erase_what_it_sees)
{
    auto db = open();
    for (std::uint64_t i = 0; i < 3'000; ++i) {
        db.set(numbered_key(i), "v");
    }
    std::uint64_t visited = 0;
    db.for_each([&](std::string_view key, std::string_view) {
        ++visited;
        BOOST_REQUIRE(db.erase(std::string(key)));
    });
    BOOST_TEST(visited == 3'000U);
    BOOST_TEST(db.size() == 0U);
}

BOOST_AUTO_TEST_CASE(keys_there_all_along_are_seen_once_while_others_write)
{
    for (const std::uint32_t shards : {1U, 16U}) {
        auto db = database::open(folder / ("walk" + std::to_string(shards)).c_str(), with_shards(shards));
        for (std::uint64_t i = 0; i < steady; ++i) {
            db.set(numbered_key(i), telling_value(i, 0));
        }
        std::atomic<bool> stop = false;
        std::vector<std::thread> writers;
        for (std::uint64_t seed = 1; seed <= 2; ++seed) {
            writers.emplace_back([&, seed] { disturb(db, stop, seed); });
        }
        std::uint64_t wrong = 0;
        for (int round = 0; round < 30; ++round) {
            std::vector<int> seen(steady, 0);
            db.for_each([&](std::string_view key, std::string_view value) {
                const std::uint64_t number = std::stoull(std::string(key.substr(4)));
                if (number < steady) {
                    ++seen[number];
                    wrong += told_version(number, value) ? 0U : 1U;
                }
            });
            for (const int times : seen) {
                wrong += times == 1 ? 0U : 1U;
            }
        }
        stop = true;
        for (std::thread& writer : writers) {
            writer.join();
        }
        BOOST_TEST(wrong == 0U);
        expect_whole(db);
    }
}

BOOST_AUTO_TEST_SUITE_END()
