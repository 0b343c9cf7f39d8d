// SPDX-License-Identifier: BSL-1.0
// Checkpoints that a handle makes by itself.
#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>

#include "io/flush_hook.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

options by_bytes(std::uint64_t bytes)
{
    options how = with_shards(4);
    how.checkpoint_bytes = bytes;
    return how;
}

options by_time(std::chrono::milliseconds interval)
{
    options how = with_shards(4);
    how.checkpoint_interval = interval;
    return how;
}

/// The folders of this process's threads. A sanitizer may have one of its own.
std::set<std::filesystem::path> threads()
{
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return {begin(tasks), end(tasks)};
}

/// The kernel lists a thread for a moment longer than it can be joined.
bool back_to(std::size_t count)
{
    return eventually([&] { return threads().size() == count; });
}

bool one_more_than(const database& db, std::uint64_t before)
{
    return eventually([&] { return db.stats().sync_generation > before; });
}

bool refuse_flush(int, std::span<const io::byte_range>)
{
    return false;
}

struct failing_flushes {
    failing_flushes() { io::test_flush_hook = refuse_flush; }
    failing_flushes(const failing_flushes&) = delete;
    failing_flushes& operator=(const failing_flushes&) = delete;
    ~failing_flushes() { io::test_flush_hook = nullptr; }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(background, store_fixture)

BOOST_AUTO_TEST_CASE(comes_after_so_many_bytes)
{
    auto db = open(by_bytes(10'000));
    for (int round = 0; round < 5; ++round) {
        const std::uint64_t before = db.stats().sync_generation;
        for (std::uint64_t i = 0; i < 11; ++i) {
            db.set(numbered_key(i), std::string(1'000, 'v'));
        }
        BOOST_REQUIRE(one_more_than(db, before));
    }
}

BOOST_AUTO_TEST_CASE(counts_erased_and_large_entries)
{
    auto db = open(by_bytes(300'000));
    const std::uint64_t before = db.stats().sync_generation;
    db.set("large", std::string(300'000, 'v'));
    BOOST_REQUIRE(one_more_than(db, before));
}

BOOST_AUTO_TEST_CASE(comes_after_some_time)
{
    auto db = open(by_time(std::chrono::milliseconds(1)));
    for (int round = 0; round < 5; ++round) {
        const std::uint64_t before = db.stats().sync_generation;
        db.set("key", "value " + std::to_string(round));
        BOOST_REQUIRE(one_more_than(db, before));
    }
}

BOOST_AUTO_TEST_CASE(leaves_the_medium_alone_while_nothing_is_written)
{
    auto db = open(by_bytes(1));
    const auto other = open(with_shards(4));
    const std::uint64_t before = other.stats().sync_generation;
    db.set("key", "value");
    BOOST_REQUIRE(one_more_than(other, before));
    bool absent = true;
    for (int i = 0; i < 100'000; ++i) {
        absent = absent && !db.erase("absent");  // wakes the thread, and changes nothing
    }
    BOOST_TEST(absent);
    db.close();
    BOOST_TEST(other.stats().sync_generation == before + 1);
}

BOOST_AUTO_TEST_CASE(sees_what_others_write)
{
    const auto db = open(by_time(std::chrono::milliseconds(1)));
    auto other = open(with_shards(4));
    const std::uint64_t before = db.stats().sync_generation;
    other.set("key", "value");
    BOOST_TEST(one_more_than(other, before));
}

BOOST_AUTO_TEST_CASE(its_thread_ends_with_the_handle)
{
    const std::size_t before = threads().size();
    {
        auto db = open(by_bytes(1));
        BOOST_TEST(threads().size() == before + 1);
        db.set("key", "value");
        db.close();
        BOOST_TEST(back_to(before));
    }
    {
        const auto db = open(by_time(std::chrono::hours(7 * 24)));
        BOOST_TEST(threads().size() == before + 1);
    }
    BOOST_TEST(back_to(before));
    const auto reader = open(with_mode(open_mode::read_only, by_bytes(1)));
    BOOST_TEST(threads().size() == before);
}

BOOST_AUTO_TEST_CASE(its_thread_takes_no_signals)
{
    const auto before = threads();
    auto db = open(by_bytes(1));
    db.set("key", "value");
    BOOST_REQUIRE(one_more_than(db, 0));  // the thread is past its start, when the C library blocks all for a moment
    sigset_t mine;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mine);
    BOOST_TEST(::sigismember(&mine, SIGTERM) == 0);
    for (const std::filesystem::path& thread : threads()) {
        if (before.count(thread) != 0) {
            continue;
        }
        const std::string status = read_bytes(thread / "status");
        const std::size_t at = status.find("SigBlk:");
        BOOST_REQUIRE(at != std::string::npos);
        const std::uint64_t blocked = std::stoull(status.substr(at + 7), nullptr, 16);
        BOOST_TEST((blocked >> (SIGTERM - 1) & 1) == 1U);
        BOOST_TEST((blocked >> (SIGSEGV - 1) & 1) == 0U);
    }
}

BOOST_AUTO_TEST_CASE(goes_on_in_a_forked_child)
{
    auto db = open(by_bytes(100));
    db.set("key", std::string(100, 'v'));
    BOOST_REQUIRE(one_more_than(db, 0));
    BOOST_TEST(in_child([&] {
                   db.set("key", "small");  // attaches the child
                   const std::uint64_t before = db.stats().sync_generation;
                   db.set("key", std::string(100, 'w'));
                   demand(one_more_than(db, before), "no checkpoint in the child");
                   db.close();
                   return 0;
               }) == 0);
    const std::uint64_t before = db.stats().sync_generation;
    db.set("key", std::string(100, 'x'));
    BOOST_TEST(one_more_than(db, before));
}

BOOST_AUTO_TEST_CASE(says_that_it_failed)
{
    options how = by_bytes(1);
    std::atomic<int> failures = 0;
    std::atomic<int> reason = 0;
    how.on_checkpoint_failure = [&](const error& failure) {
        reason = failure.code().value();
        ++failures;
    };
    {
        auto db = open(how);
        const failing_flushes now;
        db.set("key", "value");
        BOOST_REQUIRE(eventually([&] { return failures > 0; }));
        BOOST_TEST(reason == static_cast<int>(errc::io_failure));
        KVDB_CHECK_ERROR(db.sync(), poisoned);
        db.set("key", "again");
        BOOST_REQUIRE(eventually([&] { return failures > 1; }));
        BOOST_TEST(reason == static_cast<int>(errc::poisoned));
    }
    BOOST_TEST(open(how).get("key").value_or("") == "again");
}

BOOST_AUTO_TEST_CASE(refuses_what_makes_no_sense)
{
    KVDB_CHECK_ERROR(static_cast<void>(open(by_time(std::chrono::milliseconds(-1)))), invalid_argument);
    KVDB_CHECK_ERROR(static_cast<void>(open(by_time(std::chrono::hours(7 * 24) + std::chrono::milliseconds(1)))),
                     invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
