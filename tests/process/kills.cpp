// SPDX-License-Identifier: BSL-1.0
// kill -9 under load: nothing acknowledged is lost, nothing is torn, nobody is stuck.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>

#include "ledger.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr std::size_t writers = 3;
constexpr std::size_t reader = 3;  // the fourth worker only reads

/// A sanitizer makes a process of this size slow to fork and to begin; the full number is for the others.
std::uint64_t number_of_kills()
{
    return setting("KVDB_TEST_KILLS", sanitized ? 80 : 240);
}

struct load {
    const std::filesystem::path& path;
    shared<ledger> book{};
    std::array<child, ledger::max_workers> workers{};
    options writing{};
    std::uint64_t starts = 0;

    explicit load(const std::filesystem::path& file) : path(file) {}

    void start(std::size_t worker)
    {
        const std::uint64_t seed = ++starts;
        workers[worker] = child([this, worker, seed]() -> int {
            if (worker == reader) {
                book->read_for_ever(worker, path, seed);
            }
            book->write_for_ever(worker, path, seed, writing);
        });
    }

    /// Kills workers, one after the other, and settles with `db` what they were doing.
    void torture(database& db, std::uint64_t rounds, chance& source)
    {
        for (std::size_t worker = 0; worker < ledger::max_workers; ++worker) {
            start(worker);
        }
        for (std::uint64_t round = 0; round < rounds; ++round) {
            const std::size_t victim = source.below(8) == 0 ? reader : source.below(writers);
            BOOST_REQUIRE_MESSAGE(progresses(victim, 1 + source.below(60)),
                                  "worker " << victim << " is stuck or gave up");
            BOOST_REQUIRE_EQUAL(workers[victim].kill(), -SIGKILL);
            if (victim != reader) {
                BOOST_REQUIRE_EQUAL(book->settle(victim, db), "");
            }
            for (std::size_t other = 0; other < ledger::max_workers; ++other) {
                BOOST_REQUIRE_MESSAGE(other == victim || progresses(other, 1),
                                      "survivor " << other << " is stuck or gave up");
            }
            start(victim);
        }
        for (std::size_t worker = 0; worker < ledger::max_workers; ++worker) {
            BOOST_REQUIRE(progresses(worker, 1));
            BOOST_TEST(workers[worker].kill() == -SIGKILL);
        }
        for (std::size_t worker = 0; worker < writers; ++worker) {
            BOOST_TEST(book->settle(worker, db) == "");
        }
        BOOST_TEST(db.stats().last_recovery.at_unix_ms == 0U);
        expect_whole(db);
    }

    [[nodiscard]] std::uint64_t operations() const
    {
        std::uint64_t sum = 0;
        for (std::size_t worker = 0; worker < ledger::max_workers; ++worker) {
            sum += book->progress(worker);
        }
        return sum;
    }

    /// Waits until a worker has done so many operations more.
    [[nodiscard]] bool progresses(std::size_t worker, std::uint64_t operations)
    {
        const std::uint64_t goal = book->progress(worker) + operations;
        return eventually([&] { return book->progress(worker) >= goal || workers[worker].ended(); }) &&
               !workers[worker].ended();
    }
};

struct kill_fixture : store_fixture {
    /// So many kills with one handle attached all the time, so that no recovery helps. A long run takes a new file
    /// now and then, since a log only grows while writers go on.
    void torture(const char* what, std::uint64_t kills, std::uint64_t seed, durability durable)
    {
        constexpr std::uint64_t kills_a_file = 500;
        chance source(seed);
        std::uint64_t operations = 0;
        for (std::uint64_t done = 0; done < kills; done += kills_a_file) {
            std::filesystem::remove(file);
            auto db = open(with_shards(4));
            load work(file);
            work.writing.durable = durable;
            work.torture(db, std::min(kills - done, kills_a_file), source);
            operations += work.operations();
        }
        std::printf("%s: %llu kills during %llu operations; none lost, none torn, none stuck\n", what,
                    static_cast<unsigned long long>(kills), static_cast<unsigned long long>(operations));
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(kills, kill_fixture)

BOOST_AUTO_TEST_CASE(of_writers_and_readers_under_load)
{
    torture("kills under load", number_of_kills(), setting("KVDB_TEST_SEED", 1), durability::relaxed);
}

BOOST_AUTO_TEST_CASE(of_writers_that_commit_together)
{
    torture("kills of durable writers", number_of_kills() / 4, setting("KVDB_TEST_SEED", 1) + 1, durability::sync);
}

BOOST_AUTO_TEST_CASE(of_all_at_once_and_a_fresh_open)
{
    load work(file);
    for (int round = 0; round < 12; ++round) {
        for (std::size_t worker = 0; worker < writers; ++worker) {
            work.start(worker);
        }
        for (std::size_t worker = 0; worker < writers; ++worker) {
            BOOST_REQUIRE(work.progresses(worker, 20));
        }
        for (std::size_t worker = 0; worker < writers; ++worker) {
            work.workers[worker].signal(SIGKILL);
        }
        for (std::size_t worker = 0; worker < writers; ++worker) {
            BOOST_TEST(work.workers[worker].wait() == -SIGKILL);
        }
        options how;
        how.distrust = round % 3 == 2;
        auto db = open(how);
        for (std::size_t worker = 0; worker < writers; ++worker) {
            BOOST_REQUIRE_EQUAL(work.book->settle(worker, db), "");
        }
        expect_whole(db);
    }
}

BOOST_AUTO_TEST_SUITE_END()
