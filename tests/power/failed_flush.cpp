// SPDX-License-Identifier: BSL-1.0
// A flush that fails, and one that nobody saw the end of.
#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/crash_point.hpp"
#include "io/flush_hook.hpp"
#include "power/medium.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

options durable_handle()
{
    options how = with_shards(2);
    how.durable = durability::sync;
    return how;
}

/// Sizes of the flushes that were made: 0 for the whole file.
std::vector<std::uint64_t> flushed;

bool count_flush(int, std::span<const io::byte_range> ranges)
{
    std::uint64_t bytes = 0;
    for (const io::byte_range& each : ranges) {
        bytes += each.end - each.begin;
    }
    flushed.push_back(bytes);
    return true;
}

struct counted_flushes {
    counted_flushes()
    {
        flushed.clear();
        io::test_flush_hook = count_flush;
    }
    counted_flushes(const counted_flushes&) = delete;
    counted_flushes& operator=(const counted_flushes&) = delete;
    ~counted_flushes() { io::test_flush_hook = nullptr; }
};

void die_in_a_flush(const char* point)
{
    if (std::strcmp(point, "file.sync") == 0) {
        ::raise(SIGKILL);
    }
}

void kill_within_a_flush(const std::filesystem::path& file)
{
    const int end = in_child([&] {
        auto mine = database::open(file, durable_handle());
        mine.set("there", "2");
        test_crash_hook = die_in_a_flush;
        mine.set("there", "3");
        return 0;
    });
    BOOST_REQUIRE_EQUAL(end, -SIGKILL);
}

void expect_one_whole_flush(database& db)
{
    const counted_flushes counted;
    db.set("key", "value");
    BOOST_REQUIRE_EQUAL(flushed.size(), 1U);
    BOOST_TEST(flushed[0] == 0U);
    db.set("key", "value");
    BOOST_REQUIRE_EQUAL(flushed.size(), 2U);
    BOOST_TEST(flushed[1] != 0U);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(failed_flush, store_fixture)

BOOST_AUTO_TEST_CASE(nothing_is_acknowledged_until_the_file_was_recovered)
{
    {
        auto db = open(durable_handle());
        auto other = open();
        db.set("before", "1");
        {
            medium below(file);
            below.fail(true);
            KVDB_CHECK_ERROR(db.set("during", "2"), io_failure);
        }
        KVDB_CHECK_ERROR(db.set("after", "3"), poisoned);
        BOOST_TEST(!db.contains("after"));
        KVDB_CHECK_ERROR(db.erase("before"), poisoned);
        KVDB_CHECK_ERROR(other.sync(), poisoned);
        KVDB_CHECK_ERROR(other.set("after", "3", durability::sync), poisoned);
        other.set("relaxed", "4");  // promises nothing
        BOOST_CHECK(db.get("before") == "1");
        BOOST_CHECK(db.get("relaxed") == "4");
        BOOST_TEST(db.stats().poisoned);
    }
    auto db = open(durable_handle());
    BOOST_TEST(!db.stats().poisoned);
    BOOST_TEST(db.stats().last_recovery.at_unix_ms != 0U);
    BOOST_CHECK(db.get("before") == "1");
    db.set("after", "5");
    db.sync();
    expect_whole(db);
}

BOOST_AUTO_TEST_CASE(of_a_checkpoint)
{
    auto db = open(with_shards(2));
    db.set("key", "value");
    {
        medium below(file);
        below.fail(true);
        KVDB_CHECK_ERROR(db.sync(), io_failure);
    }
    KVDB_CHECK_ERROR(db.sync(), poisoned);
    BOOST_CHECK(db.get("key") == "value");
}

BOOST_AUTO_TEST_CASE(whose_process_died_is_made_good_by_the_next_commit)
{
    auto db = open(durable_handle());
    db.set("there", "1");
    kill_within_a_flush(file);
    auto later = open(durable_handle());
    expect_one_whole_flush(later);
}

BOOST_AUTO_TEST_CASE(whose_process_died_alone_costs_no_recovery)
{
    kill_within_a_flush(file);
    auto later = open(durable_handle());
    BOOST_TEST(later.stats().last_recovery.at_unix_ms == 0U);
    expect_one_whole_flush(later);
}

/// For the hook: the first flush goes on for as long as it takes the others to have something to commit.
std::atomic<std::uint64_t> flushes;
std::atomic<bool> all_waiting;

bool wait_in_first_flush(int, std::span<const io::byte_range>)
{
    if (flushes++ == 0) {
        BOOST_TEST(eventually([] { return all_waiting.load(); }));
    }
    return true;
}

BOOST_AUTO_TEST_CASE(is_shared_by_all_who_commit_meanwhile)
{
    constexpr std::uint64_t others = 6;
    auto db = open(durable_handle());
    db.set("first", "1");
    flushes = 0;
    all_waiting = false;
    io::test_flush_hook = wait_in_first_flush;
    {
        std::jthread first([&] { db.set("first", "2"); });
        BOOST_REQUIRE(eventually([] { return flushes == 1; }));
        std::vector<std::jthread> threads;
        for (std::uint64_t i = 0; i < others; ++i) {
            threads.emplace_back([&, i] { db.set(numbered_key(i), telling_value(i, 1)); });
        }
        // A change is visible before its commit; after that, all that its thread does is wait for it.
        BOOST_REQUIRE(eventually([&] { return db.size() == 1 + others; }));
        all_waiting = true;
    }
    io::test_flush_hook = nullptr;
    // The first one's; one for all who were seen waiting; one more for a straggler who was not in time for that.
    BOOST_TEST(flushes >= 2U);
    BOOST_TEST(flushes <= 3U);
}

/// For the crash hook: while a leader reads the shard's words, the shard goes on to another extent.
database* busy = nullptr;
bool went_on = false;

void fill_extents(const char* point)
{
    went_on = went_on || std::strcmp(point, "accept-log.armed") == 0;
    if (std::strcmp(point, "commit.read") == 0 && busy != nullptr) {
        database* const other = std::exchange(busy, nullptr);
        for (std::uint64_t i = 0; !went_on; ++i) {
            other->set(numbered_key(i), telling_value(i, 1, 300), durability::relaxed);
        }
    }
}

BOOST_AUTO_TEST_CASE(covers_the_extents_that_a_shard_leaves_meanwhile)
{
    medium below(file);
    options how = durable_handle();
    how.shard_count = 1;
    auto db = open(how);
    for (const durability mode : {durability::sync, durability::relaxed}) {
        how.durable = mode;
        auto other = open(how);
        for (std::uint64_t round = 0; round < 4; ++round) {
            const std::string key = "committed " + std::to_string(round);
            busy = &other;
            went_on = false;
            test_crash_hook = fill_extents;
            db.set(key, "value");
            test_crash_hook = nullptr;
            BOOST_REQUIRE(busy == nullptr);
            const auto copy = folder / "copy.kvdb";
            std::filesystem::remove(copy);
            write_bytes(copy, below.durable());
            const auto recovered = database::open(copy);
            BOOST_TEST(recovered.contains(key), "round " << round);
        }
    }
}

BOOST_AUTO_TEST_CASE(small_commits_flush_their_log_alone)
{
    auto db = open(durable_handle());
    for (std::uint64_t i = 0; i < 200; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
    const counted_flushes counted;
    db.set(numbered_key(1), telling_value(1, 2));
    db.erase(numbered_key(2));
    db.set(numbered_key(2), telling_value(2, 2), durability::relaxed);
    BOOST_REQUIRE_EQUAL(flushed.size(), 2U);
    BOOST_TEST(flushed[0] > 100U);
    BOOST_TEST(flushed[0] < 4'096U + 400U);  // from its page on; with the header, should it be the extent's first
    BOOST_TEST(flushed[1] < 4'096U + 400U);
    db.erase("never there");
    BOOST_TEST(flushed.size() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()
