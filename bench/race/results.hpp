// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_RESULTS_HPP
#define KVDB_BENCH_RACE_RESULTS_HPP

#include "contestant.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kvdb::bench {

enum class unit { nanoseconds, microseconds, millions_per_second, bytes };

std::string name_of(unit measured);

/// A line of the table. Of millions per second more is better, of everything else less.
struct row {
    std::string id;
    std::string title;
    unit measured = unit::nanoseconds;
};

/// The samples of one heat: one number of keys and one size of values. Rows stand in the order in which they first
/// got a sample.
class results {
public:
    results(std::uint64_t keys, std::size_t value_size) : keys_(keys), value_size_(value_size) {}

    void add(const row& where, const std::string& contestant, double sample);

    [[nodiscard]] const std::vector<row>& rows() const { return rows_; }
    [[nodiscard]] std::optional<double> median(const std::string& row, const std::string& contestant) const;
    [[nodiscard]] std::vector<double> samples(const std::string& row, const std::string& contestant) const;
    /// How many times as good as `other` the contestant is; above one is better.
    [[nodiscard]] std::optional<double> ratio(const row& where, const std::string& contestant,
                                              const std::string& other) const;
    [[nodiscard]] std::uint64_t keys() const { return keys_; }
    [[nodiscard]] std::size_t value_size() const { return value_size_; }

private:
    std::uint64_t keys_;
    std::size_t value_size_;
    std::vector<row> rows_;
    std::map<std::string, std::map<std::string, std::vector<double>>> samples_;
};

/// All that the reports are made from.
struct report {
    std::string machine;
    std::string build;
    int rounds = 0;
    std::vector<description> contestants;
    std::vector<results> heats;
};

/// Three digits or more, as tables show it.
std::string rounded(double value);

std::string to_markdown(const report& all);
std::string to_json(const report& all);
/// The first heat's rows as a picture.
std::string to_svg(const report& all);

}  // namespace kvdb::bench

#endif
