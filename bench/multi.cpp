// SPDX-License-Identifier: BSL-1.0
// Sixteen keys at a time beside one at a time, hits and overwrites, uniformly at random.
//
//   bench_multi [KEYS [SLICES [SHARDS [FOLDER]]]]        (default 1000000 60 64 .)
//
// 16-byte keys, 100-byte values, durability::relaxed. The contestants take turns in slices of at most 32,000 keys,
// none of which is used twice before all were; medians of the slices, in nanoseconds per key. The limit: one line of
// an index and the three lines of a record, read where they are known to be, in any order, in a file mapped alike.
#include "figures.hpp"
#include "touch_memory.hpp"

#include <kvdb/kvdb.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

using kvdb::bench::key_of;
using kvdb::bench::median;

constexpr std::size_t together = 16;
constexpr std::size_t record_size = 132;
constexpr std::size_t index_bytes = 12;  // of each entry

/// As many bytes as a store has, in a mapped file as its are.
class raw_file {
public:
    raw_file(const std::filesystem::path& path, std::size_t keys)
        : lines_(keys * index_bytes / 64), size_(lines_ * 64 + (keys + 2) * record_size)
    {
        const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (file < 0 || ::posix_fallocate(file, 0, static_cast<::off_t>(size_)) != 0) {
            std::perror("raw file");
            std::exit(1);
        }
        void* const address = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        ::close(file);
        ::unlink(path.c_str());
        if (address == MAP_FAILED) {
            std::perror("mmap");
            std::exit(1);
        }
        std::memset(address, 1, size_);
        bytes_ = static_cast<unsigned char*>(address);
    }
    raw_file(const raw_file&) = delete;
    raw_file& operator=(const raw_file&) = delete;
    ~raw_file() { ::munmap(bytes_, size_); }

    [[nodiscard]] unsigned read(std::uint32_t number) const
    {
        const std::size_t line = number * 0x9e3779b97f4a7c15ULL % lines_ * 64;
        const std::size_t record = lines_ * 64 + number * record_size;
        return 0U + bytes_[line] + bytes_[record] + bytes_[record + 64] + bytes_[record + 128];
    }

private:
    std::size_t lines_;
    std::size_t size_;
    unsigned char* bytes_;
};

struct contest {
    kvdb::database& db;
    const raw_file& raw;
    const std::string value = std::string(100, 'v');
    std::string one{};
    std::vector<std::optional<std::string>> many = std::vector<std::optional<std::string>>(together);
    std::vector<std::pair<std::string_view, std::string_view>> entries{};
    std::size_t found = 0;
    unsigned sum = 0;

    using keys = std::span<const std::string_view>;
    void run(const std::string& what, keys some, std::span<const std::uint32_t> numbers)
    {
        if (what == "limit") {
            for (const std::uint32_t number : numbers) {
                sum += raw.read(number);
            }
        } else if (what == "get") {
            for (const std::string_view key : some) {
                found += db.get(key, one) ? 1U : 0U;
            }
        } else if (what == "multi_get") {
            for (std::size_t i = 0; i < some.size(); i += together) {
                db.multi_get(some.subspan(i, together), many);
                found += many[0] && many[together - 1] ? together : 0;
            }
        } else if (what == "set") {
            for (const std::string_view key : some) {
                db.set(key, value);
            }
        } else {
            for (std::size_t i = 0; i < some.size(); i += together) {
                entries.clear();
                for (const std::string_view key : some.subspan(i, together)) {
                    entries.emplace_back(key, value);
                }
                db.multi_set(entries);
            }
        }
    }
};

void print(std::map<std::string, std::vector<double>>& took, std::size_t count, std::uint32_t shards, int slices)
{
    std::printf("%zu keys, %u shards, medians of %d slices, ns per key\n\n", count, shards, slices);
    std::printf("| get | multi_get(16) | limit | multi_get / limit | set | multi_set(16) | multi_set / set |\n");
    std::printf("|---|---|---|---|---|---|---|\n| %.0f | %.0f | %.0f | %.2f | %.0f | %.0f | %.2f |\n",
                median(took["get"]), median(took["multi_get"]), median(took["limit"]),
                median(took["multi_get"]) / median(took["limit"]), median(took["set"]), median(took["multi_set"]),
                median(took["multi_set"]) / median(took["set"]));
}

}  // namespace

int main(int argc, char** argv)
{
    const std::size_t asked = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    const std::size_t count = std::max(asked, together) / together * together;
    const std::size_t slice = std::min<std::size_t>(count, 32'000);
    const int slices = argc > 2 ? std::atoi(argv[2]) : 60;
    kvdb::options how;
    how.shard_count = argc > 3 ? static_cast<std::uint32_t>(std::atoi(argv[3])) : 64;
    const std::filesystem::path folder = argc > 4 ? argv[4] : ".";
    const auto path = folder / "bench-multi.kvdb";
    std::filesystem::remove(path);
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    std::mt19937_64 random(42);
    std::map<std::string, std::vector<double>> took;
    {
        kvdb::database db = kvdb::database::open(path, how);
        const raw_file raw(folder / "bench-multi.raw", count);
        contest all{db, raw};
        for (const std::uint32_t number : order) {
            db.set(key_of(number), all.value);
        }
        std::string bytes;
        std::vector<std::string_view> keys(slice);
        std::size_t next = count;
        std::size_t reads = 0;
        for (int turn = 0; turn < slices; ++turn) {
            for (const std::string what : {"get", "multi_get", "limit", "set", "multi_set"}) {
                if (next + slice > count) {
                    std::shuffle(order.begin(), order.end(), random);
                    next = 0;
                }
                const auto numbers = std::span<const std::uint32_t>(order).subspan(next, slice);
                next += slice;
                bytes.clear();
                for (const std::uint32_t number : numbers) {
                    bytes += key_of(number);
                }
                for (std::size_t i = 0; i < slice; ++i) {
                    keys[i] = std::string_view(bytes).substr(i * 16, 16);
                }
                if (what.ends_with("set")) {
                    kvdb::bench::touch_memory(slice * 2 * record_size);
                }
                const auto begin = std::chrono::steady_clock::now();
                all.run(what, keys, numbers);
                const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
                took[what].push_back(spent.count() / static_cast<double>(slice));
                reads += what.ends_with("get") && what != "set" ? slice : 0;
            }
        }
        if (all.found != reads || all.sum == 0) {
            std::fprintf(stderr, "%zu of %zu keys found\n", all.found, reads);
            return 1;
        }
    }
    std::filesystem::remove(path);
    print(took, count, how.shard_count, slices);
    return 0;
}
