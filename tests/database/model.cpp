// SPDX-License-Identifier: BSL-1.0
// Random operations against a standard map. KVDB_TEST_SEED repeats a run, KVDB_TEST_ROUNDS makes it longer.
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

class model_run {
public:
    model_run(std::filesystem::path path, std::uint64_t seed) : path_(std::move(path)), source_(seed)
    {
        constexpr std::uint32_t shards[] = {1, 2, 4, 64, 256};
        how_.shard_count = shards[source_.below(std::size(shards))];
        how_.max_handles = 8;
        how_.durable = static_cast<durability>(source_.below(3));
        how_.verify_reads = source_.below(2) == 0;
        keys_ = how_.durable == durability::sync ? 40 : 1 + source_.below(3'000);
        db_ = database::open(path_, how_);
    }

    void run(std::uint64_t operations)
    {
        if (how_.durable == durability::sync) {
            operations /= 10;
        }
        for (std::uint64_t i = 0; i < operations; ++i) {
            step();
        }
        compare_all(db_);
        expect_whole(db_);
        db_.close();
        expect_whole_file(path_);
    }

    [[nodiscard]] std::string description() const
    {
        return std::to_string(how_.shard_count) + " shards, durability " +
               std::to_string(static_cast<int>(how_.durable)) + ", " + std::to_string(keys_) + " keys";
    }

private:
    [[nodiscard]] std::string any_key()
    {
        const std::uint64_t number = source_.below(keys_);
        // Lengths from 0 up; some long enough that the key alone fills pages.
        const std::size_t length = number % 97 == 0 ? (number * 577) % 65'536 : number % 40;
        std::string key = std::to_string(number);
        return number == 0 ? "" : key.append(length > key.size() ? length - key.size() : 0, '.');
    }
    [[nodiscard]] std::string any_value()
    {
        std::size_t size = source_.below(200);
        switch (source_.below(300)) {
            case 0: size = source_.below(600'000); break;
            case 1: size = 32'600 + source_.below(300); break;
            case 2:
            case 3: size = source_.below(32'768); break;
            case 4: size = 0; break;
            default: break;
        }
        return bytes_of(size, source_.next());
    }

    void step()
    {
        const std::uint64_t what = source_.below(1'000);
        if (what < 500) {
            const std::string key = any_key();
            std::string value = any_value();
            db_.set(key, value);
            model_[key] = std::move(value);
        } else if (what < 650) {
            const std::string key = any_key();
            BOOST_REQUIRE_EQUAL(db_.erase(key), model_.erase(key) == 1);
        } else if (what < 985) {
            const std::string key = any_key();
            const auto wanted = model_.find(key);
            const auto found = db_.get(key);
            BOOST_REQUIRE_EQUAL(found.has_value(), wanted != model_.end());
            BOOST_REQUIRE(!found || *found == wanted->second);
            BOOST_REQUIRE_EQUAL(db_.contains(key), found.has_value());
        } else {
            rare_step(source_.below(20));
        }
    }

    void rare_step(std::uint64_t what)
    {
        if (what < 12) {
            BOOST_REQUIRE_EQUAL(db_.size(), model_.size());
        } else if (what < 14) {
            db_.sync();
        } else if (what < 15) {
            compare_all(db_);
        } else if (what < 16) {
            expect_whole(db_);
        } else if (what < 17) {
            compare_all(database::open(path_, with_mode(open_mode::read_only, how_)));
        } else if (what < 18) {  // a second handle takes over
            auto other = database::open(path_, how_);
            db_ = std::move(other);
        } else {
            db_.close();
            how_.distrust = what == 19;
            db_ = database::open(path_, how_);
            how_.distrust = false;
            BOOST_REQUIRE_EQUAL(db_.size(), model_.size());
        }
    }

    void compare_all(const database& db) const
    {
        BOOST_REQUIRE(contents_of(db) == model_);
        BOOST_REQUIRE_EQUAL(db.size(), model_.size());
    }

    std::filesystem::path path_;
    chance source_;
    options how_;
    std::uint64_t keys_ = 0;
    database db_;
    contents model_;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(model, store_fixture)

BOOST_AUTO_TEST_CASE(random_operations)
{
    const auto now = static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
    const std::uint64_t first = setting("KVDB_TEST_SEED", now % 1'000'000'000);
    const std::uint64_t rounds = setting("KVDB_TEST_ROUNDS", sanitized ? 6 : 15);
    for (std::uint64_t seed = first; seed < first + rounds; ++seed) {
        const auto path = folder / ("model" + std::to_string(seed)).c_str();
        model_run run(path, seed);
        BOOST_TEST_MESSAGE("KVDB_TEST_SEED=" << seed << ": " << run.description());
        BOOST_TEST_CONTEXT("KVDB_TEST_SEED=" << seed << ": " << run.description())
        {
            run.run(6'000);
        }
        std::filesystem::remove(path);
    }
}

BOOST_AUTO_TEST_SUITE_END()
