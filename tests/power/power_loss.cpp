// SPDX-License-Identifier: BSL-1.0
// The power fails: at any step of any operation the medium holds what was flushed and some of what was not. Whatever
// was acknowledged as durable must be there after recovery, and again after another failure, in that recovery or in
// the work that follows it.
//
//   KVDB_TEST_IMAGES   images to build and recover (default 500; 150 under a sanitizer)
//   KVDB_TEST_SEED     of everything that is left to chance
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "database/journal.hpp"
#include "io/crash_point.hpp"
#include "power/medium.hpp"
#include "shard/cleaner.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

using version = std::optional<std::uint64_t>;  // none: the key is absent

/// What each key may show after a failure: its latest durable state, or any that came after it.
class promises {
public:
    /// An operation begins; it may count from now on.
    void begun(std::uint64_t key, version made) { of(key).push_back(made); }
    void durable(std::uint64_t key)
    {
        std::vector<version>& states = of(key);
        states.erase(states.begin(), states.end() - 1);
    }
    void all_durable()
    {
        for (auto& [key, states] : states_) {
            states.erase(states.begin(), states.end() - 1);
        }
    }
    /// Recovery decided: what is there now is durable, and nothing else.
    void decided(std::uint64_t key, version found) { of(key) = {found}; }
    [[nodiscard]] bool allows(std::uint64_t key, version found) const
    {
        const auto at = states_.find(key);
        return at == states_.end() ? !found
                                   : std::find(at->second.begin(), at->second.end(), found) != at->second.end();
    }

private:
    std::vector<version>& of(std::uint64_t key) { return states_.try_emplace(key, 1, version()).first->second; }

    std::map<std::uint64_t, std::vector<version>> states_;
};

constexpr std::uint64_t keys = 120;

/// Sizes repeat, so that after a failure records come to lie where lost ones of the same size were.
std::size_t size_of(std::uint64_t made, bool small)
{
    constexpr std::size_t sizes[] = {16, 100, 100, 100, 500, 3'000, 20'000, 70'000};
    return sizes[made * 7 % 64 % (small ? 5 : std::size(sizes))];
}

std::uint64_t next_version = 1;

/// A failure that was caught in the act: the medium's bytes and what was promised then.
struct failure {
    std::string image;
    promises promised;
};

/// One life of a store on a medium: operations, and failures at their crash points.
class life {
public:
    life(std::filesystem::path file, std::string durable, promises promised, std::uint64_t seed)
        : below_(file, std::move(durable)),
          file_(std::move(file)),
          promised_(std::move(promised)),
          source_(seed),
          durable_one_in_(seed % 4 < 2 ? 2 : 16),
          small_(seed % 2 == 0)
    {
        current_ = this;
    }
    life(const life&) = delete;
    life& operator=(const life&) = delete;
    ~life()
    {
        test_crash_hook = nullptr;
        current_ = nullptr;
    }

    /// About one visit of a crash point in so many becomes a failure.
    void open(std::uint64_t rarity)
    {
        rarity_ = rarity;
        options how = with_shards(4);
        how.max_handles = 8;
        how.durable = source_.below(2) == 0 ? durability::relaxed : durability::sync;
        // Without a journal, with one that begins anew at every few commits, one for some of the commits alone, and
        // one that lasts for longer.
        constexpr journal_policy policies[] = {
            {0, ~std::uint64_t{0}, 1}, {4 * 1'024, 0, 1}, {4 * 1'024, 0, 2}, {64 * 1'024, 0, 1}};
        test_policy<journal_policy> = policies[source_.below(std::size(policies))];
        // As it is, and at every opportunity.
        constexpr shard::cleaning_policy eager[] = {{}, {0, 0}, {0, 2'000}};
        test_policy<shard::cleaning_policy> = eager[source_.below(std::size(eager))];
        test_crash_hook = on_point;
        db_ = database::open(file_, how);
    }
    void work(std::uint64_t operations)
    {
        for (std::uint64_t i = 0; i < operations; ++i) {
            operate();
        }
        test_crash_hook = nullptr;
    }
    [[nodiscard]] const database& db() const { return db_; }
    [[nodiscard]] promises& promised() { return promised_; }
    [[nodiscard]] std::vector<failure> failures() { return std::move(failures_); }
    void leave()
    {
        test_crash_hook = nullptr;
        db_ = database();
    }

private:
    static void on_point(const char* point)
    {
        life& self = *current_;
        if (!std::filesystem::exists(self.file_)) {
            return;  // still being made, without a name that anybody could open
        }
        // The moment before a flush is when most is at stake.
        const std::uint64_t rarity = std::strcmp(point, "file.sync") == 0 ? self.rarity_ / 8 + 1 : self.rarity_;
        if (self.source_.below(rarity) == 0) {
            self.failures_.push_back({self.below_.image(self.source_), self.promised_});
        } else if (self.source_.below(self.rarity_ * 2) == 0) {
            self.below_.look();
        }
    }

    void operate()
    {
        const std::uint64_t key = source_.below(keys);
        const durability how = source_.below(durable_one_in_) != 0 ? durability::relaxed : durability::sync;
        const std::uint64_t kind = source_.below(small_ ? 120 : 40);
        if (kind < 3) {
            db_.sync();
            promised_.all_durable();
        } else if (kind < 6) {
            db_.close();
            promised_.all_durable();
            open(rarity_);
        } else if (kind % 40 < 14) {
            promised_.begun(key, version());
            if (db_.erase(numbered_key(key), how) && how == durability::sync) {
                promised_.durable(key);
            }
        } else {
            const std::uint64_t made = next_version++;
            promised_.begun(key, made);
            db_.set(numbered_key(key), telling_value(key, made, size_of(made, small_)), how);
            if (how == durability::sync) {
                promised_.durable(key);
            }
        }
    }

    static life* current_;

    medium below_;
    std::filesystem::path file_;
    promises promised_;
    chance source_;
    database db_;
    std::vector<failure> failures_;
    std::uint64_t rarity_ = 1;
    std::uint64_t durable_one_in_;  // with few of them, extents that no commit flushes come between
    bool small_;  // small values, seldom closed: flushes of the whole file would hide what the journal owes
};

life* life::current_ = nullptr;

struct rig : store_fixture {
    std::uint64_t images = 0;
    std::uint64_t second_generation = 0;

    /// What is there must have been promised; from here on it is what counts.
    static void judge(const database& db, promises& promised, const std::string& where)
    {
        std::uint64_t found = 0;
        for (std::uint64_t key = 0; key < keys; ++key) {
            const auto value = db.get(numbered_key(key));
            const version told = value ? told_version(key, *value) : version();
            BOOST_REQUIRE_MESSAGE(!value || told, where << ": key " << key << " has a torn value");
            BOOST_REQUIRE_MESSAGE(promised.allows(key, told),
                                  where << ": key " << key << " shows version " << told.value_or(0)
                                        << ", which is older than what was durable, or was never written");
            promised.decided(key, told);
            found += value ? 1U : 0U;
        }
        BOOST_REQUIRE_EQUAL(db.size(), found);
        for (const check_fault& each : db.check().faults) {
            // A header that reached the medium in part may say clean under a checksum of before, until it is
            // recovered.
            const bool torn_header = db.stats().private_index && each.what.starts_with("C9:");
            BOOST_REQUIRE_MESSAGE(torn_header, where << ": at " << each.offset << ": " << each.what);
        }
    }

    /// Recovers from a failure, works on, and recovers from failures in either.
    void survive(const failure& met, std::uint64_t seed, int generation)
    {
        const std::string where = "generation " + std::to_string(generation) + ", seed " + std::to_string(seed);
        const auto path = file.parent_path() / ("image-" + std::to_string(generation) + ".kvdb");
        std::filesystem::remove(path);
        write_bytes(path, met.image);
        std::vector<failure> next;
        {
            promises promised = met.promised;
            judge(database::open(path, with_mode(open_mode::read_only)), promised, where + ", to read");
        }
        BOOST_REQUIRE(read_bytes(path) == met.image);
        {
            life again(path, met.image, met.promised, seed);
            again.open(generation == 1 ? 40 : ~std::uint64_t{0});
            judge(again.db(), again.promised(), where);
            ++images;
            if (generation == 1) {
                again.work(16);
                next = again.failures();
                judge(again.db(), again.promised(), where + ", after more work");
            }
            again.leave();
        }
        chance source(seed);
        for (std::uint64_t i = 0; i < 3 && !next.empty(); ++i) {
            ++second_generation;
            survive(next[source.below(next.size())], seed + i + 1, generation + 1);
        }
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(power, rig)

BOOST_AUTO_TEST_CASE(nothing_durable_is_lost)
{
    const std::uint64_t wanted = setting("KVDB_TEST_IMAGES", sanitized ? 150 : 500);
    const std::uint64_t seed = setting("KVDB_TEST_SEED", 1);
    std::uint64_t lives = 0;
    while (images < wanted) {
        const std::uint64_t mine = seed * 1'000'003 + lives++;
        std::vector<failure> failures;
        std::filesystem::remove(file);
        {
            life first(file, {}, {}, mine);
            first.open(400);
            first.work(150);
            failures = first.failures();
            first.leave();
        }
        for (std::size_t i = 0; i < failures.size() && images < wanted; ++i) {
            survive(failures[i], mine * 31 + i, 1);
        }
    }
    std::printf("power loss: %llu images, %llu of them of a second failure, from %llu lives; none lost, none torn\n",
                static_cast<unsigned long long>(images), static_cast<unsigned long long>(second_generation),
                static_cast<unsigned long long>(lives));
}

BOOST_AUTO_TEST_SUITE_END()
