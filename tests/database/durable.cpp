// SPDX-License-Identifier: BSL-1.0
// Durability modes, checked reads, and an index that is built anew.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr durability every_mode[] = {durability::none, durability::relaxed, durability::sync};

/// Changes the byte in the middle of `needle` wherever that stands in the file. Returns the place.
std::uint64_t spoil(const std::filesystem::path& path, const std::string& needle)
{
    std::string bytes = read_bytes(path);
    const std::size_t at = bytes.find(needle);
    BOOST_REQUIRE(at != std::string::npos);
    bytes[at + needle.size() / 2] = static_cast<char>(~bytes[at + needle.size() / 2]);
    BOOST_REQUIRE(bytes.find(needle) == std::string::npos);
    write_bytes(path, bytes);
    return at;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(durable, store_fixture)

BOOST_AUTO_TEST_CASE(every_mode_stores)
{
    options how;
    std::uint64_t number = 0;
    contents model;
    for (int round = 0; round < 2; ++round) {
        for (const durability mode : every_mode) {
            how.durable = mode;
            auto db = open(how);
            for (int i = 0; i < 60; ++i, ++number) {
                model[numbered_key(number)] = telling_value(number, 1, number % 20 == 0 ? 70'000 : 100);
                db.set(numbered_key(number), model[numbered_key(number)]);
                if (i % 5 == 0) {
                    BOOST_TEST(db.erase(numbered_key(number / 2)) == (model.erase(numbered_key(number / 2)) == 1));
                }
            }
            db.sync();
            BOOST_CHECK(contents_of(db) == model);
        }
    }
    how.distrust = true;
    BOOST_CHECK(contents_of(open(how)) == model);
}

BOOST_AUTO_TEST_CASE(modes_side_by_side)
{
    options how;
    how.durable = durability::sync;
    auto careful = open(how);
    how.durable = durability::none;
    auto careless = open(how);
    for (std::uint64_t i = 0; i < 200; ++i) {
        (i % 4 == 0 ? careful : careless).set(numbered_key(i % 50), telling_value(i % 50, i));
    }
    for (std::uint64_t i = 150; i < 200; ++i) {
        BOOST_CHECK(told_version(i % 50, careful.get(numbered_key(i % 50)).value()) == i);
    }
}

BOOST_AUTO_TEST_CASE(everything_synced_is_in_a_copy_that_recovers)
{
    for (const durability mode : every_mode) {
        const auto path = folder / "original.kvdb";
        const auto copy = folder / "copy.kvdb";
        std::filesystem::remove(path);
        std::filesystem::remove(copy);
        options how = with_shards(4);
        how.durable = mode;
        auto db = database::open(path, how);
        contents model;
        for (std::uint64_t i = 0; i < 400; ++i) {
            model[numbered_key(i % 250)] = bytes_of(i % 300, i);
            db.set(numbered_key(i % 250), model[numbered_key(i % 250)]);
        }
        model.erase(numbered_key(7));
        BOOST_TEST(db.erase(numbered_key(7)));
        db.sync();
        std::filesystem::copy_file(path, copy);
        auto copied = database::open(copy);
        BOOST_CHECK(contents_of(copied) == model);
        BOOST_TEST(copied.stats().last_recovery.at_unix_ms != 0U);
        BOOST_TEST(copied.stats().last_recovery.entries == model.size());
        BOOST_TEST(copied.stats().incarnation > db.stats().incarnation);
        BOOST_TEST(db.stats().last_recovery.at_unix_ms == 0U);
        expect_whole(copied);
        copied.set("more", "v");
        copied.close();
        expect_whole_file(copy);
    }
}

BOOST_AUTO_TEST_CASE(a_rebuilt_index_says_the_same)
{
    contents model;
    {
        auto db = open(with_shards(8));
        for (std::uint64_t i = 0; i < 10'000; ++i) {
            const std::uint64_t key = i % 6'000;
            model[numbered_key(key)] = telling_value(key, i, i % 500 == 0 ? 40'000 : 16 + i % 90);
            db.set(numbered_key(key), model[numbered_key(key)]);
            if (i % 7 == 0) {
                model.erase(numbered_key(key / 2));
                db.erase(numbered_key(key / 2));
            }
        }
    }
    options how;
    how.distrust = true;
    std::atomic<std::uint64_t> reported = 0;  // perhaps from several threads
    std::atomic<std::uint64_t> wrong = 0;
    how.on_recovery = [&](std::uint64_t done, std::uint64_t total) {
        wrong += done <= total ? 0U : 1U;
        ++reported;
    };
    for (std::uint64_t round = 1; round <= 3; ++round) {
        auto db = open(how);
        const statistics stats = db.stats();
        BOOST_TEST(stats.incarnation >= round);
        BOOST_TEST(stats.last_recovery.entries == model.size());
        BOOST_TEST(stats.last_recovery.records_kept >= model.size());
        BOOST_TEST(stats.last_recovery.bytes_dropped == 0U);
        BOOST_CHECK(contents_of(db) == model);
        for (std::uint64_t i = 0; i < 200; ++i) {  // new records over those of older incarnations
            const std::uint64_t key = (i * 37 + round) % 6'000;
            if (i % 3 == 0) {
                BOOST_TEST(db.erase(numbered_key(key)) == (model.erase(numbered_key(key)) == 1));
            } else {
                model[numbered_key(key)] = telling_value(key, 1'000'000 * round + i);
                db.set(numbered_key(key), model[numbered_key(key)]);
            }
        }
        BOOST_CHECK(contents_of(db) == model);
    }
    BOOST_TEST(reported > 0U);
    BOOST_TEST(wrong == 0U);
    BOOST_CHECK(contents_of(open()) == model);
    const std::string before = read_bytes(file);
    BOOST_CHECK(contents_of(open(with_mode(open_mode::read_only, how))) == model);
    BOOST_TEST((read_bytes(file) == before));
}

BOOST_AUTO_TEST_CASE(checked_reads_find_a_spoiled_value)
{
    for (const std::size_t size : {40U, 400U, 20'000U, 50'000U, 1'000'000U}) {
        BOOST_TEST_CONTEXT("value of " << size << " bytes")
        {
            const auto path = folder / "spoiled.kvdb";
            std::filesystem::remove(path);
            const std::string value = bytes_of(size, size);
            {
                auto db = database::open(path);
                db.set("good", "good");
                db.set("bad", value);
            }
            options how = with_mode(open_mode::read_only);
            how.verify_reads = true;
            BOOST_CHECK(database::open(path, how).get("bad") == value);
            const std::uint64_t at = spoil(path, value);
            for (const open_mode mode : {open_mode::read_only, open_mode::open_only}) {
                how.mode = mode;
                const auto db = database::open(path, how);
                std::string into = "unchanged";
                KVDB_CHECK_ERROR((void)db.get("bad"), damaged);
                KVDB_CHECK_ERROR((void)db.get("bad", into), damaged);
                KVDB_CHECK_ERROR(db.for_each([](std::string_view, std::string_view) {}), damaged);
                BOOST_CHECK(db.get("good") == "good");
                const check_report report = db.check();
                BOOST_TEST(!report.ok());
                bool near = false;
                for (const check_fault& fault : report.faults) {
                    near = near || (fault.offset <= at + size && fault.offset + 4'096 >= at);
                    BOOST_TEST(!fault.what.empty());
                }
                BOOST_TEST(near);
                check_options fast;
                fast.checksums = false;
                BOOST_TEST(db.check(fast).ok());
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(check_tells_how_far_it_is_and_stops_at_its_limit)
{
    {
        auto db = open(with_shards(1));
        for (std::uint64_t i = 0; i < 5'000; ++i) {
            db.set(numbered_key(i), telling_value(i, 1));
        }
    }
    const auto path = folder / "spoiled.kvdb";
    std::filesystem::copy_file(file, path);
    for (std::uint64_t i = 0; i < 5'000; i += 1'000) {
        spoil(path, telling_value(i, 1));
    }
    const auto db = database::open(path, with_mode(open_mode::read_only));
    std::uint64_t last = 0;
    std::uint64_t calls = 0;
    check_options how;
    const check_report full = db.check(how, [&](std::uint64_t done, std::uint64_t total) {
        BOOST_TEST(done >= last);
        BOOST_TEST(done <= total);
        last = done;
        ++calls;
    });
    BOOST_TEST(calls > 0U);
    BOOST_TEST(full.faults.size() >= 5U);
    BOOST_TEST(full.bytes > 0U);
    BOOST_TEST(full.extents > 0U);
    how.max_faults = 1;
    BOOST_TEST(db.check(how).faults.size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
