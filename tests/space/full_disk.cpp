// SPDX-License-Identifier: BSL-1.0
// A small file system, filled by one process and by two, and a file-size limit.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "space/rig.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr std::uint64_t beyond = 120;    // refusals that make the disk full; 12 in a row are as many
constexpr std::uint64_t most = 200'000;  // operations until then

options random_shards(chance& source)
{
    options how = with_shards(std::uint32_t{1} << source.below(4));
    how.max_handles = 16;
    return how;
}

/// Until it is full, and on from there.
int fill(const std::filesystem::path& file, const options& how, user& me)
{
    auto db = database::open(file, how);
    ++totals().reopenings;
    for (std::uint64_t i = 0; me.refused() < beyond; ++i) {
        demand(i < most, "it never got full");
        me.step(db);
    }
    for (int i = 0; i < 60; ++i) {
        me.step(db);
    }
    db.close();
    return 0;
}

/// With a handle from before as well as with a new one.
template <class Make>
void expect_room_again(const std::filesystem::path& file, const options& how, user& me, const Make& make_room)
{
    auto db = database::open(file, how);
    make_room();
    for (int i = 0; i < 40; ++i) {
        demand(me.step(db), "refused with room again");
    }
    auto fresh = database::open(file, how);
    for (int i = 0; i < 10; ++i) {
        demand(me.step(fresh), "refused with room again");
    }
}

int fill_a_disk(const std::filesystem::path& folder, std::uint64_t seed, std::uint64_t processes)
{
    chance source(seed);
    const auto file = folder / "small.kvdb";
    const auto filler = folder / "filler";
    const options how = random_shards(source);
    const shared<ledger> known;
    const workload work{600'000, true, {errc::disk_full}};
    write_bytes(filler, std::string(6 << 20, 'f'));
    if (processes == 1) {
        user alone(file, *known, 0, work, source.next());
        fill(file, how, alone);
    } else {
        {
            auto created = database::open(file, how);
        }
        child others[ledger::users];
        for (std::uint64_t i = 0; i < ledger::users; ++i) {
            others[i] = child([&, i, own = source.next()] {
                user me(file, *known, i, work, own);
                return fill(file, how, me);
            });
        }
        for (child& each : others) {
            const int status = each.wait();
            demand(status == 0, "a user's process ended with " + std::to_string(status));
        }
    }
    expect_all_reopened(file, *known);
    user later(file, *known, 0, work, source.next());
    expect_room_again(file, how, later, [&] { std::filesystem::remove(filler); });
    expect_all_reopened(file, *known);
    return 0;
}

void set_limit(rlim_t size)
{
    rlimit value{};
    demand(::getrlimit(RLIMIT_FSIZE, &value) == 0, "getrlimit");
    value.rlim_cur = std::min(size, value.rlim_max);
    demand(::setrlimit(RLIMIT_FSIZE, &value) == 0, "setrlimit");
}

int meet_a_limit(const std::filesystem::path& file, std::uint64_t seed)
{
    chance source(seed);
    const options how = random_shards(source);
    const shared<ledger> known;
    user me(file, *known, 0, {600'000, true, {errc::file_too_large}}, source.next());
    set_limit(200'000 + source.below(3'000'000));
    fill(file, how, me);
    expect_all_reopened(file, *known);
    expect_room_again(file, how, me, [] { set_limit(RLIM_INFINITY); });
    expect_all_reopened(file, *known);
    return 0;
}

/// Another process, without the limit, made the file longer than this one may write.
int write_beyond_the_limit(const std::filesystem::path& file, std::uint64_t seed)
{
    chance source(seed);
    options how = random_shards(source);
    const shared<ledger> known;
    const workload work{20'000, true, {errc::file_too_large}};
    user first(file, *known, 0, work, source.next());
    user second(file, *known, 1, work, source.next());
    how.durable = durability::sync;
    auto db = database::open(file, how);
    for (int i = 0; i < 300; ++i) {
        demand(first.step(db), "refused without a limit");
    }
    set_limit(db.stats().file_size / (1 + source.below(8)) + source.below(1'000));
    for (int i = 0; i < 200; ++i) {
        second.step(db);
    }
    const std::uint64_t size = db.stats().file_size;
    for (int i = 0; i < 400; ++i) {
        second.step(db);
    }
    demand(db.stats().file_size == size, "grows beyond the limit");
    expect_all(db, *known);
    set_limit(RLIM_INFINITY);
    for (int i = 0; i < 40; ++i) {
        demand(second.step(db), "refused without a limit");
    }
    db.close();
    expect_all_reopened(file, *known);
    return 0;
}

/// A copy as cp makes it: what was never written is a hole.
void copy_with_holes(const std::filesystem::path& from, const std::filesystem::path& to)
{
    const std::string bytes = read_bytes(from);
    constexpr std::size_t page = 4096;
    write_bytes(to, "");
    std::fstream out(to, std::ios::binary | std::ios::in | std::ios::out);
    for (std::size_t at = 0; at < bytes.size(); at += page) {
        const std::string piece = bytes.substr(at, page);
        if (piece.find_first_not_of('\0') != std::string::npos) {
            out.seekp(static_cast<std::streamoff>(at));
            out << piece;
        }
    }
    demand(bool(out.flush()), "cannot copy");
    out.close();
    demand(::truncate(to.c_str(), static_cast<off_t>(bytes.size())) == 0, "truncate");
}

int open_with_holes_on_a_full_disk(const std::filesystem::path& folder, bool distrust)
{
    options how = with_shards(2);
    const auto file = folder / "small.kvdb";
    const shared<ledger> known;
    {
        const auto whole = folder / "whole.kvdb";
        user me(whole, *known, 0, {100'000, true, {}}, 1);
        auto db = database::open(whole, how);
        for (int i = 0; i < 100; ++i) {
            demand(me.step(db), "refused with room");
        }
        db.close();
        copy_with_holes(whole, file);
        demand(allocated_bytes(file) < std::filesystem::file_size(file), "no hole");
        std::filesystem::remove(whole);
    }
    const auto filler = folder / "filler";
    {
        std::ofstream out(filler, std::ios::binary);
        const std::string page(4096, 'f');
        while (out.write(page.data(), 4096).flush()) {
        }
    }
    how.distrust = distrust;
    user me(file, *known, 0, {600'000, true, {errc::disk_full}}, 2);
    try {
        const auto db = database::open(file, how);
        demand(false, "opened where nothing can be written");
    } catch (const error& caught) {
        expect_sensible(caught, file, {errc::disk_full});
    }
    // Reading has to wait: this file system wants memory even for the reading of a hole.
    std::filesystem::resize_file(filler, std::filesystem::file_size(filler) - (2 << 20));
    expect_all(database::open(file, with_mode(open_mode::read_only)), *known);
    fill(file, how, me);
    expect_room_again(file, how, me, [&] { std::filesystem::remove(filler); });
    expect_all_reopened(file, *known);
    return 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(full_disk)

BOOST_AUTO_TEST_CASE(a_small_file_system)
{
    const scratch_folder folder;
    for (std::uint64_t round = 0; round < rounds_of_run(2); ++round) {
        for (const std::uint64_t processes : {1U, 2U}) {
            const std::uint64_t seed = seed_of_run() + round;
            const std::uint64_t size = (7 << 20) + seed % 7 * 300'000;
            BOOST_TEST_CONTEXT("KVDB_TEST_SEED=" << seed << ", " << processes << " processes")
            {
                expect_done(in_small_file_system(folder.path(), size,
                                                 [&] { return fill_a_disk(folder.path(), seed, processes); }));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_limit_on_the_size_of_files)
{
    for_each_round(3, [](const scratch_folder& folder, std::uint64_t seed) {
        BOOST_TEST(in_child([&] { return meet_a_limit(folder / "limited.kvdb", seed); }) == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_limit_below_the_size_of_the_file)
{
    for_each_round(3, [](const scratch_folder& folder, std::uint64_t seed) {
        BOOST_TEST(in_child([&] { return write_beyond_the_limit(folder / "limited.kvdb", seed); }) == 0);
    });
}

BOOST_AUTO_TEST_CASE(a_file_with_holes_on_a_full_file_system)
{
    for (const bool distrust : {false, true}) {
        const scratch_folder folder;
        expect_done(in_small_file_system(folder.path(), 16 << 20,
                                         [&] { return open_with_holes_on_a_full_disk(folder.path(), distrust); }));
    }
}

BOOST_AUTO_TEST_SUITE_END()
