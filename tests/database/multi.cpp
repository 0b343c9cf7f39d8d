// SPDX-License-Identifier: BSL-1.0
// Many keys in one call: as so many calls for one key, but for what they cost.
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.hpp"
#include "io/flush_hook.hpp"
#include "io/write_hook.hpp"
#include "shard/cleaner.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

using views = std::vector<std::string_view>;
using values = std::vector<std::optional<std::string>>;
using entries = std::vector<std::pair<std::string_view, std::string_view>>;

/// Owns the bytes of what a batch sets.
class batch {
public:
    void add(std::string key, std::string value) { owned_.emplace_back(std::move(key), std::move(value)); }
    [[nodiscard]] entries get() const { return {owned_.begin(), owned_.end()}; }
    void apply_to(contents& model) const
    {
        for (const auto& [key, value] : owned_) {
            model[key] = value;
        }
    }

private:
    std::vector<std::pair<std::string, std::string>> owned_;
};

batch numbered_batch(std::uint64_t first, std::uint64_t count, std::uint64_t version)
{
    batch made;
    for (std::uint64_t i = first; i < first + count; ++i) {
        made.add(numbered_key(i), telling_value(i, version, 16 + i % 300));
    }
    return made;
}

/// Both forms of multi_get say what the model says.
void expect_as_in(const database& db, const contents& model, const views& keys)
{
    values into(keys.size(), "from before");
    db.multi_get(keys, into);
    BOOST_REQUIRE(db.multi_get(keys) == into);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto wanted = model.find(keys[i]);
        BOOST_REQUIRE_EQUAL(into[i].has_value(), wanted != model.end());
        BOOST_REQUIRE(!into[i] || *into[i] == wanted->second);
    }
}

void expect_all(const database& db, const contents& model)
{
    views keys;
    for (const auto& [key, value] : model) {
        keys.push_back(key);
    }
    expect_as_in(db, model, keys);
    BOOST_REQUIRE_EQUAL(db.size(), model.size());
}

// ---- against a model ----

class model_run {
public:
    model_run(std::filesystem::path path, std::uint64_t seed, const options& how)
        : path_(std::move(path)), source_(seed), how_(how), db_(database::open(path_, how))
    {
    }
    void run(std::uint64_t steps)
    {
        for (std::uint64_t i = 0; i < steps; ++i) {
            step();
        }
        expect_all(db_, model_);
        BOOST_REQUIRE(contents_of(db_) == model_);
        db_.close();
        expect_whole_file(path_);
    }

private:
    [[nodiscard]] std::string any_key()
    {
        const std::uint64_t number = source_.below(600);
        return number == 0 ? "" : number % 50 == 1 ? std::string(number, 'k') : numbered_key(number);
    }
    [[nodiscard]] std::string any_value()
    {
        const std::uint64_t dice = source_.below(200);
        return bytes_of(dice == 0 ? 100'000 : dice < 4 ? source_.below(32'768) : source_.below(200), source_.next());
    }
    void step()
    {
        const std::uint64_t count = source_.below(source_.below(8) == 0 ? 200 : 40);
        const std::uint64_t what = source_.below(20);
        if (what < 8) {
            batch some;
            for (std::uint64_t i = 0; i < count; ++i) {
                some.add(any_key(), any_value());
            }
            db_.multi_set(some.get());
            some.apply_to(model_);
        } else if (what < 18) {
            std::vector<std::string> owned;
            std::generate_n(std::back_inserter(owned), count, [&] { return any_key(); });
            expect_as_in(db_, model_, views(owned.begin(), owned.end()));
        } else if (what < 19) {
            for (std::uint64_t i = 0; i < count; ++i) {
                const std::string key = any_key();
                BOOST_REQUIRE_EQUAL(db_.erase(key), model_.erase(key) == 1);
            }
        } else {
            db_.close();
            options again = how_;
            again.distrust = source_.below(2) == 0;
            db_ = database::open(path_, again);
        }
    }

    std::filesystem::path path_;
    chance source_;
    options how_;
    database db_;
    contents model_;
};

std::uint64_t few_hashes(std::string_view key, std::uint64_t seed)
{
    // One shard, four buckets, eight tags: chains of overflow blocks, and tags that many keys share.
    return hash_bytes(key.data(), key.size(), seed) & 0x103U;
}

struct hash_override {
    explicit hash_override(key_hash_override other) { test_key_hash = other; }
    hash_override(const hash_override&) = delete;
    hash_override& operator=(const hash_override&) = delete;
    ~hash_override() { test_key_hash = nullptr; }
};

// ---- media ----

std::uint64_t flushes = 0;
std::uint64_t writes_left = 0;

bool count_flush(int, std::span<const io::byte_range>)
{
    ++flushes;
    return true;
}

ssize_t write_so_often(int descriptor, const void* bytes, std::size_t count, off_t offset)
{
    if (writes_left == 0) {
        errno = EIO;
        return -1;
    }
    --writes_left;
    return ::pwrite(descriptor, bytes, count, offset);
}

struct watched_medium {
    watched_medium()
    {
        flushes = 0;
        io::test_flush_hook = count_flush;
    }
    watched_medium(const watched_medium&) = delete;
    watched_medium& operator=(const watched_medium&) = delete;
    ~watched_medium()
    {
        io::test_flush_hook = nullptr;
        io::test_write = ::pwrite;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(multi, store_fixture)

BOOST_AUTO_TEST_CASE(there_absent_and_twice)
{
    auto db = open();
    db.multi_set(entries{{"a", "1"}, {"b", ""}, {"a", "2"}, {"", "empty"}, {"a", "3"}});
    BOOST_TEST(db.size() == 3U);
    const views keys{"a", "x", "b", "a", "", std::string_view()};
    const values found = db.multi_get(keys);
    BOOST_CHECK((found == values{"3", std::nullopt, "", "3", "empty", "empty"}));
    std::string_view fixed[] = {"x", "b"};  // any contiguous range will do
    std::optional<std::string> into[2];
    db.multi_get(fixed, into);
    BOOST_CHECK(!into[0]);
    BOOST_CHECK(into[1] == "");
}

BOOST_AUTO_TEST_CASE(nothing_at_all)
{
    auto db = open();
    db.multi_set(entries{});
    db.multi_set({}, durability::sync);
    db.multi_get({}, {});
    BOOST_CHECK(db.multi_get(views{}).empty());
    BOOST_CHECK(db.multi_get(views(100, "absent")) == values(100));
    BOOST_TEST(db.size() == 0U);
}

BOOST_AUTO_TEST_CASE(strings_keep_their_memory)
{
    auto db = open();
    const batch some = numbered_batch(0, 40, 1);
    db.multi_set(some.get());
    views keys;
    for (const auto& [key, value] : some.get()) {
        keys.push_back(key);
    }
    values into(keys.size(), std::string(1'000, 'x'));
    std::vector<const char*> before;
    for (const auto& each : into) {
        before.push_back(each->data());
    }
    db.multi_get(keys, into);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        BOOST_TEST(told_version(i, into[i].value()).has_value());
        BOOST_TEST(static_cast<const void*>(into[i]->data()) == static_cast<const void*>(before[i]));
    }
}

BOOST_AUTO_TEST_CASE(what_is_refused)
{
    const std::string too_long(max_key_size + 1, 'k');
    auto db = open();
    values three(3, "untouched");
    KVDB_CHECK_ERROR(db.multi_get(views{"a", "b"}, three), invalid_argument);
    KVDB_CHECK_ERROR(db.multi_get({}, three), invalid_argument);
    KVDB_CHECK_ERROR(db.multi_get(views{"a", "b", too_long}, three), key_too_large);
    KVDB_CHECK_ERROR((void)db.multi_get(views{too_long}), key_too_large);
    BOOST_CHECK(three == values(3, "untouched"));
    KVDB_CHECK_ERROR(db.multi_set(entries{{"a", "1"}, {too_long, "2"}}), key_too_large);
    const std::string_view too_large("", max_value_size + 1);  // nobody gets to look at it
    KVDB_CHECK_ERROR(db.multi_set(entries{{"a", "1"}, {"b", too_large}}), value_too_large);
    BOOST_TEST(db.size() == 0U);
    db.multi_set(entries{{"a", "1"}});
    auto reader = open(with_mode(open_mode::read_only));
    KVDB_CHECK_ERROR(reader.multi_set(entries{{"a", "2"}}), read_only);
    KVDB_CHECK_ERROR(reader.multi_set(entries{}), read_only);
    BOOST_CHECK((reader.multi_get(views{"a", "b"}) == values{"1", std::nullopt}));
    db.close();
    KVDB_CHECK_ERROR((void)db.multi_get(views{"a"}), closed);
    KVDB_CHECK_ERROR(db.multi_get({}, {}), closed);
    KVDB_CHECK_ERROR(db.multi_set(entries{}), closed);
    KVDB_CHECK_ERROR(database().multi_set(entries{{"a", "1"}}, durability::sync), closed);
}

BOOST_AUTO_TEST_CASE(random_batches)
{
    const auto now = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    const std::uint64_t first = setting("KVDB_TEST_SEED", now % 1'000'000'000);
    std::uint64_t seed = first;
    for (const std::uint32_t shards : {1U, 4U, 64U}) {
        for (const durability mode : {durability::relaxed, durability::sync}) {
            for (const bool verify : {false, true}) {
                const auto path = folder / ("model" + std::to_string(++seed)).c_str();
                options how = with_shards(shards);
                how.durable = mode;
                how.verify_reads = verify;
                BOOST_TEST_CONTEXT("KVDB_TEST_SEED=" << first << ", " << shards << " shards")
                {
                    model_run(path, seed, how).run(sanitized ? 60 : 200);
                }
                std::filesystem::remove(path);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(keys_of_few_hashes)
{
    const hash_override few(few_hashes);
    model_run(folder / "few.kvdb", 7, with_shards(4)).run(sanitized ? 60 : 200);
}

BOOST_AUTO_TEST_CASE(through_splits_and_growth)
{
    auto db = open(with_shards(2));
    const auto reader = open(with_mode(open_mode::read_only));
    contents model;
    for (std::uint64_t first = 0; first < 20'000; first += 2'500) {
        const batch some = numbered_batch(first, 2'500, 1);
        db.multi_set(some.get());
        some.apply_to(model);
        expect_all(reader, model);  // by a handle that knows nothing of the growth so far
    }
    expect_all(db, model);
}

BOOST_AUTO_TEST_CASE(with_a_private_index)
{
    contents model;
    const batch some = numbered_batch(0, 1'000, 1);
    some.apply_to(model);
    const auto copy = folder / "copy.kvdb";
    {
        auto db = open();
        db.multi_set(some.get());
        std::filesystem::copy_file(file, copy);  // in use: unclean, and another inode
    }
    const auto reader = database::open(copy, with_mode(open_mode::read_only));
    BOOST_TEST(reader.stats().private_index);
    expect_all(reader, model);
    auto writer = database::open(copy);
    writer.multi_set(entries{{"new", "value"}});
    model["new"] = "value";
    expect_all(reader, model);
    BOOST_TEST(!reader.stats().private_index);
}

BOOST_AUTO_TEST_CASE(one_commit_for_all)
{
    test_policy<shard::cleaning_policy> = {std::uint64_t{1} << 40,
                                           std::uint64_t{1} << 40};  // its checkpoints flush as well
    auto db = open(with_shards(16));
    contents model;
    for (std::uint64_t round = 0; round < 20; ++round) {
        const batch some = numbered_batch(round * 20, 100, round);
        const watched_medium watched;
        db.multi_set(some.get(), durability::sync);
        BOOST_TEST(flushes == 1U);
        db.multi_set(some.get(), durability::relaxed);
        db.multi_set(some.get());
        db.multi_set({}, durability::sync);
        BOOST_TEST(flushes == 1U);
        some.apply_to(model);
    }
    test_policy<shard::cleaning_policy> = {};
    std::filesystem::copy_file(file, folder / "copy.kvdb");
    expect_all(database::open(folder / "copy.kvdb"), model);
}

BOOST_AUTO_TEST_CASE(the_first_so_many_are_set_when_one_fails)
{
    options how = with_shards(8);
    how.durable = durability::sync;
    auto db = open(how);
    db.multi_set(numbered_batch(0, 100, 1).get());
    std::uint64_t most = 0;
    for (const std::uint64_t good : {0U, 1U, 16U, 37U, 99U}) {  // writes, of which a set takes one or more
        const std::uint64_t version = 100 + good;
        const watched_medium watched;
        writes_left = good;
        io::test_write = write_so_often;
        KVDB_CHECK_ERROR(db.multi_set(numbered_batch(0, 100, version).get()), io_failure);
        BOOST_TEST(flushes == 0U);
        std::uint64_t set = 0;
        for (std::uint64_t i = 0; i < 100; ++i) {
            const auto told = told_version(i, db.get(numbered_key(i)).value());
            BOOST_REQUIRE(told.has_value());
            BOOST_REQUIRE(*told != version || set == i);
            set += *told == version ? 1U : 0U;
        }
        BOOST_TEST(set <= good);
        most = std::max(most, set);
    }
    BOOST_TEST(most > 16U);
    db.multi_set(numbered_batch(0, 100, 1'000).get());
    BOOST_CHECK(told_version(50, db.get(numbered_key(50)).value()) == 1'000U);
}

BOOST_AUTO_TEST_CASE(in_a_forked_child)
{
    contents model;
    auto db = open();
    numbered_batch(0, 500, 1).apply_to(model);
    db.multi_set(numbered_batch(0, 500, 1).get());
    const int end = in_child([&] {
        const views keys{"absent", "key-000000000007"};
        demand(db.multi_get(keys)[1] == telling_value(7, 1, 23), "the parent's entry");
        db.multi_set(numbered_batch(500, 500, 1).get());
        demand(db.multi_get(views(3, "key-000000000700"))[2].has_value(), "the child's entry");
        db.close();
        return 0;
    });
    BOOST_TEST(end == 0);
    numbered_batch(500, 500, 1).apply_to(model);
    expect_all(db, model);
}

BOOST_AUTO_TEST_CASE(beside_writers_that_split)
{
    constexpr std::uint64_t count = 6'000;
    auto db = open(with_shards(1));
    db.multi_set(numbered_batch(0, count, 0).get());
    std::atomic<std::uint64_t> wrong = 0;
    std::atomic<bool> done = false;
    const auto read = [&](std::uint64_t seed) {
        chance source(seed);
        std::vector<std::string> owned(50);
        std::vector<std::uint64_t> numbers(50);
        values into(50);
        while (!done) {
            for (std::size_t i = 0; i < owned.size(); ++i) {
                numbers[i] = source.below(count);
                owned[i] = numbered_key(numbers[i]);
            }
            db.multi_get(views(owned.begin(), owned.end()), into);
            for (std::size_t i = 0; i < owned.size(); ++i) {
                wrong += into[i] && told_version(numbers[i], *into[i]) ? 0U : 1U;
            }
        }
    };
    std::thread one(read, 1);
    std::thread two(read, 2);
    for (std::uint64_t version = 1; version < 6; ++version) {
        db.multi_set(numbered_batch(0, count, version).get());
        db.multi_set(numbered_batch(version * count, count, version).get());  // new ones: moves, splits, growth
    }
    done = true;
    one.join();
    two.join();
    BOOST_TEST(wrong == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
