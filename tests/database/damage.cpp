// SPDX-License-Identifier: BSL-1.0
// A small file, cut at every length and with every byte flipped: an error or a right answer, never a crash, a hang
// or a wrong value.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

#include "support/fixture.hpp"
#include "support/sanitized.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

/// In memory where possible: the file is opened some tens of thousands of times.
struct damage_fixture {
    scratch_folder folder{fast_parent()};
    std::filesystem::path bad = folder / "bad.kvdb";
    contents model;
    std::string bytes;

    damage_fixture()
    {
        const auto path = folder / "good.kvdb";
        options how = with_shards(1);
        how.max_handles = 8;
        auto db = database::open(path, how);
        const auto put = [&](const std::string& key, const std::string& value) {
            db.set(key, value);
            model[key] = value;
        };
        for (std::uint64_t i = 0; i < 30; ++i) {
            put(numbered_key(i), telling_value(i, 1, 16 + i * 3));
        }
        put("", "empty key");
        put("empty value", "");
        put(numbered_key(3), "overwritten");
        put(std::string(300, 'k'), "long key");
        put("large", bytes_of(33'000, 5));
        db.erase(numbered_key(4));
        model.erase(numbered_key(4));
        db.close();
        bytes = read_bytes(path);
    }

    /// Where a record is lost, the one before it may come back; what never was stored may not.
    [[nodiscard]] bool once_stored(std::string_view key, std::string_view value) const
    {
        const auto last = model.find(key);
        return (last != model.end() && last->second == value) ||
               (key == numbered_key(3) && value == telling_value(3, 1, 25)) ||
               (key == numbered_key(4) && value == telling_value(4, 1, 28));
    }

    /// True if everything was there.
    bool look(const database& db) const
    {
        bool all = true;
        for (const auto& [key, value] : model) {
            try {
                const auto found = db.get(key);
                if (found && !once_stored(key, *found)) {
                    BOOST_ERROR("a wrong value");
                }
                all = all && found == value;
            } catch (const error&) {
                all = false;
            }
        }
        try {
            std::size_t seen = 0;
            db.for_each([&](std::string_view key, std::string_view value) {
                if (!once_stored(key, value)) {
                    BOOST_ERROR("for_each: a wrong entry");
                }
                ++seen;
            });
            all = all && seen == model.size();
        } catch (const error&) {
            all = false;
        }
        return all;
    }

    /// Returns whether the damage went unseen although something is missing.
    bool missing_silently(const database& db) const
    {
        const bool all = look(db);
        const bool whole = db.check().ok();
        const statistics stats = db.stats();
        return !all && whole && !stats.private_index && stats.last_recovery.at_unix_ms == 0;
    }

    void try_it(open_mode mode) const
    {
        options how = with_mode(mode);
        how.verify_reads = true;
        try {
            auto db = database::open(bad, how);
            if (missing_silently(db)) {
                BOOST_ERROR("entries are missing and nothing says so");
            }
            if (mode != open_mode::read_only) {
                db.set("new", "value");
                if (db.get("new") != "value") {
                    BOOST_ERROR("a new entry was lost");
                }
                db.erase(numbered_key(5));
                db.sync();
                db.close();
            }
        } catch (const error& caught) {
            if (std::string_view(caught.what()).empty()) {
                BOOST_ERROR("an error without words");
            }
        }
    }

    void try_all_ways(const std::string& damaged_bytes) const
    {
        write_bytes(bad, damaged_bytes);
        try_it(open_mode::read_only);
        if (read_bytes(bad) != damaged_bytes) {
            BOOST_ERROR("a read-only handle wrote");
        }
        try_it(open_mode::open_only);
        std::filesystem::remove(bad);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(damage, damage_fixture)

BOOST_AUTO_TEST_CASE(runs_named_in_the_table_of_a_clean_file_are_not_freed)
{
    // No checksum covers the table, and nobody was filling anything when the file was closed.
    const auto word_at = [&](std::size_t at) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data() + at, sizeof word);
        return word;
    };
    const std::uint64_t shard_table = word_at(112);
    const std::uint64_t attachment_table = word_at(120);
    const std::uint64_t log_extent = word_at(shard_table + 80);
    const std::uint64_t forged = (std::uint64_t{7} << 32) | (log_extent / 1'024);
    std::memcpy(bytes.data() + attachment_table + 32, &forged, sizeof forged);
    write_bytes(bad, bytes);
    BOOST_TEST(database::open(bad, with_mode(open_mode::read_only)).check().ok());
    auto db = database::open(bad, with_mode(open_mode::open_only));
    for (std::uint64_t i = 100; i < 2'000; ++i) {
        db.set(numbered_key(i), telling_value(i, 1, 40));
        model[numbered_key(i)] = telling_value(i, 1, 40);
    }
    expect_whole(db);
    BOOST_TEST((contents_of(db) == model));
}

BOOST_AUTO_TEST_CASE(cut_at_every_length)
{
    BOOST_TEST_MESSAGE("file of " << bytes.size() << " bytes");
    const std::size_t step = setting("KVDB_TEST_DAMAGE_STEP", 61);
    for (std::size_t size = 0; size < bytes.size(); size += size % 1'024 < 16 && step > 1 ? 15 : step) {
        BOOST_TEST_CONTEXT("cut at " << size)
        {
            try_all_ways(bytes.substr(0, size));
        }
    }
    for (std::size_t size = 1'024; size < bytes.size(); size += 1'024) {
        BOOST_TEST_CONTEXT("cut at " << size)
        {
            try_all_ways(bytes.substr(0, size));
        }
    }
}

BOOST_AUTO_TEST_CASE(every_byte_flipped)
{
    const std::size_t step = setting("KVDB_TEST_DAMAGE_STEP", 31);
    std::size_t tried = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        // Bytes that are not zero mean something; runs of zeros and the inside of the large value are sampled.
        const bool means_something = bytes[at] != 0 && at < 33'000;
        if ((!means_something || thread_sanitized) && at % step != 0) {  // one thread does all of it
            continue;
        }
        std::string changed = bytes;
        changed[at] = static_cast<char>(~changed[at]);
        BOOST_TEST_CONTEXT("byte " << at << " inverted")
        {
            try_all_ways(changed);
        }
        if (at % 8 == 0) {
            changed[at] = static_cast<char>(bytes[at] ^ 1);
            BOOST_TEST_CONTEXT("byte " << at << ", lowest bit")
            {
                try_all_ways(changed);
            }
        }
        ++tried;
    }
    BOOST_TEST_MESSAGE(tried << " bytes tried");
}

BOOST_AUTO_TEST_CASE(random_bytes_over_random_places)
{
    chance source(setting("KVDB_TEST_SEED", 42));
    for (int round = 0; round < 400; ++round) {
        std::string changed = bytes;
        const std::size_t places = 1 + source.below(20);
        for (std::size_t i = 0; i < places; ++i) {
            const std::size_t at = source.below(changed.size() - 8) & ~std::size_t{7};
            changed.replace(at, 8, bytes_of(8, source.next()));
        }
        BOOST_TEST_CONTEXT("round " << round)
        {
            try_all_ways(changed);
        }
    }
}

BOOST_AUTO_TEST_CASE(pages_lost)
{
    for (std::size_t at = 4'096; at + 4'096 <= bytes.size(); at += 4'096) {
        std::string changed = bytes;
        changed.replace(at, 4'096, 4'096, '\0');
        BOOST_TEST_CONTEXT("page at " << at)
        {
            try_all_ways(changed);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
