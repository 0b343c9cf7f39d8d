// SPDX-License-Identifier: BSL-1.0
// What the next opener finds after everybody was killed.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "io/crash_point.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

void write_and_die(const std::filesystem::path& path, const options& how, std::uint64_t count, std::uint64_t version)
{
    BOOST_REQUIRE_EQUAL(in_child([&] {
                            auto db = database::open(path, how);
                            for (std::uint64_t i = 0; i < count; ++i) {
                                db.set(numbered_key(i), telling_value(i, version, i % 500 == 9 ? 50'000 : 90));
                            }
                            return ::raise(SIGKILL);
                        }),
                        -SIGKILL);
}

void expect_version(const database& db, std::uint64_t count, std::uint64_t version)
{
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto value = db.get(numbered_key(i));
        wrong += value && told_version(i, *value) == version ? 0U : 1U;
    }
    BOOST_TEST(wrong == 0U);
    BOOST_TEST(db.size() == count);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(reopening, store_fixture)

/// For a crash hook: the last writer makes the file grow and leaves while somebody else opens it.
std::unique_ptr<database> leaving;

void grow_and_leave(const char* point)
{
    if (std::strcmp(point, "open.gate") == 0 && leaving) {
        const auto db = std::exchange(leaving, nullptr);
        for (std::uint64_t i = 0; i < 3'000; ++i) {
            db->set(numbered_key(i), telling_value(i, 7, 200));
        }
    }
}

BOOST_AUTO_TEST_CASE(while_the_last_writer_grows_the_file_and_leaves)
{
    for (const open_mode mode : {open_mode::open_or_create, open_mode::read_only}) {
        std::filesystem::remove(file);
        leaving = std::make_unique<database>(open(with_shards(2)));
        leaving->set("first", "here");
        test_crash_hook = grow_and_leave;
        const auto db = open(with_mode(mode));
        test_crash_hook = nullptr;
        BOOST_REQUIRE(!leaving);
        std::uint64_t missing = 0;
        for (std::uint64_t i = 0; i < 3'000; ++i) {
            missing += db.get(numbered_key(i)) == telling_value(i, 7, 200) ? 0U : 1U;
        }
        BOOST_TEST(missing == 0U);
        BOOST_TEST(db.stats().last_recovery.at_unix_ms == 0U);
    }
}

BOOST_AUTO_TEST_CASE(in_the_same_boot_nothing_is_rebuilt)
{
    for (std::uint64_t version = 1; version <= 4; ++version) {
        write_and_die(file, with_shards(8), 5'000, version);
        if (version % 2 == 0) {
            const auto reader = open(with_mode(open_mode::read_only));
            expect_version(reader, 5'000, version);
        }
        const auto db = open();
        expect_version(db, 5'000, version);
        BOOST_TEST(db.stats().last_recovery.at_unix_ms == 0U);
        BOOST_TEST(db.stats().writers.size() == 1U);  // the dead are not listed
        expect_whole(db);
    }
}

BOOST_AUTO_TEST_CASE(in_every_durability)
{
    for (const durability mode : {durability::none, durability::relaxed, durability::sync}) {
        options how;
        how.durable = mode;
        write_and_die(file, how, 200, 1 + static_cast<std::uint64_t>(mode));
        const auto db = open();
        expect_version(db, 200, 1 + static_cast<std::uint64_t>(mode));
        BOOST_TEST(db.stats().last_recovery.at_unix_ms == 0U);
    }
}

BOOST_AUTO_TEST_CASE(distrust_rebuilds_the_same)
{
    write_and_die(file, with_shards(8), 5'000, 1);
    options how;
    how.distrust = true;
    const auto reader = open(with_mode(open_mode::read_only, how));
    expect_version(reader, 5'000, 1);
    BOOST_TEST(reader.stats().private_index);
    const auto db = open(how);
    expect_version(db, 5'000, 1);
    BOOST_TEST(db.stats().last_recovery.at_unix_ms != 0U);
    BOOST_TEST(db.stats().last_recovery.entries == 5'000U);
    expect_version(reader, 5'000, 1);
    expect_whole(reader);
}

BOOST_AUTO_TEST_CASE(a_copy_made_while_writers_write_has_all_that_was_synced)
{
    struct state {
        std::atomic<std::uint64_t> written;
        std::atomic<std::uint64_t> granted;  // so that the file stays small however slow the copying is
    };
    shared<state> common;
    constexpr std::uint64_t first = 3'000;
    child writer([&] {
        auto db = open(with_shards(4));
        for (std::uint64_t i = 0;; ++i) {
            db.set(numbered_key(i % 100'000), telling_value(i % 100'000, 1));
            if (i + 1 == first) {
                db.sync();
            }
            common->written = i + 1;
            demand(eventually([&] { return common->granted > i; }), "nothing is granted");
        }
        return 1;
    });
    common->granted = first;
    BOOST_REQUIRE(eventually([&] { return common->written >= first; }));
    for (int round = 0; round < 5; ++round) {
        const std::uint64_t before = common->written;
        common->granted += 20'000;
        BOOST_REQUIRE(eventually([&] { return common->written > before + 100; }));
        const auto copy = folder / ("copy" + std::to_string(round)).c_str();
        std::filesystem::copy_file(file, copy);
        auto db = database::open(copy);
        BOOST_TEST(db.stats().last_recovery.at_unix_ms != 0U);
        std::uint64_t missing = 0;
        for (std::uint64_t i = 0; i < first; ++i) {
            missing += db.get(numbered_key(i)) == telling_value(i, 1) ? 0U : 1U;
        }
        BOOST_TEST(missing == 0U);
        db.for_each([](std::string_view key, std::string_view value) {
            BOOST_REQUIRE(told_version(std::stoull(std::string(key.substr(4))), value) == 1U);
        });
        db.set("new", "v");
        expect_whole(db);
        db.close();
        expect_whole_file(copy);
    }
    BOOST_TEST(writer.kill() == -SIGKILL);
}

BOOST_AUTO_TEST_CASE(killed_while_creating)
{
    chance source(setting("KVDB_TEST_SEED", 5));
    int made = 0;
    for (int round = 0; round < 150; ++round) {
        const auto path = folder / ("new" + std::to_string(round)).c_str();
        child creator([&] {
            auto db = database::open(path);
            db.set("k", "v");
            db.close();
            return 0;
        });
        // Any instant will do, so a loop of no meaning picks it.
        std::atomic<std::uint64_t> spins = source.below(400'000);
        while (spins != 0) {
            --spins;
        }
        (void)creator.kill();
        if (std::filesystem::exists(path)) {
            ++made;
            const auto db = database::open(path, with_mode(open_mode::open_only));
            const auto value = db.get("k");
            BOOST_TEST((!value || value == "v"));
            expect_whole(db);
        } else {
            auto db = database::open(path);
            db.set("k", "second try");
            expect_whole(db);
        }
    }
    BOOST_TEST_MESSAGE(made << " of 150 were there before the kill");
}

BOOST_AUTO_TEST_SUITE_END()
