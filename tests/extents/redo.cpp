// SPDX-License-Identifier: BSL-1.0
// Redo programs by themselves: carried out, replayed, replayed after a death half-way, and refused when foreign.
#include "extents/redo.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "extents/raw_store.hpp"
#include "extents/word_edits.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

using program = extents::shard_program;
constexpr extents::program_points points{"test.armed", "test.step", "test.done"};

struct redo_fixture {
    scratch_folder folder;
    raw_store store;
    format::shard_intent& intent;
    std::uint64_t ground;  // words that the programs may change

    redo_fixture()
        : store(prepared(folder / "raw.kvdb")), intent(store.shard(0).intent), ground(store.id().first_extent_offset)
    {
    }
    redo_fixture(const redo_fixture&) = delete;
    redo_fixture& operator=(const redo_fixture&) = delete;
    ~redo_fixture() { test_crash_hook = nullptr; }

    static std::filesystem::path prepared(const std::filesystem::path& path)
    {
        make_raw_file(path, {1, 8}, 4'096);
        return path;
    }
    [[nodiscard]] std::uint64_t& word(std::uint64_t number) const
    {
        return store.memory.at<std::uint64_t>(ground + 8 * number);
    }
    void plan(program& steps) const
    {
        steps.store(ground, 7);
        steps.fill(ground + 8, 9, 3);
        steps.bump(ground + 40);
        steps.store(ground + 48, ~std::uint64_t{0});
    }
    void expect_done() const
    {
        BOOST_TEST(word(0) == 7U);
        for (std::uint64_t i = 1; i < 4; ++i) {
            BOOST_TEST(word(i) == 9U);
        }
        BOOST_TEST(word(4) == 0U);
        BOOST_TEST(word(5) >= 1U);
        BOOST_TEST(word(6) == ~std::uint64_t{0});
        BOOST_TEST(intent.armed == 0U);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(redo, redo_fixture)

BOOST_AUTO_TEST_CASE(a_program_is_carried_out_once)
{
    program steps(store.memory, intent);
    plan(steps);
    steps.run(points);
    expect_done();
    BOOST_TEST(word(5) == 1U);
    BOOST_TEST(!program::replay(store.memory, intent));
    BOOST_TEST(word(5) == 1U);
}

BOOST_AUTO_TEST_CASE(an_armed_program_is_carried_out_by_the_next_one)
{
    program steps(store.memory, intent);
    plan(steps);
    steps.run(points);
    const std::vector<std::uint64_t> payload(std::begin(intent.payload), std::end(intent.payload));
    for (std::uint64_t done = 0; done <= 6; ++done) {  // as many words were stored before the death
        for (std::uint64_t i = 0; i < 7; ++i) {
            word(i) = i < done ? word(i) : 0;
        }
        std::memcpy(intent.payload, payload.data(), sizeof intent.payload);
        intent.armed = 2 + 3 + 1 + 2;
        BOOST_TEST(program::replay(store.memory, intent));
        expect_done();
    }
}

BOOST_AUTO_TEST_CASE(foreign_programs_are_refused_and_change_nothing)
{
    const std::uint64_t end = store.memory.known_size();
    const auto op = [](std::uint64_t code, std::uint64_t offset) { return (code << 56) | offset; };
    const std::vector<std::vector<std::uint64_t>> programs = {
        {op(0, ground), 1},                          // no such instruction
        {op(4, ground), 1},                          //
        {op(255, ground), 1},                        //
        {op(1, ground)},                             // cut short
        {op(2, ground), 1},                          //
        {op(1, ground + 4), 1},                      // crooked
        {op(1, 8), 1},                               // before the superblock
        {op(1, end), 1},                             // behind the file
        {op(1, end - 4), 1},                         //
        {op(3, end)},                                //
        {op(1, (std::uint64_t{1} << 56) - 8), 1},    //
        {op(2, ground), 1, (end - ground) / 8 + 1},  // too many words
        {op(2, ground), 1, std::uint64_t{1} << 61},  // their bytes overflow
        {op(2, ground), 1, ~std::uint64_t{0}},       //
        {op(1, ground), 1, op(1, ground + 8)},       // good, then cut short
    };
    for (std::size_t i = 0; i < programs.size(); ++i) {
        BOOST_TEST_CONTEXT("program " << i)
        {
            intent = {};
            std::copy(programs[i].begin(), programs[i].end(), intent.payload);
            intent.armed = programs[i].size();
            const std::string before = read_bytes(store.data.path());
            KVDB_CHECK_ERROR(program::replay(store.memory, intent), damaged);
            BOOST_CHECK(read_bytes(store.data.path()) == before);
        }
    }
    for (const std::uint64_t length : {std::uint64_t{16}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
        intent = {};
        intent.armed = length;
        KVDB_CHECK_ERROR(program::replay(store.memory, intent), damaged);
    }
    intent = {};
}

BOOST_AUTO_TEST_CASE(edits_see_those_before_them)
{
    extents::word_edits edits(store.memory);
    word(0) = 5;
    edits.add(word(0), 2);
    BOOST_TEST(edits.get(word(0)) == 7U);
    edits.add(word(0), 3);
    edits.set(word(1), 1);
    BOOST_TEST(edits.get(word(0)) == 10U);
    BOOST_TEST(word(0) == 5U);  // nothing yet
    edits.run(intent, points);
    BOOST_TEST(word(0) == 10U);
    BOOST_TEST(word(1) == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
