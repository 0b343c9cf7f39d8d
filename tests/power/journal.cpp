// SPDX-License-Identifier: BSL-1.0
// What goes wrong around the journal of commits before the power fails.
#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "database/journal.hpp"
#include "format/validate.hpp"
#include "golden/image.hpp"
#include "io/crash_point.hpp"
#include "power/medium.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct journal_fixture : store_fixture {
    options how = with_shards(4);

    journal_fixture()
    {
        how.max_handles = 8;
        test_policy<journal_policy> = {8 * 1'024, 0, 1};
    }
    journal_fixture(const journal_fixture&) = delete;
    journal_fixture& operator=(const journal_fixture&) = delete;
    ~journal_fixture() { test_policy<journal_policy> = {}; }

    /// What a reader of the medium finds.
    [[nodiscard]] contents on_the_medium(const medium& below) const
    {
        const auto copy = folder / "medium.kvdb";
        write_bytes(copy, below.durable());
        const auto reader = database::open(copy, with_mode(open_mode::read_only));
        expect_whole(reader);
        return contents_of(reader);
    }
};

std::filesystem::path watched;

/// Dies when the journal's word is stored and the program that stored it is not over.
void die_with_a_journal_half_made(const char* point)
{
    if (std::strcmp(point, "hand-out.step") == 0) {
        const golden::image now{read_bytes(watched)};
        if (now.get<format::superblock>(format::superblock_offset).journal.extent != 0) {
            ::raise(SIGKILL);
        }
    }
}

void stop_while_growing(const char* point)
{
    if (std::strcmp(point, "growth.begin") == 0) {
        ::raise(SIGSTOP);
    }
}

void die_with_a_value_staged(const char* point)
{
    if (std::strcmp(point, "set-large.filled") == 0) {
        ::raise(SIGKILL);
    }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(journal, journal_fixture)

/// JRN-1: the program is carried out once more by the next one who takes the allocator's lock, and zeroes what a free
/// run had in the journal's first bytes.
BOOST_AUTO_TEST_CASE(handed_over_by_one_who_died)
{
    auto db = open(how);
    for (const char* key : {"first", "second", "third", "fourth"}) {
        db.set(key, "so that its shard has room");
    }
    watched = file;
    BOOST_TEST(in_child([&] {
                   auto mine = open(how);
                   test_crash_hook = die_with_a_value_staged;
                   mine.set("staged", std::string(50'000, 's'));
                   return 0;
               }) == -SIGKILL);
    static_cast<void>(open(how));  // gives the run back: the journal comes from a list
    BOOST_TEST(in_child([&] {
                   auto mine = open(how);
                   test_crash_hook = die_with_a_journal_half_made;
                   mine.set("first", "flushes the whole file", durability::sync);
                   mine.set("second", "makes a journal", durability::sync);
                   return 0;
               }) == -SIGKILL);
    const medium below(file, read_bytes(file));
    db.set("third", "the first of the journal", durability::sync);
    db.set("large", std::string(50'000, 'l'));  // takes the allocator's lock
    db.set("fourth", "the next one", durability::sync);
    const contents found = on_the_medium(below);
    BOOST_TEST(found.at("third") == "the first of the journal");
    BOOST_TEST(found.at("fourth") == "the next one");
}

/// What a clean file says of commits that were under way has no meaning, and may be anything.
BOOST_AUTO_TEST_CASE(words_without_meaning_in_a_clean_file)
{
    {
        auto db = open(how);
        for (std::uint64_t i = 0; i < 60; ++i) {
            db.set(numbered_key(i), telling_value(i, 1), durability::sync);
        }
        BOOST_TEST(db.stats().journal_bytes == 8'192U);
        db.close();
    }
    const golden::image clean{read_bytes(file)};
    const auto journal_at =
        (clean.get<format::superblock>(format::superblock_offset).journal.extent & 0xffff'ffffU) * format::unit_size;
    using shard = format::shard_block;
    const std::vector<void (*)(shard&, std::uint64_t)> forgeries{
        [](shard& block, std::uint64_t) { block.log_durable = block.log_extent + 65; },
        [](shard& block, std::uint64_t) { block.log_wanted = block.log_end - 16; },
        [](shard& block, std::uint64_t) {
            block.left_from = block.log_extent + 1;
            block.left_to = block.log_extent + 30;
        },
        [](shard& block, std::uint64_t journal) {
            block.left_from = journal + 64;
            block.left_to = journal + 128;
        }};
    for (const auto& forge : forgeries) {
        golden::image forged = clean;
        for (std::uint32_t i = 0; i < 4; ++i) {
            auto block = forged.get<shard>(forged.shard_at(i));
            forge(block, journal_at);
            forged.put(forged.shard_at(i), block);
        }
        forged.seal_clean();
        write_bytes(file, forged.bytes);
        auto db = open(how);
        const medium below(file, read_bytes(file));
        for (std::uint64_t i = 0; i < 20; ++i) {
            db.set(numbered_key(i), telling_value(i, 2), durability::sync);
        }
        const contents found = on_the_medium(below);
        for (std::uint64_t i = 0; i < 60; ++i) {
            BOOST_TEST(found.at(numbered_key(i)) == telling_value(i, i < 20 ? 2 : 1));
        }
    }
}

/// None is made while somebody has the locks for space: no commit waits for the sake of a journal.
BOOST_AUTO_TEST_CASE(is_not_waited_for)
{
    test_policy<journal_policy> = {8 * 1'024, ~std::uint64_t{0}, 1};
    auto db = open(how);
    for (std::uint64_t i = 0; i < 200; ++i) {
        db.set(numbered_key(i), telling_value(i, 1));
    }
    db.sync();
    BOOST_TEST(db.stats().journal_bytes == 0U);
    test_policy<journal_policy> = {8 * 1'024, 0, 1};
    child grower([&] {
        auto mine = open(how);
        test_crash_hook = stop_while_growing;
        mine.set("large", std::string(2'000'000, 'g'));
        return 0;
    });
    BOOST_REQUIRE(grower.wait_until_stopped());
    db.set(numbered_key(7), telling_value(7, 1), durability::sync);
    BOOST_TEST(db.stats().journal_bytes == 0U);
    BOOST_TEST(grower.kill() == -SIGKILL);
    for (std::uint64_t version = 2; version < 4; ++version) {
        db.set(numbered_key(7), telling_value(7, version), durability::sync);
    }
    BOOST_TEST(db.stats().journal_bytes == 0U);  // the dead one's lock word stands until somebody grows the file
    db.set("large", std::string(2'000'000, 'g'));
    db.set(numbered_key(7), telling_value(7, 4), durability::sync);
    BOOST_TEST(db.stats().journal_bytes == 8'192U);
}

BOOST_AUTO_TEST_SUITE_END()
