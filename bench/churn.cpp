// SPDX-License-Identifier: BSL-1.0
// How large a file gets under writes that replace, delete and insert again: size on disk against live bytes (keys and
// values), worst at any time and after compact; and the longest single write.
//
//   bench_churn [live megabytes, default 64] [times the live data, default 20] [pattern]
#include "figures.hpp"

#include <kvdb/kvdb.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using kvdb::bench::key_of;

using clock_type = std::chrono::steady_clock;

struct pattern {
    const char* name;
    std::uint64_t least_value;
    std::uint64_t longest_value;
    bool logarithmic;  // lengths: as many of each magnitude
    enum class way : std::uint8_t { overwrite, reinsert, queue } how;
};

constexpr pattern patterns[] = {
    {"overwrite, 100 bytes", 100, 100, false, pattern::way::overwrite},
    {"overwrite, 50 to 150 bytes", 50, 150, false, pattern::way::overwrite},
    {"delete and reinsert, 50 to 150 bytes", 50, 150, false, pattern::way::reinsert},
    {"overwrite, 10 B to 1 MiB", 10, 1024 * 1024, true, pattern::way::overwrite},
    {"queue, 50 to 150 bytes", 50, 150, false, pattern::way::queue},
};

class churn {
public:
    churn(const std::filesystem::path& path, const pattern& what) : path_(path), what_(what)
    {
        text_.resize(2 * what.longest_value);
        for (char& each : text_) {
            each = static_cast<char>(random_());
        }
        db_ = kvdb::database::open(path);
    }

    void run(std::uint64_t live, std::uint64_t times)
    {
        while (live_ < live) {
            put(next_++);
        }
        std::printf("| %s | %zu |", what_.name, sizes_.size() - first_);
        worst_ = 0;
        longest_ = {};
        const std::uint64_t end = written_ + live * times;
        const auto began = clock_type::now();
        std::uint64_t writes = 0;
        for (; written_ < end; ++writes) {
            step();
            if (writes % 1024 == 0) {
                look();
            }
        }
        const double ns = std::chrono::duration<double, std::nano>(clock_type::now() - began).count();
        std::printf(" %.2f | %.0f | %.1f |", worst_, ns / static_cast<double>(writes), milliseconds(longest_));
        db_.sync();
        look();
        const double at_rest = ratio();
        report(at_rest);
    }

private:
    static double milliseconds(clock_type::duration time)
    {
        return std::chrono::duration<double, std::milli>(time).count();
    }
    [[nodiscard]] double ratio() const
    {
        return static_cast<double>(db_.stats().disk_bytes) / static_cast<double>(live_);
    }
    void look() { worst_ = std::max(worst_, ratio()); }
    void report(double at_rest)
    {
        const kvdb::statistics now = db_.stats();
        const kvdb::check_report found = db_.check();
        const auto share = [&](std::uint64_t bytes) {
            return static_cast<double>(bytes) / static_cast<double>(live_);
        };
        std::printf(" %.2f | %.2f | %.2f | %.2f | %s |\n", at_rest, share(now.log_bytes), share(now.index_bytes),
                    share(now.free_bytes), found.ok() ? "whole" : found.faults.front().what.c_str());
    }

    [[nodiscard]] std::uint64_t any_size()
    {
        if (!what_.logarithmic) {
            return what_.least_value + random_() % (what_.longest_value - what_.least_value + 1);
        }
        const double least = std::log(static_cast<double>(what_.least_value));
        const double most = std::log(static_cast<double>(what_.longest_value));
        const double at = least + (most - least) * static_cast<double>(random_() % 1'000'000) / 1e6;
        return static_cast<std::uint64_t>(std::exp(at));
    }

    void put(std::uint64_t number)
    {
        const std::uint64_t size = any_size();
        const std::string key = key_of(number);
        const std::string_view value(text_.data() + random_() % what_.longest_value, size);
        const auto began = clock_type::now();
        db_.set(key, value);
        longest_ = std::max(longest_, clock_type::now() - began);
        if (sizes_.size() <= number) {
            sizes_.resize(number + 1);
        }
        live_ += key.size() + size - sizes_[number];
        sizes_[number] = key.size() + size;
        written_ += key.size() + size;
    }
    void remove(std::uint64_t number)
    {
        const auto began = clock_type::now();
        db_.erase(key_of(number));
        longest_ = std::max(longest_, clock_type::now() - began);
        live_ -= sizes_[number];
        sizes_[number] = 0;
    }
    void step()
    {
        switch (what_.how) {
            case pattern::way::overwrite: put(random_() % next_); break;
            case pattern::way::reinsert: {
                const std::uint64_t number = random_() % next_;
                remove(number);
                put(number);
                break;
            }
            case pattern::way::queue:
                put(next_++);
                remove(first_++);
                break;
        }
    }

    std::filesystem::path path_;
    const pattern& what_;
    kvdb::database db_;
    std::mt19937_64 random_{1};
    std::string text_;
    std::vector<std::uint64_t> sizes_;  // of each key and its value; 0 = not there
    std::uint64_t first_ = 0;
    std::uint64_t next_ = 0;
    std::uint64_t live_ = 0;
    std::uint64_t written_ = 0;
    double worst_ = 0;
    clock_type::duration longest_{};
};

}  // namespace

int main(int count, char** words)
{
    const std::uint64_t live = (count > 1 ? std::strtoull(words[1], nullptr, 10) : 64) * 1'000'000;
    const std::uint64_t times = count > 2 ? std::strtoull(words[2], nullptr, 10) : 20;
    const std::string_view only = count > 3 ? words[3] : "";
    const std::filesystem::path path = "bench_churn.kvdb";
    std::printf(
        "| pattern | keys | worst | ns a write | longest ms | at rest | log | index | free | check |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n");
    for (const pattern& each : patterns) {
        if (std::string_view(each.name).find(only) == std::string_view::npos) {
            continue;
        }
        std::filesystem::remove(path);
        churn(path, each).run(live, times);
        std::filesystem::remove(path);
    }
}
