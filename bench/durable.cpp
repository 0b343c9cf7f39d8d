// SPDX-License-Identifier: BSL-1.0
// What a durable commit costs: kvdb with durability::sync beside the bare system calls and LMDB with its default
// flushes, in one run.
//
//   bench_durable [COMMITS [ROUNDS [FOLDER]]]        (default 200 7 .)
//
// 16-byte keys, 100-byte values, 100,000 keys in either store before anything is timed. "bare" is a pwrite of the
// bytes that kvdb's record has, at the end of a file whose blocks hold zeros, and fdatasync. The contestants take
// turns; medians of the rounds, in microseconds.
#include "figures.hpp"

#include <kvdb/kvdb.hpp>

#include <lmdb.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

using kvdb::bench::key_of;
using kvdb::bench::median;

constexpr std::size_t value_size = 100;
constexpr std::size_t record_size = 16 + 8 + 16 + value_size;
constexpr std::uint64_t filled = 100'000;
constexpr unsigned writers = 8;
constexpr std::uint64_t group = 100;

void require(bool good, const char* what)
{
    if (!good) {
        std::perror(what);
        std::exit(1);
    }
}

/// Microseconds for each of `operations`.
double timed(std::uint64_t operations, const std::function<void()>& work)
{
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    return took.count() / static_cast<double>(operations);
}

class bare_file {
public:
    explicit bare_file(const std::filesystem::path& path, std::uint64_t size)
        : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644))
    {
        require(descriptor_ >= 0, "open");
        const std::string zeros(1 << 20, '\0');
        for (std::uint64_t at = 0; at < size; at += zeros.size()) {
            append(zeros);
        }
        require(::fdatasync(descriptor_) == 0, "fdatasync");
        at_ = 0;
    }
    bare_file(const bare_file&) = delete;
    bare_file& operator=(const bare_file&) = delete;
    ~bare_file() { ::close(descriptor_); }

    void commit(std::uint64_t records)
    {
        for (std::uint64_t i = 0; i < records; ++i) {
            append(record_);
        }
        require(::fdatasync(descriptor_) == 0, "fdatasync");
    }

private:
    void append(const std::string& bytes)
    {
        require(::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at_)) ==
                    static_cast<ssize_t>(bytes.size()),
                "pwrite");
        at_ += bytes.size();
    }

    int descriptor_;
    std::uint64_t at_ = 0;
    std::string record_ = std::string(record_size, 'r');
};

class lmdb_store {
public:
    explicit lmdb_store(const std::filesystem::path& path)
    {
        require(mdb_env_create(&environment_) == 0, "mdb_env_create");
        require(mdb_env_set_mapsize(environment_, std::size_t{4} << 30) == 0, "mdb_env_set_mapsize");
        require(mdb_env_open(environment_, path.c_str(), MDB_NOSUBDIR, 0644) == 0, "mdb_env_open");
        MDB_txn* transaction = nullptr;
        require(mdb_txn_begin(environment_, nullptr, 0, &transaction) == 0, "mdb_txn_begin");
        require(mdb_dbi_open(transaction, nullptr, 0, &table_) == 0, "mdb_dbi_open");
        require(mdb_txn_commit(transaction) == 0, "mdb_txn_commit");
    }
    lmdb_store(const lmdb_store&) = delete;
    lmdb_store& operator=(const lmdb_store&) = delete;
    ~lmdb_store() { mdb_env_close(environment_); }

    void commit(std::uint64_t first, std::uint64_t count, const std::string& value)
    {
        MDB_txn* transaction = nullptr;
        require(mdb_txn_begin(environment_, nullptr, 0, &transaction) == 0, "mdb_txn_begin");
        for (std::uint64_t i = 0; i < count; ++i) {
            std::string key = key_of((first + i * 7919) % filled);
            MDB_val k{key.size(), key.data()};
            MDB_val v{value.size(), const_cast<char*>(value.data())};
            require(mdb_put(transaction, table_, &k, &v, 0) == 0, "mdb_put");
        }
        require(mdb_txn_commit(transaction) == 0, "mdb_txn_commit");
    }

private:
    MDB_env* environment_ = nullptr;
    MDB_dbi table_ = 0;
};

}  // namespace

int main(int argc, char** argv)
{
    const std::uint64_t commits = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 7;
    const std::filesystem::path folder = argc > 3 ? argv[3] : ".";
    const auto ours = folder / "bench-durable.kvdb";
    const auto theirs = folder / "bench-durable.mdb";
    const auto plain = folder / "bench-durable.bare";
    for (const auto& path : {ours, theirs, plain}) {
        std::filesystem::remove(path);
    }
    const std::string value(value_size, 'v');
    std::map<std::string, std::vector<double>> all;
    {
        kvdb::options how;
        how.durable = kvdb::durability::sync;
        auto db = kvdb::database::open(ours, how);
        for (std::uint64_t i = 0; i < filled; ++i) {
            db.set(key_of(i), value, kvdb::durability::relaxed);
        }
        db.sync();
        lmdb_store lmdb(theirs);
        for (std::uint64_t i = 0; i < filled; i += 1'000) {
            lmdb.commit(i, 1'000, value);
        }
        const std::uint64_t total = commits * static_cast<std::uint64_t>(rounds) * (group + 1) * record_size;
        bare_file bare(plain, total);
        std::uint64_t number = 0;
        const auto next = [&] { return key_of(number++ * 7919 % filled); };
        for (int round = 0; round < rounds; ++round) {
            all["bare/1"].push_back(timed(commits, [&] {
                for (std::uint64_t i = 0; i < commits; ++i) {
                    bare.commit(1);
                }
            }));
            all["kvdb/1"].push_back(timed(commits, [&] {
                for (std::uint64_t i = 0; i < commits; ++i) {
                    db.set(next(), value);
                }
            }));
            all["lmdb/1"].push_back(timed(commits, [&] {
                for (std::uint64_t i = 0; i < commits; ++i) {
                    lmdb.commit(number++, 1, value);
                }
            }));
            all["bare/100"].push_back(timed(commits / 4, [&] {
                for (std::uint64_t i = 0; i < commits / 4; ++i) {
                    bare.commit(group);
                }
            }));
            all["kvdb/100"].push_back(timed(commits / 4, [&] {
                for (std::uint64_t i = 0; i < commits / 4; ++i) {
                    for (std::uint64_t k = 0; k < group; ++k) {
                        db.set(next(), value, kvdb::durability::relaxed);
                    }
                    db.sync();
                }
            }));
            all["lmdb/100"].push_back(timed(commits / 4, [&] {
                for (std::uint64_t i = 0; i < commits / 4; ++i) {
                    lmdb.commit(number += group, group, value);
                }
            }));
            all["kvdb/8 threads"].push_back(timed(commits * writers, [&] {
                std::vector<std::jthread> threads;
                for (unsigned t = 0; t < writers; ++t) {
                    threads.emplace_back([&, t] {
                        for (std::uint64_t i = 0; i < commits; ++i) {
                            db.set(key_of((t * 12'345 + i * 7919) % filled), value);
                        }
                    });
                }
            }));
        }
    }
    std::printf("microseconds, medians of %d rounds of %llu commits\n\n", rounds,
                static_cast<unsigned long long>(commits));
    std::printf(
        "| | bare pwrite + fdatasync | kvdb | LMDB | kvdb / bare | LMDB / kvdb |\n|---|---|---|---|---|---|\n");
    for (const char* row : {"1", "100"}) {
        const auto of = [&](const char* who) { return median(all[std::string(who) + "/" + row]); };
        std::printf("| %s set(s) a commit | %.0f | %.0f | %.0f | %.2f | %.1f |\n", row, of("bare"), of("kvdb"),
                    of("lmdb"), of("kvdb") / of("bare"), of("lmdb") / of("kvdb"));
    }
    const double alone = median(all["kvdb/1"]);
    const double together = median(all["kvdb/8 threads"]);
    std::printf("\n8 threads, each its own commits: %.0f us a set, %.1f times one thread's rate\n", together,
                alone / together);
    std::printf("100 sets a commit: %.2f us a set above one commit of one\n",
                (median(all["kvdb/100"]) - alone) / static_cast<double>(group));
    for (const auto& path : {ours, theirs, plain}) {
        std::filesystem::remove(path);
    }
    std::filesystem::remove(theirs.string() + "-lock");
    return 0;
}
