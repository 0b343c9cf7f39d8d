// SPDX-License-Identifier: BSL-1.0
// One shard written by hand: keys carry their hash, and a map says what must be there.
#ifndef KVDB_TESTS_SHARD_SHARD_STORE_HPP
#define KVDB_TESTS_SHARD_SHARD_STORE_HPP

#include "base/hash.hpp"
#include "extents/raw_store.hpp"
#include "io/crash_point.hpp"
#include "shard/reader.hpp"
#include "shard/writer.hpp"
#include "support/fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>

namespace kvdb::testing {

/// A key whose hash is chosen: its first eight bytes.
inline std::string key_with_hash(std::uint64_t hash, const std::string& rest = {})
{
    std::string key(8, '\0');
    std::memcpy(key.data(), &hash, 8);
    return key + rest;
}
inline std::uint64_t hash_in_key(std::string_view key, std::uint64_t)
{
    std::uint64_t hash = 0;
    std::memcpy(&hash, key.data(), std::min<std::size_t>(8, key.size()));
    return hash;
}
/// A hash by its parts: the upper bits do not matter to the only shard.
constexpr std::uint64_t make_hash(std::uint64_t tag, std::uint64_t home)
{
    return (tag << format::bucket_bits) | home;
}

using model = std::map<std::string, std::string>;

inline void set(const raw_store& store, const std::string& key, const std::string& value)
{
    shard::writer(store.all, 0).set(hash_in_key(key, 0), key, value);
}
inline bool erase(const raw_store& store, const std::string& key)
{
    return shard::writer(store.all, 0).erase(hash_in_key(key, 0), key);
}
inline std::optional<std::string> get(const raw_store& store, const std::string& key)
{
    std::optional<std::string> value;
    const bool there = shard::read(store.all, 0, hash_in_key(key, 0), key,
                                   [&](const shard::record_view& view) { value = std::string(view.value()); });
    return there ? value : std::nullopt;
}
/// True if the shard holds just this.
inline bool holds(const raw_store& store, const model& wanted)
{
    for (const auto& [key, value] : wanted) {
        if (get(store, key) != value) {
            return false;
        }
    }
    return store.shard(0).entries == wanted.size();
}

/// Names of the crash points that were passed, with their numbers.
inline std::map<std::string, int> passed;

struct shard_fixture {
    scratch_folder folder{fast_parent()};
    std::filesystem::path path = folder / "raw.kvdb";
    model content;

    shard_fixture()
    {
        make_raw_file(path, {1, 8}, 2'048);
        test_key_hash = hash_in_key;
        passed.clear();
    }
    shard_fixture(const shard_fixture&) = delete;
    shard_fixture& operator=(const shard_fixture&) = delete;
    ~shard_fixture()
    {
        test_crash_hook = nullptr;
        test_key_hash = nullptr;
    }

    void put(const raw_store& store, const std::string& key, const std::string& value)
    {
        set(store, key, value);
        content[key] = value;
    }
    /// As closed in good order, the file is whole: opened, checked and read through a database.
    void expect_whole_database(raw_store& store, const model& wanted) const
    {
        store.mark_clean();
        const auto copy = folder / "copy.kvdb";
        std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing);
        store.block().state.clean = 0;
        {
            const auto db = database::open(copy, with_mode(open_mode::read_only));
            BOOST_TEST(!db.stats().private_index);
            expect_whole(db);
            const contents all = contents_of(db);
            BOOST_TEST((model(all.begin(), all.end()) == wanted));
        }
        options how;
        how.distrust = true;  // the log alone says the same
        const contents all = contents_of(database::open(copy, how));
        BOOST_TEST((model(all.begin(), all.end()) == wanted));
        std::filesystem::remove(copy);
    }
};

}  // namespace kvdb::testing

#endif
