// SPDX-License-Identifier: BSL-1.0
// Files, folders and media that cannot be written.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <string>

#include "support/child.hpp"
#include "support/file_system.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

void fill(database& db)
{
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
}

void demand_all(const database& db)
{
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        demand(db.get(numbered_key(i)) == telling_value(i, 1), "entry " + std::to_string(i));
    }
    demand(db.size() == 1'000, "size");
    demand(db.check().ok(), "check");
}

void demand_refused(const std::filesystem::path& path, const options& how, errc reason)
{
    try {
        (void)database::open(path, how);
    } catch (const error& caught) {
        demand(caught.reason() == reason, std::string("wrong reason: ") + caught.what());
        return;
    }
    demand(false, "opened, but should not be");
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(read_only, store_fixture)

BOOST_AUTO_TEST_CASE(a_file_of_mode_0444)
{
    {
        auto db = open();
        fill(db);
    }
    ::chmod(file.c_str(), 0444);
    const std::string before = read_bytes(file);
    {
        const auto db = open(with_mode(open_mode::read_only));
        demand_all(db);
    }
    BOOST_TEST((read_bytes(file) == before));
    ::chmod(file.c_str(), 0600);
}

BOOST_AUTO_TEST_CASE(a_user_without_permission)
{
    {
        auto db = open();
        fill(db);
    }
    ::chmod(folder.path().c_str(), 0755);
    expect_done(in_child([&] {
        ::chmod(file.c_str(), 0444);
        if (::geteuid() != 0 || ::setresuid(65'534, 65'534, 65'534) != 0) {
            return skipped;
        }
        demand_all(open(with_mode(open_mode::read_only)));
        demand_refused(file, with_mode(open_mode::open_only), errc::no_permission);
        demand_refused(file, {}, errc::no_permission);
        demand_refused(folder / "new.kvdb", {}, errc::no_permission);
        return 0;
    }));
    ::chmod(file.c_str(), 0600);
    expect_done(in_child([&] {
        if (::geteuid() != 0 || ::setresuid(65'534, 65'534, 65'534) != 0) {
            return skipped;
        }
        demand_refused(file, with_mode(open_mode::read_only), errc::no_permission);
        return 0;
    }));
}

BOOST_AUTO_TEST_CASE(a_read_only_file_system)
{
    expect_done(in_small_file_system(folder.path(), 64 << 20, [&] {
        {
            auto db = open();
            fill(db);
        }
        // A second file whose writer was killed: nobody may recover it here.
        const auto unclean = folder / "unclean.kvdb";
        demand(in_child([&] {
                   auto db = database::open(unclean);
                   fill(db);
                   return ::raise(SIGKILL);
               }) == -SIGKILL,
               "the writer was to be killed");
        demand(::mount("kvdb-test", folder.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0, "remount");
        options distrusting = with_mode(open_mode::read_only);
        distrusting.distrust = true;
        demand_all(open(with_mode(open_mode::read_only)));
        demand_all(open(distrusting));
        demand_all(database::open(unclean, with_mode(open_mode::read_only)));
        const auto db = database::open(unclean, distrusting);
        demand_all(db);
        demand(db.stats().private_index, "the index must be private");
        demand_refused(file, with_mode(open_mode::open_only), errc::read_only);
        demand_refused(folder / "new.kvdb", {}, errc::read_only);
        return 0;
    }));
}

BOOST_AUTO_TEST_CASE(a_reader_sees_what_writers_do)
{
    auto writer = open(with_shards(4));
    const auto reader = open(with_mode(open_mode::read_only));
    BOOST_TEST(reader.size() == 0U);
    for (std::uint64_t i = 0; i < 30'000; ++i) {  // through splits and growth
        writer.set(numbered_key(i), telling_value(i, 1));
        if (i % 100 == 0) {
            BOOST_REQUIRE(reader.get(numbered_key(i)) == telling_value(i, 1));
            BOOST_REQUIRE(writer.erase(numbered_key(i)));
            BOOST_REQUIRE(!reader.contains(numbered_key(i)));
        }
    }
    BOOST_TEST(reader.size() == writer.size());
    BOOST_CHECK(contents_of(reader) == contents_of(writer));
    writer.set("large", bytes_of(3'000'000, 1));
    BOOST_CHECK(reader.get("large") == bytes_of(3'000'000, 1));
    writer.close();
    BOOST_CHECK(reader.get(numbered_key(29'999)) == telling_value(29'999, 1));
    BOOST_TEST(reader.check().ok());
}

BOOST_AUTO_TEST_CASE(a_reader_with_a_private_index_moves_on_when_a_writer_recovers)
{
    const auto copy = folder / "copy.kvdb";
    {
        auto db = open();
        fill(db);
        db.sync();
        std::filesystem::copy_file(file, copy);  // in use: unclean, and another inode
    }
    const auto reader = database::open(copy, with_mode(open_mode::read_only));
    demand_all(reader);
    BOOST_TEST(reader.stats().private_index);
    auto writer = database::open(copy);
    writer.set("new", "value");
    BOOST_CHECK(reader.get("new") == "value");
    BOOST_TEST(!reader.stats().private_index);
    BOOST_TEST(reader.size() == 1'001U);
    expect_whole(reader);
}

BOOST_AUTO_TEST_SUITE_END()
