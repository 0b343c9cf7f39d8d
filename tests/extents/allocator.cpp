// SPDX-License-Identifier: BSL-1.0
// The allocator alone: what it hands out is zero, is nobody else's, and comes back.
#include "extents/allocator.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "extents/raw_store.hpp"
#include "io/crash_point.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;
using extents::run;
using format::extent_kind;

namespace {

constexpr std::uint64_t unit = format::unit_size;

/// Takes what the allocator handed over for a shard, as the shard's writer does.
run take(const raw_store& store, std::uint32_t shard, extent_kind kind)
{
    format::shard_block& block = store.shard(shard);
    const bool index = kind == extent_kind::index;
    const std::uint64_t word = index ? block.incoming_index : block.incoming_log;
    BOOST_REQUIRE(word != (index ? block.accepted_index : block.accepted_log));
    (index ? block.accepted_index : block.accepted_log) = word;
    const std::uint64_t offset = extents::allocator::offset_of(word);
    return {offset, store.memory.at<format::extent_header>(offset).units, kind};
}

run supply(raw_store& store, std::uint32_t shard, extent_kind kind, std::uint64_t units)
{
    store.allocator.supply(shard, kind, units, 77);
    return take(store, shard, kind);
}

bool is_zero(const raw_store& store, const run& what)
{
    const std::byte* begin = store.memory.base() + what.offset + format::extent_header_size;
    const std::byte* end = store.memory.base() + what.end();
    return std::all_of(begin, end, [](std::byte b) { return b == std::byte{0}; });
}

void scribble(const raw_store& store, const run& what)
{
    std::memset(store.memory.base() + what.offset + format::extent_header_size, 0xa5,
                what.units * unit - format::extent_header_size);
}

/// E1: every byte is in one run, list or frontier.
void expect_accounted(raw_store& store, std::vector<run> used)
{
    const format::allocator_block& block = store.block().allocator;
    std::uint64_t bytes = 0;
    std::uint64_t free_bytes = 0;
    for (const run& each : used) {
        bytes += each.units * unit;
    }
    for (const auto& lists : block.free_lists) {
        for (std::uint64_t at : lists) {
            for (; at != 0; at = store.memory.at<format::free_run>(at + format::free_run_offset).next) {
                const std::uint64_t units = store.memory.at<format::free_run>(at + format::free_run_offset).units();
                used.push_back({at, units, {}});
                free_bytes += units * unit;
                BOOST_REQUIRE(used.size() < 100'000);
            }
        }
    }
    BOOST_TEST(free_bytes == block.free_bytes);
    bytes += free_bytes;
    for (const format::frontier& fresh : block.frontiers) {
        if (fresh.end != fresh.next) {
            used.push_back({fresh.next, (fresh.end - fresh.next) / unit, {}});
            bytes += fresh.end - fresh.next;
        }
    }
    BOOST_TEST(bytes == store.block().state.file_size - store.id().first_extent_offset);
    std::sort(used.begin(), used.end(), [](const run& a, const run& b) { return a.offset < b.offset; });
    for (std::size_t i = 0; i < used.size(); ++i) {
        BOOST_TEST(used[i].offset >= store.id().first_extent_offset);
        BOOST_TEST(used[i].end() <= store.block().state.file_size);
        BOOST_TEST((i == 0 || used[i - 1].end() <= used[i].offset));
    }
}

struct allocator_fixture {
    scratch_folder folder{fast_parent()};
    std::filesystem::path path = folder / "raw.kvdb";

    allocator_fixture() { make_raw_file(path, {4, 16}, 8'192); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(allocator, allocator_fixture)

BOOST_AUTO_TEST_CASE(a_run_is_what_was_asked_for)
{
    raw_store store(path);
    store.allocator.supply(2, extent_kind::log, 3, 77);
    const std::uint64_t word = store.shard(2).incoming_log;
    store.allocator.supply(2, extent_kind::log, 5, 78);  // the first one was not taken yet
    BOOST_TEST(store.shard(2).incoming_log == word);
    const run got = take(store, 2, extent_kind::log);
    const auto header = extents::extent_at(store.memory, got.offset);
    BOOST_REQUIRE(header.has_value());
    BOOST_TEST(header->shard == 2U);
    BOOST_TEST(header->units == 3U);
    BOOST_TEST(header->base_sequence == 77U);
    BOOST_TEST(header->kind == 1U);
    BOOST_TEST(is_zero(store, got));
    BOOST_TEST(store.shard(2).log_bytes == 3 * unit);
    BOOST_TEST(store.block().allocator.log_bytes == 3 * unit);
    const run next = supply(store, 2, extent_kind::log, 3);
    BOOST_TEST(next.offset != got.offset);
    BOOST_TEST(store.memory.at<format::extent_header>(next.offset).nonce != header->nonce);
    BOOST_TEST(store.memory.at<format::extent_header>(next.offset).order > header->order);
    expect_accounted(store, {got, next});
}

BOOST_AUTO_TEST_CASE(the_file_grows_and_no_runs_overlap)
{
    raw_store store(path);
    raw_store reader(path);  // maps what is there now, and learns of growth by itself
    chance source(setting("KVDB_TEST_SEED", 1));
    std::vector<run> used;
    for (int i = 0; i < 600; ++i) {
        const auto kind = source.below(3) == 0 ? extent_kind::index : extent_kind::log;
        used.push_back(supply(store, static_cast<std::uint32_t>(source.below(4)), kind, 1 + source.below(200)));
        BOOST_REQUIRE(is_zero(store, used.back()));
        scribble(store, used.back());
        BOOST_REQUIRE(extents::extent_at(reader.memory, used.back().offset).has_value());
    }
    BOOST_TEST(store.data.size() == store.block().state.file_size);
    BOOST_TEST(store.data.size() > 10U << 20);
    expect_accounted(store, used);
    // In a file of this size, what is index and what is not share no region but those that were there before.
    for (const run& one : used) {
        for (const run& other : used) {
            const bool same_region = one.offset / format::region_size == other.offset / format::region_size;
            if (one.offset > 3 * format::region_size && same_region) {
                BOOST_REQUIRE((extents::class_of(one.kind) == extents::class_of(other.kind)));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_freed_run_comes_back_zero)
{
    raw_store store(path);
    const run first = supply(store, 0, extent_kind::log, 7);
    const run keeper = supply(store, 0, extent_kind::log, 1);
    scribble(store, first);
    store.allocator.release(first.offset);
    BOOST_TEST(!extents::extent_at(store.memory, first.offset).has_value());  // E3
    BOOST_TEST(store.block().allocator.free_bytes == 7 * unit);
    BOOST_TEST(store.shard(0).log_bytes == unit);
    expect_accounted(store, {keeper});

    const run part = supply(store, 1, extent_kind::log, 4);  // of the free run, the front
    BOOST_TEST(part.offset == first.offset);
    BOOST_TEST(is_zero(store, part));
    const run rest = supply(store, 2, extent_kind::log, 3);
    BOOST_TEST(rest.offset == part.end());
    BOOST_TEST(is_zero(store, rest));
    BOOST_TEST(store.block().allocator.free_bytes == 0U);
    expect_accounted(store, {keeper, part, rest});
}

BOOST_AUTO_TEST_CASE(random_coming_and_going)
{
    raw_store store(path);
    chance source(setting("KVDB_TEST_SEED", 2));
    std::vector<run> used;
    for (int i = 0; i < 3'000; ++i) {
        if (!used.empty() && source.below(5) < 2) {
            const std::size_t gone = source.below(used.size());
            if (used[gone].kind == extent_kind::index) {
                continue;
            }
            store.allocator.release(used[gone].offset);
            used.erase(used.begin() + static_cast<std::ptrdiff_t>(gone));
        } else if (used.size() < 200) {
            const auto kind = source.below(4) == 0 ? extent_kind::index : extent_kind::log;
            used.push_back(supply(store, static_cast<std::uint32_t>(source.below(4)), kind, 1 + source.below(40)));
            BOOST_REQUIRE(is_zero(store, used.back()));
            scribble(store, used.back());
        }
        if (i % 300 == 0) {
            expect_accounted(store, used);
        }
    }
    expect_accounted(store, used);
}

BOOST_AUTO_TEST_CASE(staged_runs_go_back)
{
    raw_store store(path);
    const std::uint64_t offset = store.allocator.stage(3, 40, 2);
    const std::uint64_t word = store.slot(store.self.slot()).staged[2];
    BOOST_TEST(extents::allocator::offset_of(word) == offset);
    BOOST_TEST(extents::extent_at(store.memory, offset)->kind == 3U);
    BOOST_TEST(store.shard(3).log_bytes == 40 * unit);
    store.allocator.unstage(store.self.slot(), 1);  // holds none
    BOOST_TEST(store.slot(store.self.slot()).staged[2] == word);
    store.allocator.unstage(store.self.slot(), 2);
    BOOST_TEST(store.slot(store.self.slot()).staged[2] == 0U);
    BOOST_TEST(store.shard(3).log_bytes == 0U);
    store.allocator.unstage(store.self.slot(), 2);  // once more does no harm
    expect_accounted(store, {});
    BOOST_TEST(store.allocator.stage(0, 40, 0) == offset);
}

/// A value can hold anything, the header of an extent too, for where it happens to lie.
BOOST_AUTO_TEST_CASE(what_looks_like_a_header_in_a_run_goes_with_it)
{
    raw_store store(path);
    const std::uint64_t offset = store.allocator.stage(0, 40, 0);
    const auto plant = [&](std::uint64_t at, std::uint32_t units) {
        format::extent_header header{};
        header.kind = static_cast<std::uint16_t>(extent_kind::log);
        header.units = units;
        header.checksum = format::extent_checksum(header, store.memory.superblock().identity.seed, at);
        store.memory.at<format::extent_header>(at) = header;
    };
    plant(offset + 3 * unit, 2);
    plant(offset + 39 * unit, 200);  // as yet it would end behind the file
    store.allocator.unstage(store.self.slot(), 0);
    BOOST_TEST(store.memory.at<format::extent_header>(offset + 3 * unit).checksum == 0U);
    BOOST_TEST(store.memory.at<format::extent_header>(offset + 39 * unit).checksum == 0U);
    expect_accounted(store, {});
}

BOOST_AUTO_TEST_CASE(lists_are_made_anew_from_the_runs_in_use)
{
    raw_store store(path);
    chance source(3);
    std::vector<run> used;
    for (int i = 0; i < 300; ++i) {
        used.push_back(supply(store, static_cast<std::uint32_t>(i % 4), extent_kind::log, 1 + source.below(120)));
    }
    std::vector<run> kept;
    for (const run& each : used) {
        if (source.below(2) == 0) {
            kept.push_back(each);
        } else {
            scribble(store, each);
        }
    }
    std::sort(kept.begin(), kept.end(), [](const run& a, const run& b) { return a.offset < b.offset; });
    store.allocator.rebuild(kept, store.data.size(), 1'000, 100);
    expect_accounted(store, kept);
    BOOST_TEST(store.block().allocator.next_order == 1'000U);
    for (int i = 0; i < 200; ++i) {
        kept.push_back(supply(store, 0, i % 3 == 0 ? extent_kind::index : extent_kind::log, 1 + source.below(60)));
        BOOST_REQUIRE(is_zero(store, kept.back()));
    }
    expect_accounted(store, kept);
}

BOOST_AUTO_TEST_CASE(free_neighbours_become_one_run)
{
    for (const auto& order : {std::array{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
        raw_store store(path);
        std::array<run, 3> runs;
        for (run& each : runs) {
            each = supply(store, 1, extent_kind::log, 5);
            scribble(store, each);
        }
        const run behind = supply(store, 1, extent_kind::log, 5);
        BOOST_REQUIRE(runs[1].offset == runs[0].end());
        BOOST_REQUIRE(runs[2].offset == runs[1].end());
        for (const int which : order) {
            store.allocator.release(runs[static_cast<std::size_t>(which)].offset);
            std::vector<run> used{behind};
            for (const run& each : runs) {
                if (extents::extent_at(store.memory, each.offset)) {
                    used.push_back(each);
                }
            }
            expect_accounted(store, used);
        }
        const run whole = supply(store, 2, extent_kind::log, 15);
        BOOST_TEST(whole.offset == runs[0].offset);
        BOOST_TEST(is_zero(store, whole));
        store.allocator.release(whole.offset);
        store.allocator.release(behind.offset);
        expect_accounted(store, {});
    }
}

BOOST_AUTO_TEST_CASE(impossible_lists_are_damage)
{
    raw_store store(path);
    const run first = supply(store, 0, extent_kind::log, 2);
    store.allocator.release(first.offset);
    std::uint64_t& head = store.block().allocator.free_lists[0][1];
    BOOST_TEST(head == first.offset);
    auto& free = store.memory.at<format::free_run>(first.offset + format::free_run_offset);
    for (const std::uint64_t bad : {std::uint64_t{1}, std::uint64_t{512}, std::uint64_t{12'288}, first.offset + 1,
                                    std::uint64_t{1} << 41, ~std::uint64_t{0} - 1'023}) {
        head = bad;
        KVDB_CHECK_ERROR(store.allocator.supply(0, extent_kind::log, 2, 0), damaged);
    }
    head = first.offset;
    for (const std::uint64_t bad :
         {std::uint64_t{0}, std::uint64_t{1} << 32, std::uint64_t{1} << 54, ~std::uint64_t{0}}) {
        free.size = bad;
        KVDB_CHECK_ERROR(store.allocator.supply(0, extent_kind::log, 2, 0), damaged);
    }
    free.size = 2;
    format::frontier& fresh = store.block().allocator.frontiers[0];
    const format::frontier good = fresh;
    for (const format::frontier bad : {format::frontier{good.end, good.next},
                                       {good.next, std::uint64_t{1} << 41},
                                       {good.next + 1, good.end},
                                       {std::uint64_t{1} << 60, std::uint64_t{1} << 61}}) {
        fresh = bad;
        KVDB_CHECK_ERROR(store.allocator.supply(0, extent_kind::log, 50, 0), damaged);
    }
    fresh = good;
    BOOST_TEST(supply(store, 0, extent_kind::log, 2).offset == first.offset);
}

namespace {

struct claims {
    std::atomic<std::uint32_t> count;
    std::array<std::atomic<std::uint64_t>, 20'000> words;  // offset | units

    void note(const run& got) { words.at(count.fetch_add(1)) = (got.offset << 16) | got.units; }
};

/// One of several at once: takes runs, fills them with a mark of its own, gives some back, verifies the rest.
void come_and_go(raw_store& store, std::uint32_t who, int rounds, claims& held)
{
    chance source(who);
    std::vector<run> mine;
    const auto mark = [&](const run& each) {
        std::memset(store.memory.base() + each.offset + format::extent_header_size, static_cast<int>(who + 1),
                    each.units * unit - format::extent_header_size);
    };
    for (int i = 0; i < rounds; ++i) {
        run got{0, 1 + source.below(30), extent_kind::large};
        got.offset = store.allocator.stage(who % 4, got.units, who % 4);
        mark(got);
        if (source.below(2) == 0) {
            store.allocator.unstage(store.self.slot(), who % 4);
        } else {
            store.slot(store.self.slot()).staged[who % 4] = 0;
            mine.push_back(got);
            held.note(got);
        }
    }
    for (const run& each : mine) {
        const std::byte* begin = store.memory.base() + each.offset + format::extent_header_size;
        const std::byte* end = store.memory.base() + each.end();
        demand(std::all_of(begin, end, [&](std::byte b) { return b == static_cast<std::byte>(who + 1); }),
               "somebody else wrote into the run");
    }
}

std::vector<run> runs_of(const claims& held)
{
    std::vector<run> all;
    for (std::uint32_t i = 0; i < held.count; ++i) {
        all.push_back({held.words[i] >> 16, held.words[i] & 0xffff, extent_kind::large});
    }
    return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(threads_at_once)
{
    raw_store store(path);
    shared<claims> held;
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (std::uint32_t who = 0; who < 4; ++who) {  // one slot, a staged word each
            threads.emplace_back([&, who] {
                try {
                    come_and_go(store, who, 600, *held);
                } catch (const std::exception& caught) {
                    ++failed;
                    std::fprintf(stderr, "thread %u: %s\n", who, caught.what());
                }
            });
        }
    }
    BOOST_TEST(failed == 0);
    expect_accounted(store, runs_of(*held));
}

BOOST_AUTO_TEST_CASE(processes_at_once)
{
    shared<claims> held;
    std::vector<child> all;
    for (std::uint32_t who = 0; who < 4; ++who) {
        all.emplace_back([&, who] {
            raw_store store(path);
            come_and_go(store, who, 600, *held);
            return 0;
        });
    }
    for (child& each : all) {
        BOOST_TEST(each.wait() == 0);
    }
    raw_store store(path);
    expect_accounted(store, runs_of(*held));
}

BOOST_AUTO_TEST_CASE(a_process_killed_in_every_step)
{
    shared<claims> held;
    for (int step = 1; step < 60; ++step) {
        static int left;
        left = step;
        const int status = in_child([&] {
            raw_store store(path);
            test_crash_hook = [](const char*) {
                if (--left == 0) {
                    ::raise(SIGKILL);
                }
            };
            for (std::uint32_t i = 0; i < 40; ++i) {
                store.allocator.supply(i % 4, extent_kind::log, 9, 0);
                store.shard(i % 4).accepted_log = store.shard(i % 4).incoming_log;
            }
            return 0;
        });
        BOOST_TEST(status == -SIGKILL);
        raw_store store(path);
        static_cast<void>(supply(store, 0, extent_kind::index, 1));  // takes the lock over, finishes what was armed
        std::vector<run> used;
        for (std::uint64_t at = store.id().first_extent_offset; at < store.block().state.file_size;) {
            const auto header = extents::extent_at(store.memory, at);
            if (header) {
                used.push_back({at, header->units, static_cast<extent_kind>(header->kind)});
            }
            at += header ? header->units * unit : unit;
        }
        expect_accounted(store, used);
    }
}

BOOST_AUTO_TEST_SUITE_END()
