// SPDX-License-Identifier: BSL-1.0
// What every key-value store does.
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>

#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

BOOST_FIXTURE_TEST_SUITE(basic, store_fixture)

BOOST_AUTO_TEST_CASE(set_get_overwrite_erase_reinsert)
{
    auto db = open();
    BOOST_TEST(db.size() == 0U);
    BOOST_CHECK(!db.get("a"));
    BOOST_TEST(!db.contains("a"));
    BOOST_TEST(!db.erase("a"));

    db.set("a", "one");
    BOOST_CHECK(db.get("a") == "one");
    BOOST_TEST(db.contains("a"));
    db.set("a", "two, which is longer");
    BOOST_CHECK(db.get("a") == "two, which is longer");
    db.set("a", "");
    BOOST_CHECK(db.get("a") == "");
    BOOST_TEST(db.contains("a"));
    BOOST_TEST(db.size() == 1U);

    BOOST_TEST(db.erase("a"));
    BOOST_TEST(!db.erase("a"));
    BOOST_CHECK(!db.get("a"));
    BOOST_TEST(!db.contains("a"));
    BOOST_TEST(db.size() == 0U);

    db.set("a", "again");
    BOOST_CHECK(db.get("a") == "again");
    BOOST_TEST(db.size() == 1U);
}

BOOST_AUTO_TEST_CASE(get_into_a_string_of_ones_own)
{
    auto db = open();
    db.set("short", "s");
    db.set("long", std::string(10'000, 'l'));
    std::string value = "untouched";
    BOOST_TEST(!db.get("absent", value));
    BOOST_TEST(value == "untouched");
    BOOST_TEST(db.get("long", value));
    BOOST_TEST(value == std::string(10'000, 'l'));
    const std::size_t room = value.capacity();
    BOOST_TEST(db.get("short", value));
    BOOST_TEST(value == "s");
    BOOST_TEST(value.capacity() == room);
    BOOST_TEST(db.erase("short"));
    BOOST_TEST(!db.get("short", value));
    BOOST_TEST(value == "s");
}

BOOST_AUTO_TEST_CASE(any_bytes_in_keys_and_values)
{
    auto db = open();
    contents model;
    for (int first = 0; first < 256; ++first) {
        for (const int second : {-1, 0, 1, 10, 127, 128, 255}) {
            std::string key(1, static_cast<char>(first));
            if (second >= 0) {
                key += static_cast<char>(second);
            }
            model[key] = std::string("\0\xff", 2) + key + '\0';
            db.set(key, model[key]);
        }
    }
    db.set("", "the empty key");
    model[""] = "the empty key";
    BOOST_CHECK(contents_of(db) == model);
    BOOST_CHECK(db.get("") == "the empty key");
    BOOST_TEST(db.erase(""));
    BOOST_CHECK(!db.get(""));
}

BOOST_AUTO_TEST_CASE(keys_that_differ_in_their_last_byte_or_length_alone)
{
    auto db = open();
    std::string key(300, 'k');
    for (int last = 0; last < 256; ++last) {
        key.back() = static_cast<char>(last);
        db.set(key, std::to_string(last));
    }
    for (std::size_t length = 0; length < 300; ++length) {
        db.set(std::string(length, 'k'), "length " + std::to_string(length));
    }
    for (int last = 0; last < 256; ++last) {
        key.back() = static_cast<char>(last);
        BOOST_CHECK(db.get(key) == std::to_string(last));
    }
    for (std::size_t length = 0; length < 300; ++length) {
        BOOST_CHECK(db.get(std::string(length, 'k')) == "length " + std::to_string(length));
    }
    BOOST_TEST(db.size() == 556U);
}

BOOST_AUTO_TEST_CASE(thousands_of_keys_come_and_go)
{
    constexpr std::uint64_t count = 20'000;
    auto db = open();
    for (std::uint64_t i = 0; i < count; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
    BOOST_TEST(db.size() == count);
    for (std::uint64_t i = 0; i < count; i += 2) {
        db.set(numbered_key(i), telling_value(i, 2, 16 + i % 300));
    }
    for (std::uint64_t i = 0; i < count; i += 3) {
        BOOST_REQUIRE(db.erase(numbered_key(i)));
    }
    for (std::uint64_t i = 0; i < count; i += 9) {
        db.set(numbered_key(i), telling_value(i, 3));
    }
    const auto verify = [&](const database& store) {
        std::string value;
        for (std::uint64_t i = 0; i < count; ++i) {
            const bool found = store.get(numbered_key(i), value);
            BOOST_REQUIRE_EQUAL(found, i % 3 != 0 || i % 9 == 0);
            if (found) {
                const std::uint64_t version = i % 9 == 0 ? 3 : i % 2 == 0 ? 2 : 1;
                BOOST_REQUIRE(told_version(i, value) == version);
            }
        }
        for (std::uint64_t i = count; i < 2 * count; ++i) {
            BOOST_REQUIRE(!store.contains(numbered_key(i)));
        }
    };
    verify(db);
    db.close();
    verify(open(with_mode(open_mode::read_only)));
    options suspicious;
    suspicious.distrust = true;
    verify(open(suspicious));
}

BOOST_AUTO_TEST_CASE(one_key_overwritten_ten_thousand_times)
{
    auto db = open(with_shards(1));
    for (std::uint64_t version = 0; version < 10'000; ++version) {
        db.set("key", telling_value(0, version, 16 + version % 500));
    }
    BOOST_CHECK(told_version(0, db.get("key").value()) == 9'999U);
    BOOST_TEST(db.size() == 1U);
}

BOOST_AUTO_TEST_CASE(one_key_set_and_erased_over_and_over)
{
    auto db = open(with_shards(1));
    for (int round = 0; round < 5'000; ++round) {
        db.set("key", std::to_string(round));
        BOOST_REQUIRE(db.erase("key"));
        BOOST_REQUIRE(!db.contains("key"));
    }
    BOOST_TEST(db.size() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
