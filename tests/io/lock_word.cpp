// SPDX-License-Identifier: BSL-1.0
// The lock in a word: one holder at a time, among threads and processes, and no holder that is dead.
#include "io/lock_word.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "extents/raw_store.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;
using io::acquired;

namespace {

constexpr std::chrono::milliseconds long_time{60'000};

struct counters {
    std::uint64_t plain;  // guarded by the lock under test
    std::atomic<std::uint64_t> inside;
    std::atomic<std::uint64_t> taken_over;
    std::atomic<bool> ready;
};

struct lock_fixture {
    scratch_folder folder{fast_parent()};
    std::filesystem::path path = folder / "raw.kvdb";
    shared<counters> notes;

    lock_fixture() { make_raw_file(path); }

    static std::uint64_t& word_of(raw_store& store) { return store.block().locks.checkpoint; }

    void count_up(raw_store& store, int rounds) const
    {
        for (int i = 0; i < rounds; ++i) {
            const acquired how = io::lock(word_of(store), store.self, long_time, "the lock");
            demand(++notes->inside == 1, "two inside");
            ++notes->plain;
            --notes->inside;
            notes->taken_over += how == acquired::taken_over ? 1U : 0U;
            io::unlock(word_of(store));
        }
    }
    /// A process that holds the lock until it is killed.
    child holder() const
    {
        notes->ready = false;
        child process([&] {
            raw_store store(path);
            static_cast<void>(io::lock(word_of(store), store.self, long_time, "the lock"));
            notes->ready = true;
            for (;;) {
                ::pause();
            }
            return 0;
        });
        BOOST_REQUIRE(eventually([&] { return notes->ready.load(); }));
        return process;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(lock_word, lock_fixture)

BOOST_AUTO_TEST_CASE(threads_exclude_each_other)
{
    raw_store one(path);
    raw_store other(path);
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {  // two of each handle
            threads.emplace_back([&, i] {
                try {
                    count_up(i % 2 == 0 ? one : other, 20'000);
                } catch (const std::exception& caught) {
                    ++failed;
                    std::fprintf(stderr, "%s\n", caught.what());
                }
            });
        }
    }
    BOOST_TEST(failed == 0);
    BOOST_TEST(notes->plain == 80'000U);
    BOOST_TEST(notes->taken_over == 0U);
    BOOST_TEST(word_of(one) == 0U);
}

BOOST_AUTO_TEST_CASE(processes_exclude_each_other)
{
    std::vector<child> all;
    for (int i = 0; i < 4; ++i) {
        all.emplace_back([&] {
            raw_store store(path);
            count_up(store, 20'000);
            return 0;
        });
    }
    for (child& each : all) {
        BOOST_TEST(each.wait() == 0);
    }
    BOOST_TEST(notes->plain == 80'000U);
    BOOST_TEST(notes->taken_over == 0U);
}

BOOST_AUTO_TEST_CASE(a_dead_holder_is_replaced)
{
    raw_store store(path);
    for (int i = 0; i < 5; ++i) {
        child process = holder();
        BOOST_TEST(process.kill() == -SIGKILL);
        BOOST_CHECK(io::lock(word_of(store), store.self, long_time, "the lock") == acquired::taken_over);
        BOOST_TEST((word_of(store) & ~format::lock_waiters) == store.self.lock_word());
        io::unlock(word_of(store));
        BOOST_CHECK(io::lock(word_of(store), store.self, long_time, "the lock") == acquired::fresh);
        io::unlock(word_of(store));
    }
}

BOOST_AUTO_TEST_CASE(of_many_waiters_one_takes_over)
{
    child process = holder();
    std::vector<child> waiters;
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back([&] {
            raw_store store(path);
            count_up(store, 100);
            return 0;
        });
    }
    raw_store store(path);
    BOOST_REQUIRE(eventually([&] { return (load_relaxed(word_of(store)) & format::lock_waiters) != 0; }));
    process.kill();
    for (child& each : waiters) {
        BOOST_TEST(each.wait() == 0);
    }
    BOOST_TEST(notes->plain == 400U);
    BOOST_TEST(notes->taken_over == 1U);
}

BOOST_AUTO_TEST_CASE(a_holder_of_another_generation_is_dead)
{
    raw_store store(path);
    raw_store other(path);
    const std::uint64_t living = other.self.lock_word();
    const std::uint64_t one_generation = std::uint64_t{1} << 32;
    for (const std::uint64_t gone :
         {living - one_generation, living + one_generation, living ^ (one_generation << 20), one_generation | 9,
          one_generation | 0xffff, one_generation}) {
        BOOST_TEST(store.self.holder_is_dead(gone));
        word_of(store) = gone;  // nobody's: a slot that lives in another generation, or none at all
        BOOST_CHECK(io::lock(word_of(store), store.self, long_time, "the lock") == acquired::taken_over);
        io::unlock(word_of(store));
    }
    BOOST_TEST(!store.self.holder_is_dead(living));
    BOOST_TEST(!store.self.holder_is_dead(living | format::lock_waiters));
    BOOST_TEST(!store.self.holder_is_dead(store.self.lock_word()));  // its own threads
}

BOOST_AUTO_TEST_CASE(a_waiter_marks_the_word_and_is_woken)
{
    raw_store store(path);
    raw_store other(path);
    BOOST_CHECK(io::lock(word_of(store), store.self, long_time, "the lock") == acquired::fresh);
    BOOST_TEST(word_of(store) == store.self.lock_word());
    std::jthread waiter([&] {
        static_cast<void>(io::lock(word_of(other), other.self, long_time, "the lock"));
        notes->ready = true;
    });
    BOOST_REQUIRE(
        eventually([&] { return load_relaxed(word_of(store)) == (store.self.lock_word() | format::lock_waiters); }));
    BOOST_TEST(!notes->ready);
    io::unlock(word_of(store));
    waiter.join();
    BOOST_TEST(notes->ready);
    // It slept, and so might others: the bit stays until nobody waits.
    BOOST_TEST(word_of(store) == (other.self.lock_word() | format::lock_waiters));
    io::unlock(word_of(other));
    BOOST_TEST(word_of(store) == 0U);
}

BOOST_AUTO_TEST_CASE(a_deadline_names_the_holder)
{
    child process = holder();
    raw_store store(path);
    try {
        static_cast<void>(
            io::lock(word_of(store), store.self, std::chrono::milliseconds(20), "the lock in question"));
        BOOST_ERROR("it got a lock that another one holds");
    } catch (const error& caught) {
        const std::string text = caught.what();
        BOOST_CHECK(caught.reason() == errc::busy);
        BOOST_TEST(text.find("process " + std::to_string(process.pid())) != std::string::npos, text);
        BOOST_TEST(text.find("the lock in question") != std::string::npos, text);
        BOOST_TEST(text.find(path.string()) != std::string::npos, text);
    }
    process.signal(SIGSTOP);
    BOOST_REQUIRE(process.wait_until_stopped());
    KVDB_CHECK_ERROR(static_cast<void>(io::lock(word_of(store), store.self, std::chrono::milliseconds(20), "it")),
                     busy);
    process.kill();
    BOOST_CHECK(io::lock(word_of(store), store.self, long_time, "the lock") == acquired::taken_over);
    KVDB_CHECK_ERROR(static_cast<void>(io::lock(word_of(store), store.self, std::chrono::milliseconds(20), "it")),
                     busy);
    io::unlock(word_of(store));
}

BOOST_AUTO_TEST_SUITE_END()
