// SPDX-License-Identifier: BSL-1.0
// What every measurement here needs: keys, and the middle of several rounds.
#ifndef KVDB_BENCH_FIGURES_HPP
#define KVDB_BENCH_FIGURES_HPP

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace kvdb::bench {

/// 16 bytes, different for each number.
inline std::string key_of(std::uint64_t number)
{
    char text[17];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number * 0x9e3779b97f4a7c15ULL));
    return text;
}

inline double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace kvdb::bench

#endif
