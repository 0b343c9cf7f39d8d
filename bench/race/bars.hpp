// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_BARS_HPP
#define KVDB_BENCH_RACE_BARS_HPP

#include "results.hpp"

#include <string>
#include <vector>

namespace kvdb::bench {

/// What kvdb is to reach, as a ratio of two medians of one run wherever there is one.
struct bar {
    std::string what;
    double wanted = 0;
    bool at_least = true;
    double measured = 0;

    [[nodiscard]] bool met() const { return at_least ? measured >= wanted : measured <= wanted; }
};

/// The bars for which the heat has the figures.
std::vector<bar> judge(const results& heat);

}  // namespace kvdb::bench

#endif
