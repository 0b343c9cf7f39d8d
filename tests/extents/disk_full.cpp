// SPDX-License-Identifier: BSL-1.0
// A file that may not grow: an error, never a signal, and a store that goes on with what it has.
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <string>

#include "support/child.hpp"
#include "support/file_system.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr rlim_t limit = 600'000;

void set_limit(rlim_t size)
{
    rlimit value{};
    demand(::getrlimit(RLIMIT_FSIZE, &value) == 0, "getrlimit");
    value.rlim_cur = std::min(size, value.rlim_max);
    demand(::setrlimit(RLIMIT_FSIZE, &value) == 0, "setrlimit");
}

/// Sets new keys of that size until one fails. Returns how many are there.
std::uint64_t fill(database& db, errc wanted, std::size_t size, std::uint64_t from = 0)
{
    for (std::uint64_t i = from; i < 1'000'000; ++i) {
        try {
            db.set(numbered_key(i), telling_value(i, 1, size));
        } catch (const error& caught) {
            demand(caught.reason() == wanted, std::string("another error: ") + caught.what());
            demand(std::string(caught.what()).size() > 10, "an error without words");
            return i;
        }
    }
    throw std::runtime_error("it never got full");
}

void expect_there(const database& db, std::uint64_t count, std::size_t size)
{
    for (std::uint64_t i = 0; i < count; ++i) {
        demand(db.get(numbered_key(i)) == telling_value(i, 1, size), "lost: " + numbered_key(i));
    }
    demand(!db.contains(numbered_key(count)), "a key whose set failed");
    demand(db.size() == count, "size()");
    const check_report report = db.check();
    demand(report.ok(), report.ok() ? "" : report.faults[0].what);
}

/// The whole story under a limit that `lift` takes away.
template <class Lift>
int live_through_it(const std::filesystem::path& file, errc wanted, std::size_t size, const Lift& lift)
{
    options how = with_shards(4);
    how.max_handles = 8;
    auto db = database::open(file, how);
    const std::uint64_t count = fill(db, wanted, size);
    demand(count > 0, "nothing fitted");
    expect_there(db, count, size);
    for (int i = 0; i < 5; ++i) {  // again and again, and from another handle
        fill(db, wanted, size, count);
        auto other = database::open(file, how);
        fill(other, wanted, size, count);
        expect_there(other, count, size);
    }
    expect_there(db, count, size);
    lift();
    for (std::uint64_t i = count; i < 2 * count; ++i) {
        db.set(numbered_key(i), telling_value(i, 1, size));
    }
    expect_there(db, 2 * count, size);
    db.close();
    how.distrust = true;
    db = database::open(file, how);
    expect_there(db, 2 * count, size);
    return 0;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(disk_full, store_fixture)

BOOST_AUTO_TEST_CASE(a_limit_on_the_size_of_files)
{
    for (const std::size_t size : {100U, 5'000U, 50'000U}) {
        BOOST_TEST_CONTEXT("values of " << size << " bytes")
        {
            BOOST_TEST(in_child([&] {
                           set_limit(limit);
                           return live_through_it(file, errc::file_too_large, size, [] { set_limit(RLIM_INFINITY); });
                       }) == 0);
            std::filesystem::remove(file);
        }
    }
}

BOOST_AUTO_TEST_CASE(no_room_even_for_an_empty_database)
{
    BOOST_TEST(in_child([&] {
                   set_limit(4'096);
                   try {
                       auto db = database::open(file);
                       return 2;
                   } catch (const error& caught) {
                       demand(caught.reason() == errc::file_too_large, caught.what());
                   }
                   demand(std::filesystem::is_empty(folder.path()), "something was left behind");
                   return 0;
               }) == 0);
}

BOOST_AUTO_TEST_CASE(a_value_that_cannot_fit_leaves_room_for_others)
{
    BOOST_TEST(in_child([&] {
                   set_limit(limit);
                   auto db = database::open(file, with_shards(1));
                   db.set("key", "before");
                   for (int i = 0; i < 3; ++i) {
                       try {
                           db.set("key", std::string(2 * limit, 'x'));
                           return 2;
                       } catch (const error& caught) {
                           demand(caught.reason() == errc::file_too_large, caught.what());
                       }
                       demand(db.get("key") == "before", "the old value");
                   }
                   db.set("key", std::string(limit / 3, 'y'));
                   demand(db.get("key") == std::string(limit / 3, 'y'), "the new value");
                   demand(db.check().ok(), "check");
                   return 0;
               }) == 0);
}

BOOST_AUTO_TEST_CASE(a_full_file_system)
{
    for (const std::size_t size : {100U, 5'000U, 50'000U}) {
        BOOST_TEST_CONTEXT("values of " << size << " bytes")
        {
            expect_done(in_small_file_system(folder.path(), 1 << 20, [&] {
                const auto ballast = folder / "ballast";
                write_bytes(ballast, std::string(600'000, 'b'));
                return live_through_it(file, errc::disk_full, size, [&] { std::filesystem::remove(ballast); });
            }));
        }
    }
}

BOOST_AUTO_TEST_CASE(recovery_on_a_full_file_system)
{
    expect_done(in_small_file_system(folder.path(), 1 << 20, [&] {
        options how = with_shards(1);
        how.max_handles = 8;
        auto db = database::open(file, how);
        const std::uint64_t count = fill(db, errc::disk_full, 300);
        db.close();
        how.distrust = true;  // the index is made anew in the space of the old one
        db = database::open(file, how);
        expect_there(db, count, 300);
        return 0;
    }));
}

BOOST_AUTO_TEST_CASE(no_room_for_an_empty_database_on_a_full_file_system)
{
    expect_done(in_small_file_system(folder.path(), 1 << 20, [&] {
        const auto ballast = folder / "ballast";
        write_bytes(ballast, std::string((1 << 20) - 8'192, 'b'));
        try {
            auto db = database::open(file);
            return 2;
        } catch (const error& caught) {
            demand(caught.reason() == errc::disk_full, caught.what());
        }
        std::filesystem::remove(ballast);
        demand(std::filesystem::is_empty(folder.path()), "something was left behind");
        return 0;
    }));
}

BOOST_AUTO_TEST_SUITE_END()
