// SPDX-License-Identifier: BSL-1.0
// Processes that fill one file together. KVDB_TEST_KEYS makes it larger.
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct counters {
    std::atomic<std::uint64_t> written[4];
    std::atomic<int> finished;
    std::atomic<bool> start;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sharing, store_fixture)

BOOST_AUTO_TEST_CASE(four_writers_and_four_readers)
{
    const std::uint64_t each = setting("KVDB_TEST_KEYS", 200'000) / 4;
    shared<counters> common;
    std::vector<child> all;
    for (std::uint64_t mine = 0; mine < 4; ++mine) {
        all.emplace_back([&, mine] {
            auto db = open();  // whoever comes first creates it
            for (std::uint64_t i = 0; i < each; ++i) {
                const std::uint64_t key = mine * each + i;
                db.set(numbered_key(key), telling_value(key, 1));
                common->written[mine] = i + 1;
            }
            ++common->finished;
            db.close();
            return 0;
        });
    }
    for (std::uint64_t mine = 0; mine < 4; ++mine) {
        all.emplace_back([&, mine] {
            demand(eventually([&] { return common->written[mine] > 0; }), "no writer started");
            const auto db = open(with_mode(open_mode::read_only));
            chance source(mine);
            std::string value;
            do {
                const std::uint64_t writer = source.below(4);
                const std::uint64_t there = common->written[writer];
                const std::uint64_t number = source.below(each);
                const std::uint64_t key = writer * each + number;
                const bool found = db.get(numbered_key(key), value);
                demand(found || number >= there, "acknowledged, but not there: " + std::to_string(key));
                demand(!found || told_version(key, value) == 1U, "a torn value of " + std::to_string(key));
            } while (common->finished < 4);
            return 0;
        });
    }
    for (child& one : all) {
        BOOST_TEST(one.wait() == 0);
    }
    const auto db = open();
    BOOST_TEST(db.size() == 4 * each);
    std::uint64_t missing = 0;
    std::string value;
    for (std::uint64_t key = 0; key < 4 * each; ++key) {
        missing += db.get(numbered_key(key), value) && told_version(key, value) == 1U ? 0U : 1U;
    }
    BOOST_TEST(missing == 0U);
    BOOST_TEST(db.stats().last_recovery.at_unix_ms == 0U);
}

BOOST_AUTO_TEST_CASE(all_create_at_once)
{
    for (int round = 0; round < 20; ++round) {
        const auto path = folder / ("created" + std::to_string(round)).c_str();
        shared<counters> common;
        std::vector<child> all;
        for (std::uint64_t mine = 0; mine < 6; ++mine) {
            all.emplace_back([&, mine] {
                demand(eventually([&] { return common->start.load(); }), "no start");
                auto db = database::open(path);
                db.set(numbered_key(mine), telling_value(mine, 1));
                return 0;
            });
        }
        common->start = true;
        for (child& one : all) {
            BOOST_TEST(one.wait() == 0);
        }
        const auto db = database::open(path);
        BOOST_TEST(db.size() == 6U);
        expect_whole(db);
    }
}

BOOST_AUTO_TEST_CASE(create_only_has_one_winner)
{
    for (int round = 0; round < 20; ++round) {
        const auto path = folder / ("created" + std::to_string(round)).c_str();
        shared<counters> common;
        std::vector<child> all;
        for (int i = 0; i < 5; ++i) {
            all.emplace_back([&] {
                demand(eventually([&] { return common->start.load(); }), "no start");
                try {
                    const auto db = database::open(path, with_mode(open_mode::create_only));
                    return 10;
                } catch (const error& caught) {
                    return caught.reason() == errc::file_exists ? 20 : 1;
                }
            });
        }
        common->start = true;
        int winners = 0;
        for (child& one : all) {
            const int status = one.wait();
            BOOST_TEST((status == 10 || status == 20));
            winners += status == 10 ? 1 : 0;
        }
        BOOST_TEST(winners == 1);
    }
}

BOOST_AUTO_TEST_CASE(the_last_of_many_closers_leaves_a_clean_file)
{
    for (int round = 0; round < 10; ++round) {
        shared<counters> common;
        std::vector<child> all;
        for (std::uint64_t mine = 0; mine < 4; ++mine) {
            all.emplace_back([&, mine] {
                auto db = open();
                db.set(numbered_key(mine), std::to_string(mine));
                ++common->finished;
                demand(eventually([&] { return common->finished == 4; }), "somebody is missing");
                db.close();
                return 0;
            });
        }
        for (child& one : all) {
            BOOST_TEST(one.wait() == 0);
        }
        // A copy is another file, so nothing but the clean flag lets it open without a rebuild.
        const auto copy = folder / "copy.kvdb";
        std::filesystem::copy_file(file, copy, std::filesystem::copy_options::overwrite_existing);
        const auto db = database::open(copy);
        BOOST_TEST(db.stats().last_recovery.at_unix_ms == 0U);
        BOOST_TEST(db.size() == 4U);
    }
}

BOOST_AUTO_TEST_SUITE_END()
