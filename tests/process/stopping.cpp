// SPDX-License-Identifier: BSL-1.0
// A process that is stopped while it holds a shard's lock: gets go on, writers learn who it is.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "base/hash.hpp"
#include "io/crash_point.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

const char* stop_at = nullptr;
std::uint64_t visits_before = 0;
std::uint64_t steps_seen = 0;

struct stopping_fixture : store_fixture {
    database db;
    child holder;

    stopping_fixture()
    {
        options how = with_shards(1);
        how.lock_timeout = std::chrono::milliseconds(200);
        db = open(how);
        for (std::uint64_t i = 0; i < 100; ++i) {
            db.set(numbered_key(i), telling_value(i, 1));
        }
    }

    /// How many steps an overwrite has, as the engine names them.
    [[nodiscard]] std::uint64_t steps_of_a_set()
    {
        steps_seen = 0;
        test_crash_hook = [](const char* reached) { steps_seen += std::strcmp(reached, "set.step") == 0 ? 1U : 0U; };
        db.set(numbered_key(7), telling_value(7, 1));
        test_crash_hook = nullptr;
        return steps_seen;
    }

    /// A child that overwrites key 7 and stops itself on the way, at the given visit of a point.
    void stop_a_writer(const char* point, std::uint64_t visit = 1)
    {
        holder = child([&] {
            auto mine = open();
            stop_at = point;
            visits_before = visit;
            test_crash_hook = [](const char* reached) {
                if (stop_at != nullptr && std::strcmp(reached, stop_at) == 0 && --visits_before == 0) {
                    stop_at = nullptr;
                    ::raise(SIGSTOP);
                }
            };
            mine.set(numbered_key(7), telling_value(7, 2));
            mine.close();
            return 0;
        });
        BOOST_REQUIRE_MESSAGE(holder.wait_until_stopped(), "the point " << point << " was never reached");
    }

    void expect_busy(const std::function<void()>& write)
    {
        BOOST_CHECK_EXCEPTION(write(), error, [&](const error& caught) {
            BOOST_TEST_MESSAGE(caught.what());
            return caught.reason() == errc::busy &&
                   std::string(caught.what()).find(std::to_string(holder.pid())) != std::string::npos;
        });
    }

    void expect_reads(std::initializer_list<std::uint64_t> versions_of_seven)
    {
        for (std::uint64_t i = 0; i < 100; ++i) {
            const auto told = told_version(i, db.get(numbered_key(i)).value());
            BOOST_REQUIRE(told.has_value());
            bool possible = i != 7 && told == 1U;
            for (const std::uint64_t version : versions_of_seven) {
                possible = possible || (i == 7 && told == version);
            }
            BOOST_TEST(possible);
        }
        BOOST_TEST(!db.contains("absent"));
        BOOST_TEST(contents_of(db).size() == 100U);
        BOOST_TEST(db.size() == 100U);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(stopping, stopping_fixture)

BOOST_AUTO_TEST_CASE(gets_go_on_and_sets_name_the_holder)
{
    stop_a_writer("set.armed");
    expect_reads({1, 2});
    expect_busy([&] { db.set(numbered_key(8), "v"); });
    expect_busy([&] { db.erase(numbered_key(8)); });
    expect_busy([&] { db.set("new", "v"); });
    expect_reads({1, 2});
    const auto reader = open(with_mode(open_mode::read_only));
    BOOST_CHECK(reader.get(numbered_key(8)) == telling_value(8, 1));

    BOOST_TEST(holder.kill() == -SIGKILL);
    db.set("new", "v");
    db.set(numbered_key(8), telling_value(8, 1));
    BOOST_TEST(db.erase("new"));
    expect_reads({2});  // what was armed is finished by the next in line
    expect_whole(db);
}

BOOST_AUTO_TEST_CASE(what_was_not_armed_is_dropped)
{
    stop_a_writer("set.record-written");
    expect_reads({1});
    expect_busy([&] { db.set(numbered_key(8), "v"); });
    BOOST_TEST(holder.kill() == -SIGKILL);
    db.set(numbered_key(8), telling_value(8, 1));
    expect_reads({1});
    expect_whole(db);
    // Nor does the half-born record come alive in a rebuild.
    db.close();
    options how;
    how.distrust = true;
    db = open(how);
    expect_reads({1});
}

BOOST_AUTO_TEST_CASE(at_every_step_of_a_set)
{
    const std::uint64_t steps = steps_of_a_set();
    BOOST_TEST(steps >= 3U);  // tail, slot, counters
    for (std::uint64_t step = 1; step <= steps; ++step) {
        BOOST_TEST_CONTEXT("step " << step)
        {
            db.set(numbered_key(7), telling_value(7, 1));
            stop_a_writer("set.step", step);
            expect_busy([&] { db.set(numbered_key(8), "v"); });
            expect_reads({1, 2});
            BOOST_TEST(holder.kill() == -SIGKILL);
            db.set(numbered_key(8), telling_value(8, 1));
            expect_reads({2});
            expect_whole(db);
        }
    }
}

BOOST_AUTO_TEST_CASE(one_that_goes_on_finishes_its_work)
{
    stop_a_writer("set.step", 2);
    expect_busy([&] { db.set(numbered_key(8), "v"); });
    holder.signal(SIGCONT);
    BOOST_TEST(holder.wait() == 0);
    db.set(numbered_key(8), telling_value(8, 1));
    expect_reads({2});
    expect_whole(db);
}

BOOST_AUTO_TEST_CASE(one_that_holds_nothing_disturbs_nobody)
{
    stop_a_writer("set.disarmed");
    // Whether the lock is still held here is the engine's choice; whether it is ever lost for good is not.
    BOOST_TEST(holder.kill() == -SIGKILL);
    db.set(numbered_key(8), telling_value(8, 1));
    expect_reads({2});
    expect_whole(db);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_that_waits_for_it_holds_up_nobody_else)
{
    test_key_hash = [](std::string_view key, std::uint64_t seed) {
        const std::uint64_t any = hash_bytes(key.data(), key.size(), seed) >> 1;
        return key.front() == 'z' ? any | std::uint64_t{1} << 63 : any;  // the last shard of two
    };
    const auto two = folder / "two.kvdb";
    options how = with_shards(2);
    how.lock_timeout = std::chrono::seconds(1);
    auto writing = database::open(two, how);
    writing.set("a", "value");
    holder = child([&] {
        auto mine = database::open(two);
        test_crash_hook = [](const char* reached) {
            if (std::strcmp(reached, "set.armed") == 0) {
                ::raise(SIGSTOP);
            }
        };
        mine.set("z", "value");
        return 0;
    });
    BOOST_REQUIRE(holder.wait_until_stopped());
    how.lock_timeout = std::chrono::seconds(3);
    auto syncing = database::open(two, how);
    std::atomic<bool> over = false;
    errc answer{};
    std::thread sync([&] {
        try {
            syncing.sync();
        } catch (const error& failure) {
            answer = failure.reason();
        }
        over = true;
    });
    std::uint64_t sets = 0;
    std::uint64_t held_up = 0;
    do {
        try {
            writing.set("a", std::to_string(++sets));
        } catch (const error&) {
            ++held_up;
        }
    } while (!over);
    sync.join();
    BOOST_TEST(held_up == 0U);
    BOOST_TEST((answer == errc::busy));
    BOOST_TEST(holder.kill() == -SIGKILL);
    syncing.sync();
    BOOST_TEST(writing.get("a").value_or("") == std::to_string(sets));
    BOOST_TEST(writing.get("z").value_or("") == "value");
    expect_whole(writing);
    test_key_hash = nullptr;
}

BOOST_AUTO_TEST_SUITE_END()
