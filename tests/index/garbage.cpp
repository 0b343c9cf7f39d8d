// SPDX-License-Identifier: BSL-1.0
// Lookups in memory that holds anything at all: they end, stay in bounds, and never believe what cannot be.
#include "index/lookup.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstring>

#include "index/lone_file.hpp"
#include "shard/record_view.hpp"
#include "support/values.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr std::uint64_t size = 48 * 1'024;

/// Somewhere in the file, at its end, just behind it, or far away.
std::uint64_t random_offset(chance& source)
{
    switch (source.below(8)) {
        case 0: return size - 64 * source.below(80);
        case 1: return size + 64 * source.below(4);
        case 2: return source.next() & ((std::uint64_t{1} << 56) - 64);
        default: return source.below(size / 64) * 64;
    }
}

std::uint64_t random_word(chance& source)
{
    switch (source.below(6)) {
        case 0: return 0;
        case 1: return index::make_entry(random_offset(source), static_cast<std::uint32_t>(source.below(26)));
        case 2: return (source.below(200) << format::ordinal_shift) | (random_offset(source) >> 6);
        case 3:
            return format::make_slot(random_offset(source), source.below(4)) | (source.next() & format::slot_mark);
        case 4: return format::make_slot(size - source.below(64), source.below(4)) | format::slot_mark;
        default: return source.next();
    }
}

struct garbage_fixture : lone_file {
    garbage_fixture() : lone_file(size) {}

    void scatter(chance& source)
    {
        for (std::uint64_t at = 0; at < size; at += 8) {
            memory.at<std::uint64_t>(at) = random_word(source);
        }
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(garbage, garbage_fixture)

BOOST_AUTO_TEST_CASE(lookups_stay_in_bounds)
{
    chance source(setting("KVDB_TEST_SEED", 1));
    std::uint64_t results[3] = {};
    for (int image = 0; image < 60; ++image) {
        scatter(source);
        for (int i = 0; i < 4'000; ++i) {
            const std::uint64_t directory =
                index::make_entry(random_offset(source), static_cast<std::uint32_t>(source.below(25)));
            const std::uint64_t hash = (source.next() & ~(std::uint64_t{0xfffff} << 6)) | (source.below(4) << 6);
            index::found_slot where;
            std::uint64_t sum = 0;
            const auto matches = [&](std::uint64_t offset) {
                shard::record_view view;
                if (!shard::view_record(memory, offset, view)) {
                    return index::outcome::invalid;
                }
                for (std::uint64_t k = 0; k < view.size; k += 512) {
                    sum += static_cast<std::uint64_t>(view.bytes[k]);
                }
                return (sum & 1U) != 0 ? index::outcome::found : index::outcome::absent;
            };
            const index::outcome result = index::find(memory, directory, hash, matches, where);
            ++results[static_cast<std::size_t>(result)];
            if (result == index::outcome::found) {
                BOOST_REQUIRE(where.slot_offset + 8 <= size);
                BOOST_REQUIRE(memory.at<std::uint64_t>(where.slot_offset) == where.word);
            }
        }
    }
    BOOST_TEST_MESSAGE(results[0] << " absent, " << results[1] << " found, " << results[2] << " invalid");
    for (const std::uint64_t count : results) {
        BOOST_TEST(count > 100U);
    }
}

BOOST_AUTO_TEST_CASE(a_chain_that_would_loop_ends)
{
    constexpr std::uint64_t segment_at = 4'096;
    constexpr std::uint64_t block_at = 16'384;
    format::segment& one = segment(segment_at);
    one.buckets[0].slots[format::overflow_mark_slot] = format::slot_mark;
    auto& block = memory.at<format::overflow_block>(block_at);
    const auto link = [](std::uint64_t ordinal, std::uint64_t at) {
        return (ordinal << format::ordinal_shift) | (at >> 6);
    };
    const auto never = [](std::uint64_t) { return index::outcome::absent; };
    index::found_slot where;
    auto matches = never;
    one.overflow = link(3, block_at);
    for (const std::uint64_t next : {link(3, block_at), link(4, block_at), link(2, size), link(2, size + 64)}) {
        block.next = next;
        BOOST_CHECK(index::find_in_segment(memory, one, 0, matches, where) == index::outcome::invalid);
    }
    block.next = link(2, block_at);  // falls once, but the block's own link does not change
    BOOST_CHECK(index::find_in_segment(memory, one, 0, matches, where) == index::outcome::invalid);
    block.next = 0;
    BOOST_CHECK(index::find_in_segment(memory, one, 0, matches, where) == index::outcome::absent);
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be)
{
    const auto never = [](std::uint64_t) { return index::outcome::found; };
    index::found_slot where;
    BOOST_CHECK(index::find(memory, 0, 1, never, where) == index::outcome::absent);
    for (const std::uint64_t word :
         {index::make_entry(0, 1), index::make_entry(4'096, 23), index::make_entry(4'096, 255),
          index::make_entry(size, 0), index::make_entry(size - 64, 4), index::make_entry(~std::uint64_t{0}, 3)}) {
        BOOST_CHECK(index::find(memory, word, 1, never, where) == index::outcome::invalid);
    }
    // A plausible directory whose entry leads nowhere.
    for (const std::uint64_t entry :
         {std::uint64_t{0}, index::make_entry(size - 4'096, 0), index::make_entry(size, 0)}) {
        memory.at<std::uint64_t>(4'096) = entry;
        BOOST_CHECK(index::find(memory, index::make_entry(4'096, 0), 1, never, where) == index::outcome::invalid);
    }
}

BOOST_AUTO_TEST_SUITE_END()
