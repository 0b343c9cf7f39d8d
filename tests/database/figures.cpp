// SPDX-License-Identifier: BSL-1.0
// What stats() and the file's size say.
#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

void fill(database& db, std::uint64_t count)
{
    for (std::uint64_t i = 0; i < count; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(figures, store_fixture)

BOOST_AUTO_TEST_CASE(of_a_new_database)
{
    auto db = open();
    const statistics stats = db.stats();
    BOOST_TEST(stats.entries == 0U);
    BOOST_TEST(stats.live_bytes == 0U);
    BOOST_TEST(stats.dead_bytes == 0U);
    BOOST_TEST(stats.shard_count == 64U);
    BOOST_TEST(stats.max_handles == 384U);
    BOOST_TEST(stats.format_version == 1U);
    BOOST_TEST(stats.created_unix_ms > 1'600'000'000'000U);
    BOOST_TEST(!stats.uuid.empty());
    BOOST_TEST(!stats.private_index);
    BOOST_TEST(stats.last_recovery.at_unix_ms == 0U);
    BOOST_TEST(stats.last_recovery.entries == 0U);
    BOOST_TEST(stats.file_size == std::filesystem::file_size(file));
    BOOST_TEST(stats.disk_bytes == allocated_bytes(file));
    BOOST_REQUIRE(stats.writers.size() == 1U);
    BOOST_TEST(stats.writers[0].pid == static_cast<std::uint32_t>(::getpid()));
    BOOST_TEST(stats.writers[0].since_unix_ms >= stats.created_unix_ms);
}

BOOST_AUTO_TEST_CASE(two_databases_differ)
{
    std::set<std::string> ids;
    for (const char* name : {"a.kvdb", "b.kvdb", "c.kvdb"}) {
        ids.insert(database::open(folder / name).stats().uuid);
    }
    BOOST_TEST(ids.size() == 3U);
}

BOOST_AUTO_TEST_CASE(of_live_and_dead_records)
{
    auto db = open();
    fill(db, 10'000);
    const statistics filled = db.stats();
    BOOST_TEST(filled.entries == 10'000U);
    BOOST_TEST(filled.live_bytes == 10'000U * 132);  // 16 header, 16 key, 100 value
    BOOST_TEST(filled.dead_bytes == 0U);
    BOOST_TEST(filled.index_slots >= filled.entries);
    BOOST_TEST(filled.load_factor > 0.0);
    BOOST_TEST(filled.load_factor <= 1.0);
    fill(db, 5'000);
    const statistics overwritten = db.stats();
    BOOST_TEST(overwritten.entries == 10'000U);
    BOOST_TEST(overwritten.dead_bytes > 5'000U * 100);  // some of it was cleaned already
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        db.erase(numbered_key(i));
    }
    const statistics emptied = db.stats();
    BOOST_TEST(emptied.entries == 0U);
    BOOST_TEST(emptied.live_bytes == 0U);
    BOOST_TEST(emptied.dead_bytes > 10'000U * 132);
    BOOST_TEST(emptied.file_size == std::filesystem::file_size(file));
    db.close();
    options how;
    how.distrust = true;
    const statistics rebuilt = open(how).stats();
    BOOST_TEST(rebuilt.entries == 0U);
    BOOST_TEST(rebuilt.live_bytes == 0U);
    BOOST_TEST(rebuilt.last_recovery.entries == 0U);
    BOOST_TEST(rebuilt.last_recovery.records_kept >= 10'000U);
}

BOOST_AUTO_TEST_CASE(syncs_are_numbered)
{
    auto db = open();
    std::uint64_t last = db.stats().sync_generation;
    for (int round = 0; round < 5; ++round) {
        db.set("k", std::to_string(round));
        db.sync();
        const std::uint64_t now = db.stats().sync_generation;
        BOOST_TEST(now > last);
        last = now;
    }
    db.close();
    db = open();
    BOOST_TEST(db.stats().sync_generation >= last);
}

BOOST_AUTO_TEST_CASE(every_shard_count)
{
    for (const std::uint32_t shards : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 256U}) {
        const auto path = folder / ("shards" + std::to_string(shards)).c_str();
        {
            auto db = database::open(path, with_shards(shards));
            fill(db, 3'000);
            BOOST_TEST(db.stats().shard_count == shards);
        }
        auto db = database::open(path);
        BOOST_TEST(db.stats().shard_count == shards);
        for (std::uint64_t i = 0; i < 3'000; ++i) {
            BOOST_REQUIRE(db.get(numbered_key(i)) == telling_value(i, 1));
        }
        db.close();
        expect_whole_file(path);
    }
}

BOOST_AUTO_TEST_CASE(an_empty_database_is_small)
{
    {
        auto db = open();
        BOOST_TEST(allocated_bytes(file) <= 64U * 1024);
        BOOST_TEST(std::filesystem::file_size(file) <= 64U * 1024);
    }
    BOOST_TEST(allocated_bytes(file) <= 64U * 1024);
    BOOST_TEST(std::filesystem::file_size(file) <= 64U * 1024);
}

BOOST_AUTO_TEST_CASE(a_thousand_entries_are_small)
{
    {
        auto db = open();
        fill(db, 1'000);
        BOOST_TEST(allocated_bytes(file) <= 1U << 20);
    }
    BOOST_TEST(allocated_bytes(file) <= 1U << 20);
    BOOST_TEST(std::filesystem::file_size(file) <= 1U << 20);
}

BOOST_AUTO_TEST_CASE(a_million_entries_are_at_most_185_bytes_each)
{
    constexpr std::uint64_t count = 1'000'000;
    const std::string value(100, 'v');
    auto db = open();
    for (std::uint64_t i = 0; i < count; ++i) {
        db.set(numbered_key(i), value);
    }
    BOOST_TEST(allocated_bytes(file) <= count * 185);
    db.close();
    BOOST_TEST(std::filesystem::file_size(file) <= count * 185);
    BOOST_TEST(allocated_bytes(file) <= count * 185);
    BOOST_TEST_MESSAGE("bytes per entry: " << static_cast<double>(std::filesystem::file_size(file)) / count);
}

BOOST_AUTO_TEST_SUITE_END()
