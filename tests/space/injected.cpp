// SPDX-License-Identifier: BSL-1.0
// Calls that fail: the first, the second, and so on until a whole life of a file meets no failure any more; and at
// random.
#include <cerrno>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "io/flush_hook.hpp"
#include "io/write_hook.hpp"
#include "space/rig.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

/// What a failing call does before it fails.
enum class manner : std::uint8_t {
    nothing,  // and fails
    part,     // and fails
    whole,    // and fails all the same
    brief,    // does a part and says so: no failure at all
};
constexpr const char* names[] = {"does nothing", "does a part", "does all", "is short"};

struct plan {
    std::uint64_t first = 0;  // number of the call that fails; 0: none
    std::uint64_t count = 1;  // so many in a row
    manner how = manner::nothing;
    int number = EIO;
};

/// Stands in for the system's calls while it lives, in this thread's tests.
class faulty_calls {
public:
    faulty_calls()
    {
        io::test_write = write;
        io::test_allocate = allocate;
        io::test_flush_hook = flush;
        next_ = {};
        calls_ = failures_ = 0;
    }
    faulty_calls(const faulty_calls&) = delete;
    faulty_calls& operator=(const faulty_calls&) = delete;
    ~faulty_calls()
    {
        io::test_write = ::pwrite;
        io::test_allocate = ::fallocate;
        io::test_flush_hook = nullptr;
    }

    /// From now on: calls count from 1.
    static void arm(const plan& next)
    {
        next_ = next;
        calls_ = failures_ = 0;
    }
    static void disarm() { next_ = {}; }
    [[nodiscard]] static std::uint64_t calls() noexcept { return calls_; }
    [[nodiscard]] static std::uint64_t failures() noexcept { return failures_; }
    /// In this process no flush fails.
    static void spare_flushes() noexcept { flushes_ = false; }

private:
    static bool due() noexcept
    {
        ++calls_;
        const bool now = next_.first != 0 && calls_ >= next_.first && calls_ - next_.first < next_.count;
        failures_ += now ? 1 : 0;
        return now;
    }
    static ssize_t write(int descriptor, const void* bytes, std::size_t count, off_t offset)
    {
        if (!due()) {
            return ::pwrite(descriptor, bytes, count, offset);
        }
        const std::size_t done = next_.how == manner::nothing ? 0 : next_.how == manner::whole ? count : count / 2;
        if (done != 0 && ::pwrite(descriptor, bytes, done, offset) != static_cast<ssize_t>(done)) {
            return -1;
        }
        if (next_.how == manner::brief && done != 0) {
            return static_cast<ssize_t>(done);
        }
        errno = next_.number;
        return -1;
    }
    static int allocate(int descriptor, int mode, off_t offset, off_t count)
    {
        if (!due()) {
            return ::fallocate(descriptor, mode, offset, count);
        }
        const off_t done = next_.how == manner::nothing ? 0 : next_.how == manner::whole ? count : count / 2;
        if (done != 0 && ::fallocate(descriptor, mode, offset, done) != 0) {
            return -1;
        }
        errno = next_.how == manner::brief ? EINTR : next_.number;
        return -1;
    }
    static bool flush(int, std::span<const io::byte_range>)
    {
        return !flushes_ || !due() || next_.how == manner::brief;
    }

    static inline plan next_;
    static inline std::uint64_t calls_ = 0;
    static inline std::uint64_t failures_ = 0;
    static inline bool flushes_ = true;
};

struct names_for_all {
    names_for_all() { io::test_nameless_files = false; }
    names_for_all(const names_for_all&) = delete;
    names_for_all& operator=(const names_for_all&) = delete;
    ~names_for_all() { io::test_nameless_files = true; }
};

const std::set<errc> reasons{errc::io_failure, errc::disk_full, errc::poisoned};

/// Opens or creates, as often as it takes. A creation that fails leaves nothing behind.
database opened(const std::filesystem::path& file, const options& how)
{
    for (;;) {
        const bool there = std::filesystem::exists(file);
        try {
            database db = database::open(file, how);
            ++totals().reopenings;
            return db;
        } catch (const error& caught) {
            expect_sensible(caught, file, reasons);
            if (!there && !std::filesystem::exists(file)) {
                demand(std::filesystem::is_empty(file.parent_path()), "a failed creation left something behind");
            }
        }
    }
}

/// Closed in any case.
void close(database& db, const std::filesystem::path& file)
{
    try {
        db.close();
    } catch (const error& caught) {
        expect_sensible(caught, file, reasons);
    }
}

/// A file is made, worked on, closed, opened again and recovered, while some calls fail.
void live(const std::filesystem::path& file, const plan& failing, options how, std::uint64_t seed, int operations)
{
    const shared<ledger> known;
    user me(file, *known, 0, {60'000, true, reasons}, seed);
    faulty_calls::arm(failing);
    database db = opened(file, how);
    for (int i = 0; i < operations; ++i) {
        if (me.step(db)) {
            continue;
        }
        const database other = database::open(file, with_mode(open_mode::read_only, how));
        expect_all(other, *known);
        if (other.stats().poisoned) {
            close(db, file);
            db = opened(file, how);
        }
        auto beside = database::open(file, how);
        demand(me.step(beside) || failing.count > 1, "another handle cannot go on");
    }
    expect_all(db, *known);
    close(db, file);
    how.distrust = true;
    db = opened(file, how);
    expect_all(db, *known);
    close(db, file);
    faulty_calls::disarm();
    expect_all_reopened(file, *known);
    std::filesystem::remove(file);
}

void expect_every_call_to_matter(const plan& failing, const options& how, std::uint64_t seed, int operations)
{
    const scratch_folder folder(fast_parent());
    const faulty_calls calls;
    plan next = failing;
    for (next.first = 1;; ++next.first) {
        BOOST_TEST_CONTEXT("call " << next.first << " and " << next.count - 1 << " more, each "
                                   << names[static_cast<int>(next.how)] << ", errno " << next.number
                                   << ", KVDB_TEST_SEED=" << seed)
        {
            try {
                live(folder / "fragile.kvdb", next, how, seed, operations);
            } catch (const std::exception& caught) {
                BOOST_FAIL(caught.what());
            }
        }
        if (faulty_calls::failures() == 0) {
            break;
        }
    }
    BOOST_TEST(next.first > 20U);
}

options fragile(durability mode)
{
    options how = with_shards(2);
    how.max_handles = 8;
    how.durable = mode;
    return how;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(injected)

BOOST_AUTO_TEST_CASE(every_single_call)
{
    for (std::uint64_t round = 0; round < rounds_of_run(1); ++round) {
        for (const durability mode : {durability::sync, durability::relaxed}) {
            for (const manner how : {manner::nothing, manner::part, manner::whole, manner::brief}) {
                for (const int number : {EIO, ENOSPC}) {
                    expect_every_call_to_matter({1, 1, how, number}, fragile(mode), seed_of_run() + round, 40);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(every_single_call_where_files_need_names)
{
    const names_for_all needed;
    for (const manner how : {manner::nothing, manner::part}) {
        expect_every_call_to_matter({1, 1, how, ENOSPC}, fragile(durability::sync), seed_of_run(), 10);
    }
}

BOOST_AUTO_TEST_CASE(a_row_of_calls)
{
    for (std::uint64_t round = 0; round < rounds_of_run(1); ++round) {
        for (const manner how : {manner::nothing, manner::part}) {
            expect_every_call_to_matter({1, 4, how, EIO}, fragile(durability::sync), seed_of_run() + round, 30);
        }
    }
}

/// One process whose calls fail now and then, and one that must never notice.
int beside_a_failing_process(const std::filesystem::path& file, std::uint64_t seed)
{
    chance source(seed);
    options how = fragile(durability::sync);
    how.shard_count = std::uint32_t{1} << source.below(4);
    const shared<ledger> known;
    {
        auto created = database::open(file, how);
    }
    child failing([&, own = source.next()] {
        chance mine(own);
        const faulty_calls calls;
        faulty_calls::spare_flushes();
        user me(file, *known, 0, {60'000, true, reasons}, mine.next());
        auto db = database::open(file, how);
        for (int i = 0; i < 400; ++i) {
            if (mine.below(4) == 0) {
                faulty_calls::arm({1 + mine.below(3), 1 + mine.below(4), static_cast<manner>(mine.below(4)),
                                   mine.below(2) == 0 ? EIO : ENOSPC});
            }
            me.step(db);
        }
        return 0;
    });
    child sound([&, own = source.next()] {
        user me(file, *known, 1, {60'000, true, {}}, own);
        auto db = database::open(file, how);
        for (int i = 0; i < 400; ++i) {
            me.step(db);
        }
        return 0;
    });
    demand(failing.wait() == 0, "the failing process");
    demand(sound.wait() == 0, "the sound process");
    expect_all_reopened(file, *known);
    return 0;
}

BOOST_AUTO_TEST_CASE(of_one_process_alone)
{
    for_each_round(4, [](const scratch_folder& folder, std::uint64_t seed) {
        BOOST_TEST(in_child([&] { return beside_a_failing_process(folder / "fragile.kvdb", seed); }) == 0);
    });
}

/// Of the log of a shard nothing is used up by what was not written.
BOOST_AUTO_TEST_CASE(that_write_nothing_cost_no_space)
{
    const scratch_folder folder(fast_parent());
    const auto file = folder / "fragile.kvdb";
    const shared<ledger> known;
    auto db = database::open(file, fragile(durability::sync));
    db.set("key", "before");
    const std::uint64_t size = db.stats().file_size;
    const std::uint64_t log = db.stats().log_bytes;
    const faulty_calls calls;
    faulty_calls::arm({1, 1'000'000, manner::nothing, EIO});
    for (int i = 0; i < 1'000; ++i) {
        KVDB_CHECK_ERROR(db.set("key", "after"), io_failure);
        KVDB_CHECK_ERROR(db.erase("key"), io_failure);
    }
    faulty_calls::disarm();
    BOOST_CHECK(db.get("key") == "before");
    BOOST_TEST(db.stats().file_size == size);
    BOOST_TEST(db.stats().log_bytes == log);
    db.set("key", "after");
    db.close();
    expect_whole_file(file);
}

BOOST_AUTO_TEST_SUITE_END()
