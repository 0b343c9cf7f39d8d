// SPDX-License-Identifier: BSL-1.0
// The file as memory: how far it reaches, how it grows, and what stays private.
#include "io/memory.hpp"

#include <sys/resource.h>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

#include "extents/raw_store.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;
using io::mapping_kind;

namespace {

struct memory_fixture {
    scratch_folder folder{fast_parent()};
    std::filesystem::path path = folder / "raw.kvdb";
    io::file data;
    std::uint64_t size = 0;

    memory_fixture()
    {
        make_raw_file(path, {1, 8}, 6'144);
        data = io::file::open(path, io::access::write);
        size = data.size();
    }
};

/// Bytes of address space that this process has.
rlim_t address_space()
{
    std::ifstream in("/proc/self/statm");
    rlim_t pages = 0;
    in >> pages;
    return pages * 4'096;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(mapping, memory_fixture)

BOOST_AUTO_TEST_CASE(ranges_that_lie_close_together_become_one)
{
    constexpr std::uint64_t mib = 1024 * 1024;
    const auto merged = [](std::vector<io::byte_range> ranges) {
        io::merge_ranges(ranges, 4'096);
        std::vector<std::pair<std::uint64_t, std::uint64_t>> found;
        for (const io::byte_range& each : ranges) {
            found.emplace_back(each.begin, each.end);
        }
        return found;
    };
    using pairs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
    BOOST_TEST((merged({}) == pairs{}));
    BOOST_TEST((merged({{5'000, 5'100}}) == pairs{{4'096, 5'100}}));
    BOOST_TEST((merged({{9'000, 9'001}, {5'000, 5'100}}) == pairs{{4'096, 9'001}}));
    BOOST_TEST((merged({{5'000, 90'000}, {6'000, 7'000}}) == pairs{{4'096, 90'000}}));
    BOOST_TEST(
        (merged({{mib, mib + 10}, {3 * mib, 3 * mib + 10}}) == pairs{{mib, mib + 10}, {3 * mib, 3 * mib + 10}}));
    BOOST_TEST((merged({{mib, mib + 10}, {3 * mib - 10, 3 * mib}}) == pairs{{mib, 3 * mib}}));
    // A range longer than that stays whole, and nothing joins it.
    BOOST_TEST(
        (merged({{0, 5 * mib}, {mib, mib + 1}, {4 * mib, 6 * mib}}) == pairs{{0, 5 * mib}, {4 * mib, 6 * mib}}));
}

BOOST_AUTO_TEST_CASE(nothing_beyond_the_file_is_covered)
{
    io::memory memory(data, mapping_kind::shared, size);
    BOOST_TEST(memory.covers(0, size));
    BOOST_TEST(memory.covers(size, 0));
    BOOST_TEST(!memory.covers(0, size + 1));
    BOOST_TEST(!memory.covers(size, 1));
    BOOST_TEST(!memory.covers(size + 1, 0));
    BOOST_TEST(!memory.covers(~std::uint64_t{0}, 1));
    BOOST_TEST(!memory.covers(1, ~std::uint64_t{0}));
    BOOST_TEST(!memory.covers(~std::uint64_t{0}, ~std::uint64_t{0}));
    // A published size that the file does not have is not believed.
    for (const std::uint64_t claimed : {size + 1, size + 1'024, std::uint64_t{1} << 42, ~std::uint64_t{0}}) {
        memory.superblock().state.file_size = claimed;
        BOOST_TEST(!memory.covers(size, 1));
        BOOST_TEST(!memory.covers(0, size + 1));
        BOOST_TEST(memory.known_size() == size);
    }
}

BOOST_AUTO_TEST_CASE(growth_by_another_is_noticed_at_the_same_address)
{
    io::memory mine(data, mapping_kind::shared, size);
    io::memory reader(data, mapping_kind::read_only, size);
    const std::byte* base = reader.base();
    const std::uint64_t larger = size + (8U << 20);
    data.allocate(size, larger);
    mine.grown_to(larger);
    std::memcpy(mine.base() + larger - 5, "there", 5);
    BOOST_TEST(!reader.covers(larger - 5, 5));  // not published yet
    mine.superblock().state.file_size = larger;
    BOOST_TEST(reader.covers(larger - 5, 5));
    BOOST_TEST(reader.base() == base);
    BOOST_TEST(reader.known_size() == larger);
    BOOST_TEST(std::memcmp(reader.base() + larger - 5, "there", 5) == 0);
    BOOST_TEST(mine.offset_of(mine.base() + 77) == 77U);
}

BOOST_AUTO_TEST_CASE(detached_memory_is_private)
{
    const std::string before = read_bytes(path);
    io::memory alone(data, mapping_kind::detached, size);
    std::memset(alone.base() + format::header_size, 0x77, size - format::header_size);
    for (std::uint64_t larger = size + 1'024; larger < size + 100'000; larger += 15 * 1'024) {
        BOOST_TEST_CONTEXT("grown to " << larger)
        {
            BOOST_CHECK_NO_THROW(alone.grown_to(larger));  // by steps that are no multiples of a page
            if (alone.known_size() == larger) {
                std::memset(alone.base() + larger - 1'024, 0x66, 1'024);
            }
        }
    }
    BOOST_CHECK(alone.base()[size + 5'000] == std::byte{0});  // between the steps
    BOOST_CHECK(read_bytes(path) == before);
    alone.superblock().state.file_size = 1 << 30;
    BOOST_TEST(!alone.covers(1 << 29, 1));
}

BOOST_AUTO_TEST_CASE(a_reservation_that_is_outgrown)
{
    if (sanitized) {
        BOOST_TEST_MESSAGE("skipped: a sanitizer needs the address space");
        return;
    }
    BOOST_TEST(in_child([&] {
                   // So little address space that the usual reservation cannot be had.
                   rlimit limit{};
                   demand(::getrlimit(RLIMIT_AS, &limit) == 0, "getrlimit");
                   const rlim_t usual = limit.rlim_cur;
                   limit.rlim_cur = address_space() + (40U << 20);
                   demand(::setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
                   io::memory memory(data, mapping_kind::shared, size);
                   const std::byte* first = memory.base();
                   limit.rlim_cur = usual;
                   demand(::setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");

                   const std::uint64_t larger = 64U << 20;
                   data.truncate(larger);
                   memory.superblock().state.file_size = larger;
                   demand(memory.covers(larger - 8, 8), "growth");
                   demand(memory.base() != first, "no new mapping was needed: the test shows nothing");
                   std::memcpy(memory.base() + larger - 8, "new end", 8);
                   std::memcpy(memory.base() + 8'192, "both", 5);
                   demand(std::memcmp(first + 8'192, "both", 5) == 0, "the old addresses are no longer good");
                   return 0;
               }) == 0);
    BOOST_TEST(read_bytes(path).substr((64U << 20) - 8, 7) == "new end");
}

BOOST_AUTO_TEST_CASE(no_address_space_at_all)
{
    if (sanitized) {
        BOOST_TEST_MESSAGE("skipped: a sanitizer needs the address space");
        return;
    }
    data.truncate(256U << 20);
    BOOST_TEST(in_child([&] {
                   rlimit limit{};
                   demand(::getrlimit(RLIMIT_AS, &limit) == 0, "getrlimit");
                   limit.rlim_cur = address_space() + (20U << 20);
                   demand(::setrlimit(RLIMIT_AS, &limit) == 0, "setrlimit");
                   try {
                       const io::memory memory(data, mapping_kind::shared, 256U << 20);
                       return 2;
                   } catch (const error& caught) {
                       demand(caught.reason() == errc::no_memory, caught.what());
                   }
                   return 0;
               }) == 0);
}

BOOST_AUTO_TEST_SUITE_END()
