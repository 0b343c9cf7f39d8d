// SPDX-License-Identifier: BSL-1.0
// kvdb beside LMDB in one run: new keys, overwrites, hits and misses, uniformly at random.
//
//   bench_versus_lmdb [KEYS [ROUNDS [FOLDER]]]        (default 1000000 5 .)
//
// LMDB at its fastest: MDB_NOSYNC | MDB_WRITEMAP | MDB_NOMETASYNC, one put per transaction, a read transaction
// renewed for each get. kvdb with durability::relaxed. 16-byte keys, 100-byte values. Files are filled and touched
// once before anything is timed; the contestants take turns; medians of the rounds are printed, in nanoseconds per
// operation.
#include "figures.hpp"
#include "touch_memory.hpp"

#include <kvdb/kvdb.hpp>

#include <lmdb.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using kvdb::bench::median;

using nanoseconds = double;
constexpr std::size_t key_size = 16;
constexpr std::size_t value_size = 100;

void require(int code, const char* what)
{
    if (code != 0) {
        std::fprintf(stderr, "lmdb: %s: %s\n", what, mdb_strerror(code));
        std::exit(1);
    }
}

/// Keys in the order of their use, as one block of bytes: the timed loops read it straight through, so that the cache
/// misses that are measured are the stores' own.
class keys {
public:
    keys(const std::vector<std::uint32_t>& order, std::uint64_t first) : bytes_(order.size() * key_size, '0')
    {
        std::size_t at = 0;
        for (const std::uint32_t i : order) {
            char text[key_size + 1];
            std::snprintf(text, sizeof text, "%016llx",
                          static_cast<unsigned long long>((first + i) * 0x9e3779b97f4a7c15ULL));
            bytes_.replace(at, key_size, text, key_size);
            at += key_size;
        }
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size() / key_size; }
    [[nodiscard]] std::string_view operator[](std::size_t i) const
    {
        return std::string_view(bytes_).substr(i * key_size, key_size);
    }

private:
    std::string bytes_;
};

class lmdb_store {
public:
    explicit lmdb_store(const std::filesystem::path& path)
    {
        require(mdb_env_create(&environment_), "create");
        require(mdb_env_set_mapsize(environment_, std::size_t{16} << 30), "map size");
        require(
            mdb_env_open(environment_, path.c_str(), MDB_NOSUBDIR | MDB_NOSYNC | MDB_WRITEMAP | MDB_NOMETASYNC, 0644),
            "open");
        MDB_txn* transaction = nullptr;
        require(mdb_txn_begin(environment_, nullptr, 0, &transaction), "begin");
        require(mdb_dbi_open(transaction, nullptr, 0, &table_), "open table");
        require(mdb_txn_commit(transaction), "commit");
        require(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reader_), "begin reading");
        mdb_txn_reset(reader_);
    }
    lmdb_store(const lmdb_store&) = delete;
    lmdb_store& operator=(const lmdb_store&) = delete;
    ~lmdb_store()
    {
        mdb_txn_abort(reader_);
        mdb_env_close(environment_);
    }
    void set(std::string_view key, std::string_view value)
    {
        MDB_txn* transaction = nullptr;
        require(mdb_txn_begin(environment_, nullptr, 0, &transaction), "begin");
        MDB_val k = bytes(key);
        MDB_val v = bytes(value);
        require(mdb_put(transaction, table_, &k, &v, 0), "put");
        require(mdb_txn_commit(transaction), "commit");
    }
    bool get(std::string_view key, std::string& value)
    {
        require(mdb_txn_renew(reader_), "renew");
        MDB_val k = bytes(key);
        MDB_val v{};
        const bool found = mdb_get(reader_, table_, &k, &v) == 0;
        if (found) {
            value.assign(static_cast<const char*>(v.mv_data), v.mv_size);
        }
        mdb_txn_reset(reader_);
        return found;
    }

private:
    static MDB_val bytes(std::string_view view) { return {view.size(), const_cast<char*>(view.data())}; }

    MDB_env* environment_ = nullptr;
    MDB_txn* reader_ = nullptr;
    MDB_dbi table_ = 0;
};

class kvdb_store {
public:
    explicit kvdb_store(const std::filesystem::path& path) : database_(kvdb::database::open(path)) {}
    void set(std::string_view key, std::string_view value) { database_.set(key, value); }
    bool get(std::string_view key, std::string& value) { return database_.get(key, value); }
    [[nodiscard]] kvdb::statistics stats() const { return database_.stats(); }

private:
    kvdb::database database_;
};

nanoseconds timed(std::size_t operations, const std::function<void()>& work)
{
    kvdb::bench::touch_memory(operations * 4 * (key_size + value_size));
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    return took.count() / static_cast<double>(operations);
}

using results = std::map<std::string, std::vector<double>>;

template <class Store>
void measure(Store& store, const std::string& name, const keys& present, const keys& absent, const std::string& value,
             results& into)
{
    std::string out;
    const std::size_t count = present.size();
    std::size_t hits = 0;
    into["get hit/" + name].push_back(timed(count, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            hits += store.get(present[i], out) ? 1U : 0U;
        }
    }));
    into["get miss/" + name].push_back(timed(count, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            hits += store.get(absent[i], out) ? 1U : 0U;
        }
    }));
    into["overwrite/" + name].push_back(timed(count, [&] {
        for (std::size_t i = 0; i < count; ++i) {
            store.set(present[i], value);
        }
    }));
    if (hits != count) {
        std::fprintf(stderr, "%s: %zu of %zu keys found\n", name.c_str(), hits, count);
        std::exit(1);
    }
}

template <class Store>
nanoseconds fill(const std::filesystem::path& path, const keys& present, const std::string& value)
{
    std::filesystem::remove(path);
    nanoseconds took = 0;
    {
        Store store(path);
        took = timed(present.size(), [&] {
            for (std::size_t i = 0; i < present.size(); ++i) {
                store.set(present[i], value);
            }
        });
    }
    std::filesystem::remove(path);
    std::filesystem::remove(path.string() + "-lock");
    return took;
}

}  // namespace

int main(int argc, char** argv)
{
    const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
    const std::filesystem::path folder = argc > 3 ? argv[3] : ".";
    const std::string value(value_size, 'v');
    std::vector<std::uint32_t> order(count);
    for (std::size_t i = 0; i < count; ++i) {
        order[i] = static_cast<std::uint32_t>(i);
    }
    std::mt19937_64 random(42);

    results all;
    for (int round = 0; round < rounds; ++round) {
        std::shuffle(order.begin(), order.end(), random);
        const keys present(order, 1);
        all["set new/kvdb"].push_back(fill<kvdb_store>(folder / "bench-fill.kvdb", present, value));
        all["set new/lmdb"].push_back(fill<lmdb_store>(folder / "bench-fill.mdb", present, value));
    }
    const auto ours = folder / "bench.kvdb";
    const auto theirs = folder / "bench.mdb";
    std::filesystem::remove(ours);
    std::filesystem::remove(theirs);
    {
        kvdb_store kvdb_side(ours);
        lmdb_store lmdb_side(theirs);
        const keys first(order, 1);
        for (std::size_t i = 0; i < count; ++i) {
            kvdb_side.set(first[i], value);
            lmdb_side.set(first[i], value);
        }
        const kvdb::statistics filled = kvdb_side.stats();
        for (int round = 0; round < rounds; ++round) {
            std::shuffle(order.begin(), order.end(), random);
            const keys present(order, 1);
            std::shuffle(order.begin(), order.end(), random);
            const keys absent(order, count + 1);
            measure(kvdb_side, "kvdb", present, absent, value, all);
            measure(lmdb_side, "lmdb", present, absent, value, all);
        }
        std::printf("%zu keys of %zu bytes, values of %zu bytes, medians of %d rounds, ns per operation\n\n", count,
                    key_size, value_size, rounds);
        std::printf("| | kvdb | LMDB | LMDB / kvdb |\n|---|---|---|---|\n");
        for (const char* row : {"set new", "overwrite", "get hit", "get miss"}) {
            const double mine = median(all[std::string(row) + "/kvdb"]);
            const double other = median(all[std::string(row) + "/lmdb"]);
            std::printf("| %s | %.0f | %.0f | %.1f |\n", row, mine, other, other / mine);
        }
        std::printf("\nkvdb: %.1f bytes per entry after the fill\n",
                    static_cast<double>(filled.file_size) / static_cast<double>(count));
    }
    std::filesystem::remove(ours);
    std::filesystem::remove(theirs);
    std::filesystem::remove(theirs.string() + "-lock");
    return 0;
}
