// SPDX-License-Identifier: BSL-1.0
#include "space/rig.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <optional>
#include <string_view>

namespace kvdb::testing {
namespace {

struct summary {
    summary() { static_cast<void>(totals()); }
    summary(const summary&) = delete;
    summary& operator=(const summary&) = delete;
    ~summary()
    {
        const figures& all = totals();
        std::cout << "space: seed " << seed_of_run() << ", " << all.operations << " operations, errors:";
        for (std::size_t i = 0; i < std::size(all.errors); ++i) {
            if (all.errors[i] != 0) {
                std::cout << ' ' << make_error_code(static_cast<errc>(i)).message() << ' ' << all.errors[i] << ',';
            }
        }
        std::cout << ' ' << all.reopenings << " reopenings, " << all.verified << " values verified, lost " << all.lost
                  << std::endl;
    }
};
BOOST_TEST_GLOBAL_FIXTURE(summary);

void expect_entry(const database& db, const ledger& known, std::uint64_t number, const char* when)
{
    const ledger::entry& wanted = known.entries[number];
    const std::optional<std::string> found = db.get(ledger::key(number));
    const bool good =
        wanted.version == 0 ? !found : found && *found == telling_value(number, wanted.version, wanted.size);
    if (!good) {
        ++totals().lost;
        const auto told = found ? told_version(number, *found) : std::nullopt;
        demand(false, std::string(when) + ": key " + std::to_string(number) + " should be version " +
                          std::to_string(wanted.version) + " and is " +
                          (!found  ? "absent"
                           : !told ? "torn"
                                   : std::to_string(*told)));
    }
    ++totals().verified;
}

}  // namespace

figures& totals()
{
    static const shared<figures> all;
    return *all;
}

std::uint64_t seed_of_run()
{
    static const auto now =
        static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()) % 1'000'000'000;
    static const std::uint64_t seed = setting("KVDB_TEST_SEED", now);
    return seed;
}

std::uint64_t rounds_of_run(std::uint64_t usual)
{
    return setting("KVDB_TEST_ROUNDS", usual);
}

void expect_sensible(const error& caught, const std::filesystem::path& file, const std::set<errc>& allowed)
{
    const std::string_view words = caught.what();
    demand(allowed.contains(caught.reason()),
           "an unexpected reason: " + caught.code().message() + ": " + caught.what());
    demand(words.find(file.filename().string()) != std::string_view::npos,
           "does not name the file: " + std::string(words));
    ++totals().errors[caught.code().value()];
}

std::uint64_t ledger::count() const
{
    return static_cast<std::uint64_t>(
        std::count_if(std::begin(entries), std::end(entries), [](const entry& each) { return each.version != 0; }));
}

void expect_all(const database& db, const ledger& known)
{
    for (std::uint64_t i = 0; i < std::size(known.entries); ++i) {
        expect_entry(db, known, i, "all");
    }
    demand(db.size() == known.count(), "size()");
    std::uint64_t walked = 0;
    db.for_each([&](std::string_view, std::string_view) { ++walked; });
    demand(walked == known.count(), "for_each");
    const check_report report = db.check();
    demand(report.ok(), report.ok() ? "" : "check: " + report.faults[0].what);
}

void expect_all_reopened(const std::filesystem::path& file, const ledger& known)
{
    options how = with_mode(open_mode::open_only);
    for (const bool distrust : {false, true}) {
        how.distrust = distrust;
        auto db = database::open(file, how);
        ++totals().reopenings;
        expect_all(db, known);
        db.close();
    }
    how = with_mode(open_mode::read_only);
    expect_all(database::open(file, how), known);
    ++totals().reopenings;
}

std::uint64_t user::any_size()
{
    const std::uint64_t kind = source_.below(20);
    const std::uint64_t bound = kind < 13 ? 300 : kind < 18 ? 6'000 : work_.largest;
    return 16 + source_.below(std::min(bound, work_.largest));
}

void user::change(database& db, std::uint64_t number, bool erases)
{
    ledger::entry& mine = known_.entries[number];
    const bool durable = work_.syncs && source_.below(5) == 0;
    const std::string key = ledger::key(number);
    if (erases) {
        const bool there = durable ? db.erase(key, durability::sync) : db.erase(key);
        demand(there == (mine.version != 0), "erase() says otherwise");
        mine.version = mine.size = 0;
        return;
    }
    const ledger::entry next{++mine.tried, any_size(), mine.tried};
    const std::string value = telling_value(number, next.version, next.size);
    try {
        durable ? db.set(key, value, durability::sync) : db.set(key, value);
        mine = next;
    } catch (const error& caught) {
        const bool flush = std::string_view(caught.what()).starts_with("cannot flush");
        settle(db, number, next, flush || caught.reason() == errc::poisoned);
        throw;
    }
}

void user::settle(const database& db, std::uint64_t number, const ledger::entry& attempted, bool visible)
{
    ledger::entry& mine = known_.entries[number];
    if (visible) {
        const auto found = db.get(ledger::key(number));
        const bool done = attempted.version == 0
                              ? !found
                              : found && *found == telling_value(number, attempted.version, attempted.size);
        if (done) {
            mine = attempted;
            return;
        }
    }
    expect_entry(db, known_, number, "after a failure");
}

bool user::step(database& db)
{
    ++totals().operations;
    const std::uint64_t number = first_ + source_.below(ledger::keys_of_user);
    const std::uint64_t kind = source_.below(100);
    try {
        if (kind < 72) {
            change(db, number, false);
        } else if (kind < 88) {
            const ledger::entry gone{0, 0, known_.entries[number].tried};
            try {
                change(db, number, true);
            } catch (const error& caught) {
                const bool flush = std::string_view(caught.what()).starts_with("cannot flush");
                settle(db, number, gone, flush || caught.reason() == errc::poisoned);
                throw;
            }
        } else if (kind < 92 && work_.syncs) {
            db.sync();
        }
        in_a_row_ = 0;
    } catch (const error& caught) {
        expect_sensible(caught, file_, work_.allowed);
        ++refused_;
        ++in_a_row_;
        expect_entry(db, known_, first_ + source_.below(ledger::keys_of_user), "beside a failure");
        return false;
    }
    expect_entry(db, known_, number, "after a success");
    return true;
}

}  // namespace kvdb::testing
