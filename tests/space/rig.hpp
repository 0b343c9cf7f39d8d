// SPDX-License-Identifier: BSL-1.0
// Random work on a file whose medium refuses now and then, and what must be there after each refusal.
//
//   KVDB_TEST_SEED     of everything that is left to chance
//   KVDB_TEST_ROUNDS   how often each case runs
//
// A key belongs to one user, so what it must hold is known at any moment: what was acknowledged last. An operation
// that fails changes nothing, but for one whose flush failed: that one was visible before, and may stay so.
#ifndef KVDB_TESTS_SPACE_RIG_HPP
#define KVDB_TESTS_SPACE_RIG_HPP

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <set>
#include <string>

#include "support/child.hpp"
#include "support/file_system.hpp"
#include "support/fixture.hpp"

namespace kvdb::testing {

/// Over all processes of the program; printed at its end.
struct figures {
    std::atomic<std::uint64_t> operations;
    std::atomic<std::uint64_t> errors[32];  // by errc
    std::atomic<std::uint64_t> reopenings;
    std::atomic<std::uint64_t> verified;
    std::atomic<std::uint64_t> lost;
};
[[nodiscard]] figures& totals();

[[nodiscard]] std::uint64_t seed_of_run();
[[nodiscard]] std::uint64_t rounds_of_run(std::uint64_t usual);

/// Demands that it has one of these reasons, names the file and says something; counts it.
void expect_sensible(const error& caught, const std::filesystem::path& file, const std::set<errc>& allowed);

/// What is acknowledged, in memory that all processes of a test share.
class ledger {
public:
    static constexpr std::uint64_t users = 2;
    static constexpr std::uint64_t keys_of_user = 160;

    struct entry {
        std::uint64_t version;  // 0: absent
        std::uint64_t size;
        std::uint64_t tried;  // highest version that any attempt carried
    };
    entry entries[users * keys_of_user];

    [[nodiscard]] static std::string key(std::uint64_t number) { return "owned " + numbered_key(number); }
    [[nodiscard]] std::uint64_t count() const;
};

/// Every acknowledged value, every absent key, size() and check(). Nobody may write meanwhile.
void expect_all(const database& db, const ledger& known);
/// The same through a handle of its own, then after a clean opening and after one that forces the recovery; the file
/// must not be open elsewhere.
void expect_all_reopened(const std::filesystem::path& file, const ledger& known);

/// What a run may ask for.
struct workload {
    std::uint64_t largest = 100'000;  // bytes of a value
    bool syncs = true;                // durable operations and sync()
    std::set<errc> allowed;           // reasons of failures
};

/// One user of the file: random operations on the user's keys.
class user {
public:
    user(std::filesystem::path file, ledger& known, std::uint64_t number, workload work, std::uint64_t seed)
        : file_(std::move(file)),
          known_(known),
          first_(number * ledger::keys_of_user),
          work_(std::move(work)),
          source_(seed)
    {
    }

    /// One operation and what must hold after it. False if it failed, sensibly.
    bool step(database& db);
    /// Failures, those since the last success counting ten times.
    [[nodiscard]] std::uint64_t refused() const noexcept { return 9 * in_a_row_ + refused_; }

private:
    void change(database& db, std::uint64_t number, bool erases);
    /// After a failure: the old state, or the attempted one if `visible` says that it may be there.
    void settle(const database& db, std::uint64_t number, const ledger::entry& attempted, bool visible);
    [[nodiscard]] std::uint64_t any_size();

    std::filesystem::path file_;
    ledger& known_;
    std::uint64_t first_;
    workload work_;
    chance source_;
    std::uint64_t refused_ = 0;
    std::uint64_t in_a_row_ = 0;
};

/// Runs `work(folder, seed)` as often as the run asks for, each time in a fresh folder and with a seed of its own.
template <class Work>
void for_each_round(std::uint64_t usual, const Work& work)
{
    for (std::uint64_t round = 0; round < rounds_of_run(usual); ++round) {
        const scratch_folder folder(fast_parent());
        const std::uint64_t seed = seed_of_run() + round;
        BOOST_TEST_CONTEXT("KVDB_TEST_SEED=" << seed)
        {
            work(folder, seed);
        }
    }
}

}  // namespace kvdb::testing

#endif
