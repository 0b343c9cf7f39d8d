// SPDX-License-Identifier: BSL-1.0
// A process dies at every named step of the engine, one after the other; whoever comes next finds all that was
// acknowledged, and of what was under way all or nothing.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "database/journal.hpp"
#include "io/crash_point.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

/// Visits of each point; in a child, the visit to die at.
struct visits {
    std::mutex guard;
    std::map<std::string, std::uint64_t> counted;
    std::string die_at;           // empty: at any point
    std::uint64_t remaining = 0;  // 0: never
};
visits seen;

void on_point(const char* point)
{
    const std::lock_guard lock(seen.guard);
    ++seen.counted[point];
    if (seen.remaining != 0 && (seen.die_at.empty() || seen.die_at == point) && --seen.remaining == 0) {
        ::raise(SIGKILL);
    }
}

void watch(const std::string& die_at, std::uint64_t visit)
{
    seen.counted.clear();
    seen.die_at = die_at;
    seen.remaining = visit;
    test_crash_hook = on_point;
}

struct book {
    std::atomic<std::uint64_t> begun;
    std::atomic<std::uint64_t> done;
};

constexpr std::uint64_t operations = 1'500;

/// The same for each number: sets of many sizes, overwrites, erases; keys enough for splits, bytes enough for growth.
template <class Set, class Erase>
void operation(std::uint64_t number, const Set& set, const Erase& erase)
{
    chance source(number);
    const std::uint64_t key = source.below(700);
    if (source.below(6) == 0) {
        erase(numbered_key(key));
    } else {
        set(numbered_key(key), telling_value(key, number, number % 200 == 17 ? 34'000 : 16 + source.below(300)));
    }
}

void perform(database& db, book& notes, std::uint64_t from, std::uint64_t to)
{
    for (std::uint64_t number = from; number < to; ++number) {
        notes.begun = number + 1;
        operation(
            number, [&](const std::string& key, const std::string& value) { db.set(key, value); },
            [&](const std::string& key) { db.erase(key); });
        notes.done = number + 1;
    }
}

[[nodiscard]] contents model_after(std::uint64_t count)
{
    contents model;
    for (std::uint64_t number = 0; number < count; ++number) {
        operation(
            number, [&](const std::string& key, const std::string& value) { model[key] = value; },
            [&](const std::string& key) { model.erase(key); });
    }
    return model;
}

/// The first visits, so many that each step of one program is among them; one from the middle; the last.
[[nodiscard]] std::vector<std::uint64_t> chosen(const std::string& point, std::uint64_t count)
{
    std::set<std::uint64_t> some = {(count + 1) / 2, count};
    for (std::uint64_t visit = 1; visit <= std::min<std::uint64_t>(point.ends_with(".step") ? 8 : 2, count);
         ++visit) {
        some.insert(visit);
    }
    return {some.begin(), some.end()};
}

struct crash_fixture : store_fixture {
    shared<book> notes;
    options how = with_shards(1);

    crash_fixture() { how.max_handles = 8; }
    crash_fixture(const crash_fixture&) = delete;
    crash_fixture& operator=(const crash_fixture&) = delete;
    ~crash_fixture()
    {
        test_crash_hook = nullptr;
        test_policy<journal_policy> = {};
    }

    void start_over()
    {
        std::filesystem::remove(file);
        notes->begun = 0;
        notes->done = 0;
    }

    void expect_acknowledged(const database& db) const
    {
        const contents found = contents_of(db);
        const bool before = found == model_after(notes->done);
        BOOST_TEST((before || found == model_after(notes->begun)));
    }

    /// Nothing leaks but log space behind the last record of an extent that was left early, one at each death and
    /// each rebuild, and an extent is a sixteenth of its shard's log.
    void expect_little_lost() const
    {
        expect_whole_file(file);
        const statistics stats = open(with_mode(open_mode::read_only)).stats();
        const std::uint64_t unused = stats.log_bytes - stats.live_bytes - stats.dead_bytes - stats.limbo_bytes;
        BOOST_TEST(unused <= stats.log_bytes / 6 + 4'096);
    }

    /// The next in line repeats the last operation and some more on the same keys.
    void go_on(database& db)
    {
        const std::uint64_t from = notes->done;
        const contents reached = contents_of(db);
        for (const auto& [key, value] : reached) {
            BOOST_REQUIRE(db.get(key) == value);
        }
        perform(db, *notes, from, from + 60);
        BOOST_TEST((contents_of(db) == model_after(from + 60)));
        expect_whole(db);
    }

    /// Writes beside somebody who is attached.
    void beside()
    {
        auto db = open(how);
        perform(db, *notes, notes->done, operations);
        db.sync();
        db.close();
    }

    /// The whole life of a file with nobody else there: creation, last close, recovery.
    void alone()
    {
        {
            auto db = open(how);
            perform(db, *notes, notes->done, 700);
            db.sync();
            db.close();
        }
        options distrusting = how;
        distrusting.distrust = true;
        auto db = open(distrusting);
        perform(db, *notes, notes->done, operations);
        db.close();
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(crash_points, crash_fixture)

BOOST_AUTO_TEST_CASE(beside_a_living_process)
{
    auto db = open(how);
    watch("", 0);
    beside();
    test_crash_hook = nullptr;
    const auto recorded = seen.counted;
    db.close();
    for (const char* point :
         {"set.begin", "set.record-written", "set.armed", "set.step", "set.disarmed", "erase.armed",
          "set-large.armed", "split.armed", "accept-log.armed", "seal.marked", "clean-choose.armed", "clean.appended",
          "clean-copy.armed", "clean-skip.armed", "clean-finish.armed", "note-limbo.armed", "release.armed"}) {
        BOOST_TEST(recorded.count(point) == 1U, point);
    }
    std::uint64_t deaths = 0;
    for (const auto& visited : recorded) {
        const std::string& point = visited.first;
        const std::uint64_t count = visited.second;
        for (const std::uint64_t visit : chosen(point, count)) {
            BOOST_TEST_CONTEXT("killed at visit " << visit << " of " << point)
            {
                start_over();
                db = open(how);
                const int status = in_child([&] {
                    watch(point, visit);
                    beside();
                    return 0;
                });
                BOOST_TEST((status == -SIGKILL || status == 0));  // chance decides when segments split
                deaths += status == -SIGKILL ? 1U : 0U;
                expect_acknowledged(db);
                go_on(db);
                expect_acknowledged(open(with_mode(open_mode::read_only)));
                db.close();
                BOOST_TEST((contents_of(open(with_mode(open_mode::read_only))) == model_after(notes->done)));
                expect_little_lost();
            }
        }
    }
    BOOST_TEST(deaths >= recorded.size());
    BOOST_TEST_MESSAGE(deaths << " deaths at " << recorded.size() << " points");
}

BOOST_AUTO_TEST_CASE(with_nobody_else_there)
{
    watch("", 0);
    alone();
    test_crash_hook = nullptr;
    const auto recorded = seen.counted;
    std::uint64_t deaths = 0;
    for (const auto& visited : recorded) {
        const std::string& point = visited.first;
        const std::uint64_t count = visited.second;
        for (const std::uint64_t visit : chosen(point, count)) {
            BOOST_TEST_CONTEXT("killed at visit " << visit << " of " << point)
            {
                start_over();
                const int status = in_child([&] {
                    watch(point, visit);
                    alone();
                    return 0;
                });
                BOOST_TEST((status == -SIGKILL || status == 0));
                deaths += status == -SIGKILL ? 1U : 0U;
                if (!std::filesystem::exists(file)) {
                    BOOST_TEST(notes->begun == 0U);
                }
                if (visit % 2 == 0 && std::filesystem::exists(file)) {
                    expect_acknowledged(open(with_mode(open_mode::read_only)));
                }
                auto db = open(how);
                expect_acknowledged(db);
                go_on(db);
                db.close();
                options distrusting = how;
                distrusting.distrust = true;
                BOOST_TEST((contents_of(open(distrusting)) == model_after(notes->done)));
                expect_little_lost();
            }
        }
    }
    BOOST_TEST(deaths >= recorded.size());
    BOOST_TEST_MESSAGE(deaths << " deaths at " << recorded.size() << " points");
}

BOOST_AUTO_TEST_CASE(the_repairer_dies_too)
{
    auto db = open(how);
    watch("", 0);
    beside();
    test_crash_hook = nullptr;
    const auto recorded = seen.counted;
    db.close();
    for (const auto& visited : recorded) {
        const std::string& point = visited.first;
        const std::uint64_t count = visited.second;
        for (std::uint64_t step = 1; step <= 6; step += sanitized ? 2 : 1) {
            BOOST_TEST_CONTEXT("killed at " << point << ", the next one " << step << " points later")
            {
                start_over();
                db = open(how);
                BOOST_TEST(in_child([&] {
                               watch(point, (count + 2) / 3);
                               beside();
                               return 0;
                           }) <= 0);
                BOOST_TEST(in_child([&] {
                               auto mine = open(how);
                               watch("", step);
                               perform(mine, *notes, notes->done, notes->done + 3);
                               return 0;
                           }) <= 0);
                expect_acknowledged(db);
                go_on(db);
                db.close();
                expect_little_lost();
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(of_commits_with_a_small_journal)
{
    constexpr std::uint64_t commits = 150;
    test_policy<journal_policy> = {4 * 1'024, 0, 1};
    how.durable = durability::sync;
    const auto few = [&] {
        auto mine = open(how);
        perform(mine, *notes, notes->done, commits);
        mine.close();
    };
    auto db = open(how);
    watch("", 0);
    few();
    test_crash_hook = nullptr;
    const auto recorded = seen.counted;
    db.close();
    for (const char* point : {"journal.new-lap", "journal.written", "journal.flushed", "commit.finished"}) {
        BOOST_TEST(recorded.count(point) == 1U, point);
    }
    for (const auto& [point, count] : recorded) {
        if (!point.starts_with("journal.") && !point.starts_with("commit.") && point != "file.sync") {
            continue;
        }
        for (const std::uint64_t visit : chosen(point, count)) {
            BOOST_TEST_CONTEXT("killed at visit " << visit << " of " << point)
            {
                start_over();
                db = open(how);
                BOOST_TEST(in_child([&, at = point] {
                               watch(at, visit);
                               few();
                               return 0;
                           }) == -SIGKILL);
                expect_acknowledged(db);
                go_on(db);
                db.close();
                options distrusting = how;
                distrusting.distrust = true;
                BOOST_TEST((contents_of(open(distrusting)) == model_after(notes->done)));
                expect_little_lost();
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_check_before_anybody_came_by)
{
    for (const char* point : {"set.begin", "set.record-written", "set.disarmed", "erase.record-written"}) {
        start_over();
        how.durable = durability::sync;
        auto db = open(how);
        db.set("key", "value");
        const int end = in_child([&] {
            auto mine = database::open(file, how);
            watch(point, 1);
            mine.set("key", "other");
            mine.erase("key");
            return 0;
        });
        BOOST_REQUIRE_EQUAL(end, -SIGKILL);
        const check_report report = db.check();
        BOOST_TEST(report.ok(), point << ": " << (report.ok() ? "" : report.faults.front().what));
        BOOST_TEST(report.entries == db.size());
    }
}

BOOST_AUTO_TEST_SUITE_END()
