// SPDX-License-Identifier: BSL-1.0
// Cleaning and the power: what is carried on must not reach the medium before what makes it true.
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

#include "power/medium.hpp"
#include "shard/cleaner.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

BOOST_FIXTURE_TEST_SUITE(cleaning, store_fixture)

/// The key's second value is dead, and its third in an extent that no commit flushes. A tombstone for the first one,
/// carried on from the second into an extent that commits do flush, would be all that the medium has of the two.
BOOST_AUTO_TEST_CASE(an_acknowledged_value_outlives_those_that_replaced_it)
{
    test_policy<shard::cleaning_policy> = {0, std::uint64_t{1} << 30};
    medium below(file);
    auto db = open(with_shards(1));
    const auto hot = [&](std::uint64_t i, durability how) {
        db.set("hot " + std::to_string(i % 5), telling_value(0, i, 200), how);
    };
    // So much lives that the cleaner takes its time, and begins when all three values are there.
    for (std::uint64_t i = 0; i < 320; ++i) {
        db.set(numbered_key(i), telling_value(i, 1, 200));
    }
    db.set("key", "first", durability::sync);
    for (std::uint64_t i = 0; i < 40; ++i) {
        hot(i, durability::sync);
    }
    db.set("key", "second");
    for (std::uint64_t i = 0; i < 40; ++i) {
        hot(i, durability::relaxed);
    }
    db.set("key", "third");
    for (std::uint64_t i = 0; i < 40; ++i) {
        hot(i, durability::relaxed);
    }
    const auto copy = folder / "copy.kvdb";
    for (std::uint64_t i = 0; i < 300; ++i) {
        hot(i, durability::sync);
        std::filesystem::remove(copy);
        write_bytes(copy, below.durable());
        const auto recovered = database::open(copy);
        BOOST_REQUIRE(recovered.contains("key"));
    }
    test_policy<shard::cleaning_policy> = {};
}

BOOST_AUTO_TEST_SUITE_END()
