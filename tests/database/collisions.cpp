// SPDX-License-Identifier: BSL-1.0
// Keys whose hashes collide, wholly or in the bits that one layer of the index looks at.
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>

#include "base/hash.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct collision_fixture : store_fixture {
    collision_fixture() = default;
    collision_fixture(const collision_fixture&) = delete;
    collision_fixture& operator=(const collision_fixture&) = delete;
    ~collision_fixture() { test_key_hash = nullptr; }  // after the last check of the file
};

std::uint64_t real_hash(std::string_view key, std::uint64_t seed)
{
    return hash_bytes(key.data(), key.size(), seed);
}

void set_erase_and_reopen(const std::filesystem::path& path, std::uint64_t count)
{
    options how = with_shards(4);
    auto db = database::open(path, how);
    const auto verify = [&](const database& store, auto version) {
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t wanted = version(i);
            const auto value = store.get(numbered_key(i));
            BOOST_REQUIRE_EQUAL(value.has_value(), wanted != 0);
            BOOST_REQUIRE(!value || told_version(i, *value) == wanted);
        }
        BOOST_REQUIRE(!store.get(numbered_key(count)));
    };
    for (std::uint64_t i = 0; i < count; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
    BOOST_TEST(db.size() == count);
    verify(db, [](std::uint64_t) { return 1U; });
    for (std::uint64_t i = 0; i < count; i += 2) {
        db.set(numbered_key(i), telling_value(i, 2));
    }
    for (std::uint64_t i = 0; i < count; i += 3) {
        BOOST_REQUIRE(db.erase(numbered_key(i)));
    }
    for (std::uint64_t i = 0; i < count; i += 9) {
        db.set(numbered_key(i), telling_value(i, 3));
    }
    const auto version = [](std::uint64_t i) { return i % 9 == 0 ? 3U : i % 3 == 0 ? 0U : i % 2 == 0 ? 2U : 1U; };
    verify(db, version);
    expect_whole(db);
    db.close();
    verify(database::open(path, with_mode(open_mode::read_only)), version);
    how.distrust = true;
    db = database::open(path, how);
    verify(db, version);
    expect_whole(db);
    std::uint64_t erased = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        erased += db.erase(numbered_key(i)) ? 1U : 0U;
    }
    BOOST_TEST(erased == count - (count + 2) / 3 + (count + 8) / 9);
    BOOST_TEST(db.size() == 0U);
}

constexpr std::uint64_t some = sanitized ? 1'000 : 3'000;  // the time grows with its square

}  // namespace

BOOST_FIXTURE_TEST_SUITE(collisions, collision_fixture)

BOOST_AUTO_TEST_CASE(ten_thousand_keys_of_one_hash)
{
    test_key_hash = [](std::string_view, std::uint64_t) { return std::uint64_t{0x123456789abcdef0}; };
    set_erase_and_reopen(file, sanitized ? 3'000 : 10'000);
}

BOOST_AUTO_TEST_CASE(extreme_hashes)
{
    test_key_hash = [](std::string_view key, std::uint64_t) {
        return key.back() % 2 == 0 ? std::uint64_t{0} : ~std::uint64_t{0};
    };
    set_erase_and_reopen(file, 1'500);
}

BOOST_AUTO_TEST_CASE(seven_hashes)
{
    test_key_hash = [](std::string_view key, std::uint64_t seed) {
        return real_hash(key, seed) % 7 * 0x1111111111111111;
    };
    set_erase_and_reopen(file, some);
}

BOOST_AUTO_TEST_CASE(one_home_bucket)
{
    test_key_hash = [](std::string_view key, std::uint64_t seed) {
        return real_hash(key, seed) & ~std::uint64_t{63};
    };
    set_erase_and_reopen(file, some);
}

BOOST_AUTO_TEST_CASE(one_tag)
{
    test_key_hash = [](std::string_view key, std::uint64_t seed) {
        return real_hash(key, seed) & ~std::uint64_t{0x0fffffc0};
    };
    set_erase_and_reopen(file, some);
}

BOOST_AUTO_TEST_CASE(one_low_half)
{
    test_key_hash = [](std::string_view key, std::uint64_t seed) {
        return real_hash(key, seed) & ~std::uint64_t{0x0fffffff};
    };
    set_erase_and_reopen(file, some);
}

BOOST_AUTO_TEST_CASE(tags_that_differ_in_their_last_bits_alone)
{
    // A split looks at the top bits first: this is the deepest directory there can be.
    test_key_hash = [](std::string_view key, std::uint64_t seed) {
        return real_hash(key, seed) & ~std::uint64_t{0x0ffff000};
    };
    set_erase_and_reopen(file, some);
}

BOOST_AUTO_TEST_SUITE_END()
