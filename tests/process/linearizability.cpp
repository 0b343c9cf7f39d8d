// SPDX-License-Identifier: BSL-1.0
// Histories of get, set and erase over a few hot keys, from several processes and from threads of one, some of which
// are killed: for each key there is one order of all operations that explains every answer.
//
// The hot keys share buckets and the beginnings of their tags with a crowd of others that come and go, so that slots
// move and segments split, freeze and are used anew under the readers. Whoever is on the way through a search or an
// update pauses now and then until others got on: on few cores they would rarely meet otherwise. What a dead process
// had begun is settled by locking each shard once, which completes what was armed: from then on it has happened or
// never will.
//
// KVDB_TEST_ROUNDS databases, one after the other; KVDB_TEST_SEED.
#include <boost/test/unit_test.hpp>

#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.hpp"
#include "format/index.hpp"
#include "io/crash_point.hpp"
#include "io/pause_point.hpp"
#include "register_history.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr std::uint64_t hot_keys = 5;
constexpr std::size_t operations_each = 500;
constexpr std::size_t most_streams = 24;
constexpr std::uint64_t torn = never;  // what a get saw that is no whole value of its key

/// What one thread did, as it goes.
struct stream {
    std::atomic<std::size_t> begun;
    std::array<operation, operations_each> log;
    std::array<std::uint64_t, operations_each> key;
};

struct record {
    std::atomic<std::uint64_t> clock;
    std::array<stream, most_streams> streams;

    [[nodiscard]] std::uint64_t stamp() noexcept { return clock.fetch_add(1) + 1; }
};

// ---- keys whose first bytes are their hash ----

std::uint64_t hash_in_key(std::string_view key, std::uint64_t)
{
    std::uint64_t hash = 0;
    std::memcpy(&hash, key.data(), std::min<std::size_t>(sizeof hash, key.size()));
    return hash;
}

std::string key_with(std::uint32_t shard, std::uint64_t tag, std::uint64_t home, std::uint64_t number)
{
    // Shards, of which there are four at most, by the two highest bits.
    const std::uint64_t hash = (std::uint64_t{shard} << 62) | ((tag & format::tag_mask) << format::bucket_bits) |
                               (home & (format::buckets_per_segment - 1));
    std::string key(16, '\0');
    std::memcpy(key.data(), &hash, 8);
    std::memcpy(key.data() + 8, &number, 8);
    return key;
}

/// Where the keys of a round lie.
struct layout {
    std::uint32_t shard_count;
    std::uint64_t tag;
    std::uint32_t home;

    explicit layout(chance& source)
        : shard_count(1U << source.below(3)),
          tag(source.below(format::tag_mask)),
          home(static_cast<std::uint32_t>(source.below(format::buckets_per_segment)))
    {
    }
    [[nodiscard]] std::string hot(std::uint64_t number) const
    {
        // Every other one in the first shard, all of those in the same two buckets; tags that part late.
        const auto shard = static_cast<std::uint32_t>(number % 2 == 0 ? 0 : number * 3 % 4);
        return key_with(shard, tag ^ (number << format::bucket_bits), number % 2 == 0 ? home : home + number, number);
    }
    [[nodiscard]] std::string crowd(chance& source, std::uint64_t number) const
    {
        const std::uint64_t differing = (std::uint64_t{1} << source.below(format::tag_bits - 2)) - 1;
        const std::uint64_t bucket = source.below(3) == 0 ? home : source.next();
        return key_with(static_cast<std::uint32_t>(source.below(2) == 0 ? 0 : source.below(4)),
                        tag ^ (source.next() & differing), bucket, number);
    }
    /// One that has no place but one of the hot keys' buckets and one in which none of them can be: so many that fill
    /// both push the hot keys into their other bucket.
    [[nodiscard]] std::string pushing(bool from_home, std::uint64_t number) const
    {
        constexpr std::uint64_t other_partner = 32;
        const std::uint64_t bucket = from_home ? home : format::partner_of(home, tag);
        return key_with(0, tag ^ other_partner ^ (number << format::bucket_bits), bucket,
                        most_streams << 32 | number);
    }
    [[nodiscard]] static std::string nobodys(std::uint32_t shard) { return key_with(shard, 0, 0, never); }
};

// ---- pauses: given up after so many turns, since those waited for may wait or be dead themselves ----

record* watched = nullptr;
thread_local chance* my_pauses = nullptr;
thread_local bool in_a_get = false;

void pause(std::uint64_t one_in, std::uint64_t most_doublings, int turns) noexcept
{
    if (my_pauses == nullptr || my_pauses->below(one_in) != 0) {
        return;
    }
    const std::uint64_t until = watched->clock + (std::uint64_t{1} << my_pauses->below(most_doublings));
    for (int turn = 0; turn < turns && watched->clock < until; ++turn) {
        ::sched_yield();
    }
}
void pause_in_search(const char* point) noexcept
{
    // Not in a writer's search, which holds a lock. Few searches go on to the second bucket.
    if (in_a_get) {
        pause(std::strcmp(point, "find.home-seen") == 0 ? 6 : 60, 10, 200);
    }
}
void pause_in_update(const char*)
{
    pause(400, 6, 20);  // mostly with a lock held
}

// ---- a thread's work ----

struct habits {
    std::uint64_t sets;  // of 100 operations
    std::uint64_t erases;
    std::uint64_t crowd;  // operations on other keys for each on a hot one
    bool pushes = false;  // these others push the hot keys to and fro
};
constexpr habits writing{55, 25, 4};
constexpr habits pushing{30, 5, 6, true};
constexpr habits reading{0, 0, 0};
constexpr habits both{20, 10, 1};

class worker {
public:
    worker(database& db, record& all, std::size_t number, const layout& place, habits mine, std::uint64_t seed)
        : db_(db), all_(all), mine_(all.streams[number]), number_(number), place_(place), habits_(mine), source_(seed)
    {
    }
    void run()
    {
        chance pauses(source_.next());
        my_pauses = &pauses;
        for (std::size_t i = 0; i < operations_each; ++i) {
            for (std::uint64_t k = 0; k < habits_.crowd; ++k) {
                if (habits_.pushes) {
                    push();
                } else {
                    one_of_the_crowd();
                }
                static_cast<void>(all_.stamp());
            }
            one_hot(i);
        }
        my_pauses = nullptr;
    }

private:
    void one_of_the_crowd()
    {
        if (!placed_.empty() && source_.below(5) < 2) {
            const std::size_t victim = source_.below(placed_.size());
            demand(db_.erase(placed_[victim]), "a key of the crowd is gone");
            placed_[victim].swap(placed_.back());
            placed_.pop_back();
        } else {
            placed_.push_back(place_.crowd(source_, (number_ << 32) | ++placed_ever_));
            db_.set(placed_.back(), "one of the crowd");
        }
    }
    void push()
    {
        // Fills the home with its other partner, leaves, and does the same with the bucket where the hot keys are
        // now.
        constexpr std::uint64_t enough = 2 * format::slots_per_bucket + 1;
        const std::uint64_t step = pushed_++ % (4 * enough);
        const std::string key = place_.pushing(step < 2 * enough, step % enough);
        if (step / enough % 2 == 0) {
            db_.set(key, "pushing");
        } else {
            db_.erase(key);
        }
    }
    /// By itself, or in the middle of others.
    bool get(const std::string& name, std::string& value)
    {
        if (source_.below(2) == 0) {
            return db_.get(name, value);
        }
        const std::string others[] = {layout::nobodys(0), place_.hot(0), place_.hot(1), layout::nobodys(3)};
        const std::vector<std::string_view> keys{others[0], others[1], name, others[2], others[3]};
        std::vector<std::optional<std::string>> found = db_.multi_get(keys);
        value = found[2].value_or("");
        return found[2].has_value();
    }
    void one_hot(std::size_t i)
    {
        const std::uint64_t key = source_.below(hot_keys);
        const std::string name = place_.hot(key);
        const std::uint64_t dice = source_.below(100);
        operation& one = mine_.log[i];
        mine_.key[i] = key;
        one.what = dice < habits_.sets                    ? action::set
                   : dice < habits_.sets + habits_.erases ? action::erase
                                                          : action::get;
        one.value = ((number_ + 1) << 32) | (i + 1);
        std::string value;
        if (one.what == action::set) {
            value = telling_value(key, one.value, source_.below(50) == 0 ? 40'000 : 16 + source_.below(300));
        }
        one.responded = never;
        one.answered = false;
        one.invoked = all_.stamp();
        mine_.begun.store(i + 1, std::memory_order_release);
        std::uint64_t seen = one.value;
        switch (one.what) {
            case action::set:
                if (source_.below(3) == 0) {
                    db_.multi_set(std::vector<std::pair<std::string_view, std::string_view>>{{name, value}});
                } else {
                    db_.set(name, value);
                }
                break;
            case action::get:
                in_a_get = true;
                seen = get(name, value) ? told_version(key, value).value_or(torn) : absent;
                in_a_get = false;
                break;
            case action::erase: seen = db_.erase(name) ? 1 : 0; break;
        }
        const std::uint64_t now = all_.stamp();
        one.value = seen;
        one.responded = now;
        std::atomic_signal_fence(std::memory_order_release);
        one.answered = true;
    }

    database& db_;
    record& all_;
    stream& mine_;
    std::size_t number_;
    const layout& place_;
    habits habits_;
    chance source_;
    std::vector<std::string> placed_;
    std::uint64_t placed_ever_ = 0;
    std::uint64_t pushed_ = 0;
};

// ---- a round: processes on one file, some of which are killed ----

struct figures {
    std::uint64_t operations = 0;
    std::uint64_t keys = 0;
    std::uint64_t kills = 0;
    std::uint64_t unanswered = 0;
    std::uint64_t violations = 0;
    std::uint64_t segments = 0;
};

class round_of_processes {
public:
    round_of_processes(const std::filesystem::path& path, record& all, std::uint64_t seed)
        : path_(path),
          all_(all),
          source_(seed),
          place_(source_),
          db_(database::open(path, with_shards(place_.shard_count)))
    {
        all_.clock = 0;
        for (stream& each : all_.streams) {
            each.begun = 0;
        }
    }

    void run(figures& sum)
    {
        start({pushing});
        start({writing});
        start({reading}, open_mode::read_only);
        start({both, reading, writing});  // threads of one handle
        for (std::uint64_t wanted = source_.below(4); wanted > 0; --wanted) {
            const std::uint64_t when = all_.clock + source_.below(1'500);
            static_cast<void>(eventually([&] { return all_.clock >= when || all_ended(); }));
            kill_one(sum);
        }
        for (process& each : running_) {
            BOOST_TEST(each.itself.wait() == 0);
        }
        judge(sum);
        finish_for_the_dead(db_);
        expect_whole(db_);
    }

private:
    struct process {
        child itself;
        std::size_t first_stream;
        std::vector<habits> threads;
        open_mode mode;
    };

    void start(const std::vector<habits>& threads, open_mode mode = open_mode::open_only)
    {
        const std::size_t first = next_stream_;
        next_stream_ += threads.size();
        BOOST_REQUIRE(next_stream_ <= most_streams);
        const std::uint64_t seed = source_.next();
        running_.push_back({child([this, first, threads, mode, seed] {
                                // Whoever pauses with a lock held may keep others waiting long on a busy machine.
                                options how = with_mode(mode);
                                how.lock_timeout = std::chrono::minutes(3);
                                auto db = database::open(path_, how);
                                std::atomic<bool> failed = false;
                                const auto work = [&](std::size_t i) {
                                    try {
                                        worker(db, all_, first + i, place_, threads[i], seed + i).run();
                                    } catch (const std::exception& caught) {
                                        std::fprintf(stderr, "stream %zu: %s\n", first + i, caught.what());
                                        failed = true;
                                    }
                                };
                                std::vector<std::jthread> others;
                                for (std::size_t i = 1; i < threads.size(); ++i) {
                                    others.emplace_back(work, i);
                                }
                                work(0);
                                others.clear();
                                db.close();
                                return failed ? 1 : 0;
                            }),
                            first, threads, mode});
    }
    [[nodiscard]] bool all_ended() const
    {
        return std::all_of(running_.begin(), running_.end(), [](const process& one) { return one.itself.ended(); });
    }

    void kill_one(figures& sum)
    {
        const std::size_t index = source_.below(running_.size());
        process victim = std::move(running_[index]);
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
        const int status = victim.itself.kill();
        if (status != -SIGKILL) {
            BOOST_TEST(status == 0);  // it had finished
            return;
        }
        ++sum.kills;
        for (std::uint32_t shard = 0; shard < 4; ++shard) {
            BOOST_TEST(!db_.erase(layout::nobodys(shard)));
        }
        const std::uint64_t settled = all_.stamp();
        for (std::size_t i = 0; i < victim.threads.size(); ++i) {
            stream& its = all_.streams[victim.first_stream + i];
            if (its.begun != 0 && !its.log[its.begun - 1].answered) {
                operation& last = its.log[its.begun - 1];
                last.responded = settled;
                ++sum.unanswered;
            }
        }
        if (next_stream_ + victim.threads.size() <= most_streams) {
            start(victim.threads, victim.mode);
        }
    }

    void judge(figures& sum)
    {
        std::array<std::vector<operation>, hot_keys> histories;
        for (std::size_t i = 0; i < next_stream_; ++i) {
            const stream& its = all_.streams[i];
            for (std::size_t k = 0; k < its.begun; ++k) {
                histories[its.key[k]].push_back(its.log[k]);
            }
        }
        for (std::uint64_t key = 0; key < hot_keys; ++key) {
            std::string value;
            operation last{action::get, absent, all_.stamp()};
            last.value = db_.get(place_.hot(key), value) ? told_version(key, value).value_or(torn) : absent;
            last.responded = all_.stamp();
            histories[key].push_back(last);
            sum.operations += histories[key].size();
            const std::string wrong = contradiction_in(std::move(histories[key]));
            sum.violations += wrong.empty() ? 0U : 1U;
            BOOST_CHECK_MESSAGE(wrong.empty(), "key " << key << ": " << wrong);
        }
        sum.keys += hot_keys;
        sum.segments += db_.stats().index_slots / (format::buckets_per_segment * format::slots_per_bucket);
    }

    const std::filesystem::path& path_;
    record& all_;
    chance source_;
    layout place_;
    database db_;
    std::vector<process> running_;
    std::size_t next_stream_ = 0;
};

struct linear_fixture {
    scratch_folder folder{fast_parent()};
    shared<record> all;

    linear_fixture()
    {
        watched = &*all;
        test_key_hash = hash_in_key;
        test_pause_hook = pause_in_search;
        test_crash_hook = pause_in_update;
    }
    linear_fixture(const linear_fixture&) = delete;
    linear_fixture& operator=(const linear_fixture&) = delete;
    ~linear_fixture()
    {
        test_crash_hook = nullptr;
        test_pause_hook = nullptr;
        test_key_hash = nullptr;
        watched = nullptr;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(linearizability, linear_fixture)

BOOST_AUTO_TEST_CASE(of_hot_keys)
{
    const std::uint64_t rounds = setting("KVDB_TEST_ROUNDS", sanitized ? 6 : 24);
    chance seeds(setting("KVDB_TEST_SEED", 1));
    figures sum;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::uint64_t seed = seeds.next();
        BOOST_TEST_CONTEXT("round " << round << ", seed " << seed)
        {
            const auto path = folder / "hot.kvdb";
            round_of_processes(path, *all, seed).run(sum);
            BOOST_REQUIRE(sum.violations == 0);
            std::filesystem::remove(path);
        }
    }
    BOOST_TEST(sum.segments > rounds);  // or nothing ever split
    std::printf(
        "linearizability: %llu operations on %llu keys, %llu kills with %llu operations under way, "
        "%llu segments, %llu violations\n",
        static_cast<unsigned long long>(sum.operations), static_cast<unsigned long long>(sum.keys),
        static_cast<unsigned long long>(sum.kills), static_cast<unsigned long long>(sum.unanswered),
        static_cast<unsigned long long>(sum.segments), static_cast<unsigned long long>(sum.violations));
}

BOOST_AUTO_TEST_SUITE_END()
