// SPDX-License-Identifier: BSL-1.0
// Space comes back: whatever is overwritten, deleted and set again, the file stays within a factor of what lives in
// it.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/crash_point.hpp"
#include "shard/cleaner.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr std::uint64_t keys = sanitized ? 600 : 3'000;

struct churn {
    const char* name;
    std::uint64_t sync_every;  // operations; 0 = never
    durability mode;
    bool large;
    bool queue;
};

constexpr churn churns[] = {
    {"never synced", 0, durability::relaxed, false, false},
    {"synced now and then", 1'500, durability::relaxed, false, false},
    {"with large values", 700, durability::relaxed, true, false},
    {"a queue", 2'000, durability::relaxed, false, true},
    {"durable", 0, durability::sync, false, false},
};

struct churn_fixture : store_fixture {
    contents model;
    std::uint64_t live = 0;
    std::uint64_t version = 0;
    std::uint64_t oldest = 0;

    churn_fixture() { test_policy<shard::cleaning_policy> = {256, 1'024}; }
    churn_fixture(const churn_fixture&) = delete;
    churn_fixture& operator=(const churn_fixture&) = delete;
    ~churn_fixture() { test_policy<shard::cleaning_policy> = {}; }

    void set(database& db, std::uint64_t key, std::size_t size)
    {
        std::string& value = model[numbered_key(key)];
        live += size - value.size();
        value = telling_value(key, ++version, size);
        db.set(numbered_key(key), value);
    }
    void erase(database& db, std::uint64_t key)
    {
        const auto found = model.find(numbered_key(key));
        BOOST_REQUIRE(db.erase(numbered_key(key)) == (found != model.end()));
        if (found != model.end()) {
            live -= found->second.size();
            model.erase(found);
        }
    }
    void step(database& db, const churn& what, chance& source, std::uint64_t i)
    {
        const std::size_t size =
            what.large && source.below(40) == 0 ? 33'000 + source.below(30'000) : 50 + source.below(100);
        if (what.queue) {
            set(db, keys + i, size);
            erase(db, oldest++);
        } else if (source.below(5) == 0) {
            erase(db, source.below(keys));
        } else {
            set(db, source.below(keys), size);
        }
        if (what.sync_every != 0 && i % what.sync_every == 0) {
            db.sync();
        }
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(cleaning, churn_fixture)

BOOST_AUTO_TEST_CASE(the_file_stays_within_bounds)
{
    for (const churn& what : churns) {
        BOOST_TEST_CONTEXT(what.name)
        {
            std::filesystem::remove(file);
            model.clear();
            live = oldest = 0;
            options how = with_shards(4);
            how.max_handles = 8;
            how.durable = what.mode;
            auto db = open(how);
            chance source(7);
            for (std::uint64_t key = 0; key < keys; ++key) {
                set(db, key, 100);
            }
            db.sync();
            const std::uint64_t rounds = what.mode == durability::sync ? keys * 2 : keys * 12;
            std::uint64_t largest = 0;
            for (std::uint64_t i = 1; i <= rounds; ++i) {
                step(db, what, source, i);
                largest = std::max(largest, db.stats().log_bytes * 100 / (live + model.size() * 40));
            }
            // Of the log in all, with what waits to be freed and the extents that are being filled.
            BOOST_TEST(largest < 250U);
            BOOST_TEST((contents_of(db) == model));
            expect_whole(db);
            db.sync();
            expect_whole(db);
            db.close();
            expect_whole_file(file);
            options distrusting = with_mode(open_mode::open_only);
            distrusting.distrust = true;
            auto recovered = database::open(file, distrusting);
            BOOST_TEST((contents_of(recovered) == model));
            for (std::uint64_t i = 1; i <= keys; ++i) {
                step(recovered, what, source, i);
            }
            BOOST_TEST((contents_of(recovered) == model));
            expect_whole(recovered);
        }
    }
}

/// Nothing is left of keys that came and went: neither they nor the tombstones that said so.
BOOST_AUTO_TEST_CASE(tombstones_do_not_stay)
{
    auto db = open(with_shards(1));
    for (std::uint64_t i = 0; i < keys * 10; ++i) {
        const std::string key = numbered_key(i);
        db.set(key, std::string(100, 'v'));
        BOOST_REQUIRE(db.erase(key));
        if (i % 1'000 == 0) {
            db.sync();
        }
    }
    for (int i = 0; i < 3'000; ++i) {
        db.set("the only one", std::string(20, 'v'));
        if (i % 300 == 0) {
            db.sync();
        }
    }
    const statistics now = db.stats();
    BOOST_TEST(now.entries == 1U);
    BOOST_TEST(now.log_bytes < 40'000U);
    expect_whole(db);
}

/// Readers meet extents that are emptied, freed and filled anew under them.
BOOST_AUTO_TEST_CASE(readers_beside_it)
{
    options how = with_shards(1);
    how.verify_reads = true;
    auto db = open(how);
    constexpr std::uint64_t hot = 150;
    const auto size_of = [](std::uint64_t key) { return key % 30 == 0 ? std::size_t{40'000} : std::size_t{90}; };
    for (std::uint64_t key = 0; key < hot; ++key) {
        db.set(numbered_key(key), telling_value(key, 1, size_of(key)));
    }
    std::atomic<bool> over = false;
    std::atomic<std::uint64_t> wrong = 0;
    const auto reads = [&] {
        chance source(3);
        const auto reader = open(with_mode(open_mode::read_only));
        while (!over) {
            const std::uint64_t key = source.below(hot);
            const auto value = reader.get(numbered_key(key));
            wrong += value && value->size() == size_of(key) && told_version(key, *value) ? 0U : 1U;
            if (source.below(50) == 0) {
                std::uint64_t seen = 0;
                reader.for_each([&](std::string_view, std::string_view found) {
                    ++seen;
                    wrong += found.size() == 90 || found.size() == 40'000 ? 0U : 1U;
                });
                wrong += seen == hot ? 0U : 1U;
            }
        }
    };
    std::thread others[2];
    for (std::thread& each : others) {
        each = std::thread(reads);
    }
    chance source(4);
    for (std::uint64_t i = 2; i < (sanitized ? 4'000U : 40'000U); ++i) {
        const std::uint64_t key = source.below(hot);
        db.set(numbered_key(key), telling_value(key, i, size_of(key)));
        if (i % 500 == 0) {
            db.sync();
        }
    }
    over = true;
    for (std::thread& each : others) {
        each.join();
    }
    BOOST_TEST(wrong == 0U);
    expect_whole(db);
}

/// Recovery meets extents whose cleaning was under way, and finds originals beside their copies. None of them may
/// come back, neither then nor later.
BOOST_AUTO_TEST_CASE(recoveries_in_between)
{
    constexpr shard::cleaning_policy policies[] = {{0, 0}, {0, 4'000}, {1'000, 1'000}, {4'000, 16'000}};
    chance source(setting("KVDB_TEST_SEED", 5));
    options how = with_shards(1);
    auto db = open(how);
    for (int round = 0; round < (sanitized ? 40 : 150); ++round) {
        test_policy<shard::cleaning_policy> = policies[source.below(std::size(policies))];
        const std::uint64_t span = 20 + source.below(200);
        const std::uint64_t steps = 50 + source.below(400);
        for (std::uint64_t i = 0; i < steps; ++i) {
            if (source.below(3) == 0) {
                erase(db, source.below(span));
            } else {
                set(db, source.below(span), 20 + source.below(150));
            }
            if (source.below(100) == 0) {
                db.sync();
            }
        }
        db.close();
        how.distrust = source.below(4) != 0;
        db = open(how);
        BOOST_REQUIRE((contents_of(db) == model));
        expect_whole(db);
    }
}

std::vector<std::string> images;
std::filesystem::path photographed;

/// Files in which something has just been copied, and its original is still there.
void photograph(const char* point)
{
    static std::uint64_t visits = 0;
    if (std::strcmp(point, "clean-copy.disarmed") == 0 && ++visits % 37 == 0) {
        images.push_back(read_bytes(photographed));
    }
}

/// The copies lie among what nobody touches, and stay, while all that tells of their keys comes and goes.
BOOST_AUTO_TEST_CASE(copies_of_erased_keys_stay_dead)
{
    constexpr std::uint64_t cold = 600;
    constexpr std::uint64_t hot = 10'000;
    const auto churn = [](database& db, std::uint64_t steps) {
        for (std::uint64_t i = 1; i <= steps; ++i) {
            db.set(numbered_key(hot + i % 50), telling_value(hot, i));
            if (i % 500 == 0) {
                db.sync();
            }
        }
    };
    {
        auto db = open(with_shards(1));
        photographed = file;
        test_crash_hook = photograph;
        for (std::uint64_t key = 0; key < cold; ++key) {
            db.set(numbered_key(key), telling_value(key, 1));
            churn(db, 1 + key % 2);
        }
        test_crash_hook = nullptr;
    }
    BOOST_REQUIRE(images.size() > 5U);
    for (const std::string& each : std::exchange(images, {})) {
        const auto copy = folder / "copy.kvdb";
        write_bytes(copy, each);
        contents left;
        options how = with_mode(open_mode::open_only);
        how.distrust = true;
        {
            auto db = database::open(copy, how);
            churn(db, 50);
            left = contents_of(db);
            for (std::uint64_t key = 0; key < cold; key += 2) {
                db.erase(numbered_key(key));
                left.erase(numbered_key(key));
            }
            churn(db, 3'000);
            for (std::uint64_t i = 0; i < 50; ++i) {
                left[numbered_key(hot + i)] = *db.get(numbered_key(hot + i));
            }
        }
        const auto db = database::open(copy, how);
        BOOST_TEST((contents_of(db) == left));
        expect_whole(db);
        std::filesystem::remove(copy);
    }
}

/// A copy would get a checksum of its own, and make damage look sound.
BOOST_AUTO_TEST_CASE(what_is_damaged_is_not_copied)
{
    const std::string victim = numbered_key(0);
    {
        auto db = open(with_shards(1));
        for (std::uint64_t key = 0; key < 400; ++key) {
            db.set(numbered_key(key), telling_value(key, 1, 100));
        }
    }
    std::string bytes = read_bytes(file);
    const std::size_t at = bytes.find(telling_value(0, 1, 100));
    BOOST_REQUIRE(at != std::string::npos);
    bytes[at + 50] = static_cast<char>(bytes[at + 50] ^ 1);
    write_bytes(file, bytes);
    options how = with_mode(open_mode::open_only);
    how.verify_reads = true;
    auto db = database::open(file, how);
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        db.set(numbered_key(1 + i % 399), telling_value(1 + i % 399, i, 100));
    }
    KVDB_CHECK_ERROR(static_cast<void>(db.get(victim)), damaged);
    BOOST_TEST(!db.check().ok());
    for (std::uint64_t key = 1; key < 400; ++key) {
        BOOST_REQUIRE(db.get(numbered_key(key)).has_value());
    }
    db.close();
    std::filesystem::remove(file);  // nobody shall take it for whole
}

BOOST_AUTO_TEST_SUITE_END()
