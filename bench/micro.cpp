// SPDX-License-Identifier: BSL-1.0
// The hot paths by themselves, by Google Benchmark: in a store that fits into the second cache, and in one of a
// million entries. 16-byte keys, 100-byte values. Takes Google Benchmark's own options; the files lie in the folder
// that KVDB_BENCH_DIR names, else in this one.
#include "figures.hpp"
#include "touch_memory.hpp"

#include <kvdb/kvdb.hpp>

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

using kvdb::bench::key_of;

constexpr std::int64_t small = 3'000;
constexpr std::int64_t large = 1'000'000;
const std::string value(100, 'v');

using key = std::string;

/// A store of so many entries, made when it is first asked for; its file has no name for longer than that takes.
class store {
public:
    explicit store(std::int64_t entries) : entries_(static_cast<std::size_t>(entries))
    {
        const char* const folder = std::getenv("KVDB_BENCH_DIR");
        const auto path = std::filesystem::path(folder != nullptr ? folder : ".") / "bench-micro.kvdb";
        std::filesystem::remove(path);
        kvdb::bench::touch_memory(entries_ * 400);
        database_ = kvdb::database::open(path);
        std::mt19937_64 random(42);
        for (std::size_t i = 0; i < entries_; ++i) {
            database_.set(key_of(i), value);
            order_.push_back(key_of(random() % entries_));
            absent_.push_back(key_of(entries_ + i));
        }
        std::filesystem::remove(path);
    }

    static store& of(const benchmark::State& state)
    {
        static std::map<std::int64_t, std::unique_ptr<store>> all;
        auto& one = all[state.range(0)];
        if (!one) {
            one = std::make_unique<store>(state.range(0));
        }
        return *one;
    }

    kvdb::database& database() { return database_; }
    const key& present()
    {
        at_ = at_ + 1 < entries_ ? at_ + 1 : 0;
        return order_[at_];
    }
    const key& absent()
    {
        at_ = at_ + 1 < entries_ ? at_ + 1 : 0;
        return absent_[at_];
    }
    key fresh() { return key_of(2 * entries_ + ++fresh_); }

private:
    std::size_t entries_;
    kvdb::database database_;
    std::vector<key> order_;
    std::vector<key> absent_;
    std::size_t at_ = 0;
    std::uint64_t fresh_ = 0;
};

void get_hit(benchmark::State& state)
{
    store& here = store::of(state);
    std::string out;
    for (auto _ : state) {
        benchmark::DoNotOptimize(here.database().get(here.present(), out));
    }
}

void get_miss(benchmark::State& state)
{
    store& here = store::of(state);
    std::string out;
    for (auto _ : state) {
        benchmark::DoNotOptimize(here.database().get(here.absent(), out));
    }
}

void set_overwrite(benchmark::State& state)
{
    store& here = store::of(state);
    for (auto _ : state) {
        here.database().set(here.present(), value);
    }
}

/// The erases put the store back to its size, and are not timed.
void set_new(benchmark::State& state)
{
    store& here = store::of(state);
    std::vector<key> batch(100);
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(batch.size()))) {
        state.PauseTiming();
        for (key& one : batch) {
            here.database().erase(one);
            one = here.fresh();
        }
        state.ResumeTiming();
        for (const key& one : batch) {
            here.database().set(one, value);
        }
    }
}

/// The sets before are not timed.
void erase(benchmark::State& state)
{
    store& here = store::of(state);
    std::vector<key> batch(100);
    while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(batch.size()))) {
        state.PauseTiming();
        for (key& one : batch) {
            one = here.fresh();
            here.database().set(one, value);
        }
        state.ResumeTiming();
        for (const key& one : batch) {
            benchmark::DoNotOptimize(here.database().erase(one));
        }
    }
}

BENCHMARK(get_hit)->Arg(small)->Arg(large);
BENCHMARK(get_miss)->Arg(small)->Arg(large);
BENCHMARK(set_overwrite)->Arg(small)->Arg(large);
BENCHMARK(set_new)->Arg(small)->Arg(large);
BENCHMARK(erase)->Arg(small)->Arg(large);

}  // namespace

BENCHMARK_MAIN();
