// SPDX-License-Identifier: BSL-1.0
// A .kvdb file is a managed mapped file of Boost.Interprocess: each side opens what the other one made.
#include <boost/interprocess/managed_mapped_file.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstring>
#include <string>

#include "extents/raw_store.hpp"
#include "extents/segment_algorithm.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;
namespace bip = boost::interprocess;

namespace {

using managed_file = bip::basic_managed_mapped_file<char, extents::segment_algorithm, extents::segment_index>;
static_assert(sizeof(managed_file::segment_manager) <= format::header_size - format::superblock_offset);

const format::superblock& superblock_of(managed_file& file)
{
    return *reinterpret_cast<const format::superblock*>(file.get_segment_manager());
}

void fill(database& db, std::uint64_t count)
{
    for (std::uint64_t i = 0; i < count; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
}

void expect_filled(const database& db, std::uint64_t count)
{
    BOOST_TEST(db.size() == count);
    for (std::uint64_t i = 0; i < count; ++i) {
        BOOST_REQUIRE(db.get(numbered_key(i)) == telling_value(i, 1));
    }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(boost_managed, store_fixture)

BOOST_AUTO_TEST_CASE(boost_opens_what_kvdb_made)
{
    auto db = open();
    fill(db, 500);
    db.close();
    const std::string before = read_bytes(file);
    {
        managed_file boosts(bip::open_read_only, file.c_str());
        BOOST_TEST(superblock_of(boosts).identity.magic == format::magic);
        BOOST_TEST(boosts.get_size() == before.size());
    }
    BOOST_CHECK(read_bytes(file) == before);
    {
        managed_file boosts(bip::open_only, file.c_str());
        BOOST_TEST(superblock_of(boosts).identity.magic == format::magic);
        BOOST_TEST(superblock_of(boosts).state.clean == 1U);
        BOOST_TEST(boosts.get_size() == before.size());
        BOOST_TEST(boosts.get_free_memory() == 0U);
        BOOST_TEST(boosts.check_sanity());
        // Nobody makes objects in it by this way: its bytes are extents.
        BOOST_CHECK_THROW(static_cast<void>(boosts.allocate(16)), bip::bad_alloc);
    }
    BOOST_CHECK(read_bytes(file) == before);
    db = open(with_mode(open_mode::open_only));
    expect_filled(db, 500);
}

BOOST_AUTO_TEST_CASE(kvdb_opens_what_boost_made)
{
    {
        managed_file boosts(bip::create_only, file.c_str(), 1 << 20);
        BOOST_TEST(superblock_of(boosts).identity.magic == format::magic);
    }
    BOOST_TEST(std::filesystem::file_size(file) == 1U << 20);
    auto db = open(with_mode(open_mode::open_only));
    BOOST_TEST(db.stats().shard_count == 64U);
    BOOST_TEST(db.stats().file_size == 1U << 20);
    expect_whole(db);
    fill(db, 500);
    expect_filled(db, 500);
    expect_whole(db);
    db.close();
    managed_file again(bip::open_only, file.c_str());
    BOOST_TEST(superblock_of(again).state.clean == 1U);
}

BOOST_AUTO_TEST_CASE(kvdb_opens_the_smallest_file_that_boost_can_make)
{
    const std::size_t least = extents::segment_algorithm::get_min_size(0) + format::superblock_offset;
    {
        managed_file boosts(bip::create_only, file.c_str(), least);
    }
    BOOST_TEST(std::filesystem::file_size(file) == least);
    auto db = open(with_mode(open_mode::open_only));
    BOOST_TEST(db.stats().shard_count == format::min_shards);
    expect_whole(db);
    fill(db, 300);
    expect_filled(db, 300);
}

BOOST_AUTO_TEST_CASE(a_file_of_boosts_that_is_too_small_is_refused)
{
    const std::size_t least = extents::segment_algorithm::get_min_size(0) + format::superblock_offset;
    try {
        managed_file boosts(bip::create_only, file.c_str(), least - format::unit_size);
    } catch (const bip::interprocess_exception&) {
        BOOST_TEST_MESSAGE("Boost itself refuses so small a file");
    }
    if (std::filesystem::exists(file)) {
        BOOST_CHECK_THROW(static_cast<void>(database::open(file, with_mode(open_mode::open_only))), error);
        std::filesystem::remove(file);
    }
}

BOOST_AUTO_TEST_CASE(a_file_of_any_size_from_boost_is_whole)
{
    const std::size_t least = extents::segment_algorithm::get_min_size(0) + format::superblock_offset;
    for (const std::size_t size : {least + 1, least + 1'023, least + 1'024, least + 5'000, std::size_t{62'000}}) {
        BOOST_TEST_CONTEXT("of " << size << " bytes")
        {
            {
                managed_file boosts(bip::create_only, file.c_str(), size);
            }
            auto db = open(with_mode(open_mode::open_only));
            fill(db, 20);
            expect_filled(db, 20);
            db.close();
            expect_whole_file(file);
            std::filesystem::remove(file);
        }
    }
}

BOOST_AUTO_TEST_CASE(boosts_offline_growth_is_space_for_kvdb)
{
    auto db = open(with_shards(4));
    fill(db, 200);
    db.close();
    const std::uint64_t before = std::filesystem::file_size(file);
    for (const std::size_t extra : {1'000U, 1U, 300'000U, 1'024U}) {
        BOOST_REQUIRE(managed_file::grow(file.c_str(), extra));
        db = open(with_mode(open_mode::open_only));
        BOOST_TEST(db.stats().last_recovery.at_unix_ms == 0U);  // it is still clean
        expect_filled(db, 200);
        expect_whole(db);
        db.close();
    }
    BOOST_TEST(std::filesystem::file_size(file) >= before + 302'025U);
    db = open();
    for (std::uint64_t i = 200; i < 2'000; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
    expect_filled(db, 2'000);
}

BOOST_AUTO_TEST_SUITE_END()
