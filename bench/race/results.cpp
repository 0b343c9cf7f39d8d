// SPDX-License-Identifier: BSL-1.0
#include "results.hpp"

#include <algorithm>
#include <cstdio>

namespace kvdb::bench {

std::string name_of(unit measured)
{
    switch (measured) {
        case unit::nanoseconds: return "ns";
        case unit::microseconds: return "us";
        case unit::millions_per_second: return "M/s";
        case unit::bytes: return "bytes";
    }
    return {};
}

void results::add(const row& where, const std::string& contestant, double sample)
{
    if (!samples_.contains(where.id)) {
        rows_.push_back(where);
    }
    samples_[where.id][contestant].push_back(sample);
}

std::vector<double> results::samples(const std::string& row, const std::string& contestant) const
{
    const auto of_row = samples_.find(row);
    if (of_row == samples_.end()) {
        return {};
    }
    const auto found = of_row->second.find(contestant);
    return found == of_row->second.end() ? std::vector<double>() : found->second;
}

std::optional<double> results::median(const std::string& row, const std::string& contestant) const
{
    std::vector<double> all = samples(row, contestant);
    if (all.empty()) {
        return std::nullopt;
    }
    std::sort(all.begin(), all.end());
    const std::size_t half = all.size() / 2;
    return all.size() % 2 == 1 ? all[half] : (all[half - 1] + all[half]) / 2;
}

std::optional<double> results::ratio(const row& where, const std::string& contestant, const std::string& other) const
{
    const auto mine = median(where.id, contestant);
    const auto theirs = median(where.id, other);
    if (!mine || !theirs || *mine <= 0 || *theirs <= 0) {
        return std::nullopt;
    }
    return where.measured == unit::millions_per_second ? *mine / *theirs : *theirs / *mine;
}

std::string rounded(double value)
{
    char text[40];
    const int digits = value < 0.1 ? 4 : value < 10 ? 2 : value < 100 ? 1 : 0;
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

}  // namespace kvdb::bench
