// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_ARGUMENTS_HPP
#define KVDB_BENCH_RACE_ARGUMENTS_HPP

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kvdb::bench {

extern const char* const usage;

struct settings {
    std::vector<std::uint64_t> keys{1'000'000};
    std::vector<std::uint64_t> values{100};
    int rounds = 5;
    std::uint64_t slices = 20;
    std::uint64_t most_bytes = std::uint64_t{4} << 30U;  ///< keys and values of one heat
    unsigned crowd = 0;                                  ///< most processes and threads
    std::vector<std::string> only;
    std::vector<std::string> rows;
    std::filesystem::path markdown;
    std::filesystem::path json;
    std::filesystem::path svg;
    std::filesystem::path folder = ".";
    bool help = false;

    /// Whether --rows asks for it: by its name, or by a beginning of it that ends before a '_'.
    [[nodiscard]] bool wants(const std::string& row) const;
};

/// Throws std::runtime_error about what it cannot take.
settings parse(const std::vector<std::string>& words);

}  // namespace kvdb::bench

#endif
