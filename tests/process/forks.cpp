// SPDX-License-Identifier: BSL-1.0
// Handles that a forked child inherits.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "io/crash_point.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct signals {
    std::atomic<int> ready;
    std::atomic<bool> done;
    std::atomic<bool> failed;
};

void write_range(database& db, std::uint64_t from, std::uint64_t count)
{
    for (std::uint64_t i = from; i < from + count; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
        demand(db.get(numbered_key(i)) == telling_value(i, 1), "lost " + std::to_string(i));
    }
}

void expect_range(const database& db, std::uint64_t from, std::uint64_t count)
{
    std::uint64_t missing = 0;
    for (std::uint64_t i = from; i < from + count; ++i) {
        missing += db.get(numbered_key(i)) == telling_value(i, 1) ? 0U : 1U;
    }
    BOOST_TEST(missing == 0U);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(forks, store_fixture)

BOOST_AUTO_TEST_CASE(parent_and_child_go_on_with_one_handle)
{
    for (const bool closes : {true, false}) {
        auto db = open(with_shards(4));
        write_range(db, 0, 100);
        child other([&] {
            write_range(db, 10'000, 5'000);
            if (closes) {
                db.close();
            }
            return 0;
        });
        write_range(db, 20'000, 5'000);
        BOOST_TEST(other.wait() == 0);
        write_range(db, 30'000, 1'000);  // the child's close took nothing of the parent's
        BOOST_TEST(db.stats().writers.size() == 1U);
        expect_range(db, 0, 100);
        expect_range(db, 10'000, 5'000);
        expect_range(db, 20'000, 5'000);
        expect_whole(db);
    }
}

BOOST_AUTO_TEST_CASE(both_write_the_same_keys)
{
    auto db = open(with_shards(1));
    const auto work = [&](std::uint64_t seed) {
        chance source(seed);
        for (int i = 0; i < 20'000; ++i) {
            const std::uint64_t key = source.below(50);
            db.set(numbered_key(key), telling_value(key, source.next(), 16 + source.below(100)));
            const auto value = db.get(numbered_key(source.below(50)));
            demand(!value || value->size() >= 16, "torn");
        }
        return 0;
    };
    child first([&] { return work(1); });
    child second([&] { return work(2); });
    work(3);
    BOOST_TEST(first.wait() == 0);
    BOOST_TEST(second.wait() == 0);
    db.for_each([](std::string_view key, std::string_view value) {
        BOOST_CHECK(told_version(std::stoull(std::string(key.substr(4))), value));
    });
    BOOST_TEST(db.size() == 50U);
    expect_whole(db);
}

BOOST_AUTO_TEST_CASE(the_child_closes_first_and_the_parent_stays_attached)
{
    auto db = open();
    db.set("k", "parent");
    BOOST_TEST(in_child([&] {
                   db.close();  // unused since the fork
                   demand(!db.is_open(), "closed");
                   return 0;
               }) == 0);
    // Had the child dropped the parent's gate, this opener would think itself alone and could mark the file clean.
    BOOST_TEST(in_child([&] {
                   auto other = open();
                   demand(other.stats().writers.size() == 2, "the parent must still be attached");
                   other.set("k", "other");
                   other.close();
                   return 0;
               }) == 0);
    BOOST_CHECK(db.get("k") == "other");
    write_range(db, 0, 2'000);
    BOOST_TEST(db.stats().writers.size() == 1U);
}

BOOST_AUTO_TEST_CASE(the_parent_dies_first)
{
    for (const int end : {0, SIGKILL}) {
        shared<signals> common;
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        child parent([&]() -> int {
            auto db = open(with_shards(2));
            db.set("parent", "was here");
            const pid_t orphan = ::fork();
            demand(orphan >= 0, "fork");
            if (orphan == 0) {
                run_and_leave([&] {
                    write_range(db, 0, 500);
                    common->ready = 1;
                    const pid_t first = ::getppid();
                    const bool alone = eventually([&] { return ::getppid() != first || common->done; });
                    write_range(db, 500, 3'000);
                    common->failed = !alone || db.get("parent") != "was here";
                    db.close();
                    return common->failed ? 1 : 0;
                });
            }
            demand(eventually([&] { return common->ready == 1; }), "the child does nothing");
            if (end != 0) {
                ::raise(end);
            }
            ::_exit(0);
        });
        BOOST_TEST(parent.wait() == -end);
        common->done = true;
        int status = -1;
        BOOST_TEST(::wait(&status) > 0);
        BOOST_TEST(status == 0);
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
        const auto db = open();
        expect_range(db, 0, 3'500);
        BOOST_TEST(db.stats().writers.size() == 1U);
        BOOST_TEST(!common->failed);
    }
}

BOOST_AUTO_TEST_CASE(a_fork_while_threads_hold_locks)
{
    if (sanitized) {
        BOOST_TEST_MESSAGE("skipped: the sanitizer's own allocator may stay locked in a child for ever");
        return;
    }
    auto db = open(with_shards(1));
    std::atomic<bool> stop = false;
    std::atomic<std::uint64_t> written = 0;
    std::vector<std::thread> threads;
    for (std::uint64_t mine = 1; mine <= 2; ++mine) {
        threads.emplace_back([&, mine] {
            for (std::uint64_t i = 0; !stop; ++i, ++written) {
                db.set(numbered_key(mine * 1'000'000 + i % 3'000), telling_value(mine, i));
            }
        });
    }
    int failed = 0;
    for (std::uint64_t round = 0; round < 40; ++round) {
        const std::uint64_t before = written;
        failed += in_child([&] {
                      write_range(db, round * 100, 20);
                      return 0;
                  }) != 0;
        failed += eventually([&] { return written > before; }) ? 0 : 1;
    }
    stop = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    BOOST_TEST(failed == 0);
    for (std::uint64_t round = 0; round < 40; ++round) {
        expect_range(db, round * 100, 20);
    }
    expect_whole(db);
}

BOOST_AUTO_TEST_CASE(a_fork_inside_a_visitor)
{
    auto db = open();
    write_range(db, 0, 300);
    int failed = 0;
    std::uint64_t visited = 0;
    db.for_each([&](std::string_view key, std::string_view) {
        if (++visited % 100 == 0) {
            failed += in_child([&] {
                          db.set("child-" + std::string(key), "v");
                          return db.contains(key) ? 0 : 1;
                      }) != 0;
        }
    });
    BOOST_TEST(failed == 0);
    BOOST_TEST(visited >= 300U);
    BOOST_TEST(db.size() == 303U);
}

BOOST_AUTO_TEST_CASE(generations)
{
    auto db = open();
    BOOST_TEST(in_child([&] {
                   write_range(db, 0, 50);
                   return in_child([&] {
                       write_range(db, 50, 50);
                       return in_child([&] {
                           write_range(db, 100, 50);
                           return 0;
                       });
                   });
               }) == 0);
    expect_range(db, 0, 150);
    BOOST_TEST(db.stats().writers.size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_inherited_read_only_handle)
{
    auto writer = open();
    write_range(writer, 0, 100);
    const auto reader = open(with_mode(open_mode::read_only));
    BOOST_TEST(in_child([&] {
                   demand(reader.size() == 100, "size");
                   demand(reader.get(numbered_key(5)) == telling_value(5, 1), "get");
                   writer.set("from the child", "v");
                   return reader.get("from the child") == "v" ? 0 : 1;
               }) == 0);
    BOOST_CHECK(reader.get("from the child") == "v");
}

namespace {

std::atomic<bool> in_the_gate;
std::atomic<bool> forked;

}  // namespace

BOOST_AUTO_TEST_CASE(while_another_thread_opens)
{
    if (sanitized) {
        BOOST_TEST_MESSAGE("skipped: AddressSanitizer forks with its allocator locked");
        return;
    }
    in_the_gate = false;
    forked = false;
    database opened;
    std::thread opener([&] {
        test_crash_hook = [](const char* point) {
            if (std::string_view(point) == "gate.entered" && !in_the_gate.exchange(true)) {
                static_cast<void>(eventually([] { return forked.load(); }));
            }
        };
        opened = open();
        opened.set("key", "value");
    });
    BOOST_REQUIRE(eventually([] { return in_the_gate.load(); }));
    BOOST_TEST(in_child([] { return 0; }) == 0);
    forked = true;
    opener.join();
    test_crash_hook = nullptr;
    BOOST_TEST(opened.get("key").value_or("") == "value");
}

BOOST_AUTO_TEST_SUITE_END()
