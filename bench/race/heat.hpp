// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_HEAT_HPP
#define KVDB_BENCH_RACE_HEAT_HPP

#include "arguments.hpp"
#include "contestant.hpp"
#include "results.hpp"

#include <filesystem>
#include <initializer_list>
#include <memory>
#include <random>
#include <vector>

namespace kvdb::bench {

/// One number of keys and one size of values: all contestants through all rows, round after round. A round is the
/// life of a store: filled, read, changed, opened again, shared, used up. Within a row the contestants take turns,
/// slice by slice, so that whatever the machine is doing meets all of them. A sample is a slice of a row that reads,
/// but all slices of a round where it writes: what a store puts off until later is part of the cost of its writes.
class heat {
public:
    using field = std::vector<std::unique_ptr<contestant>>;

    heat(const settings& how, field& all, const std::filesystem::path& folder, results& into);

    void run();

private:
    /// A row as it is raced.
    struct event {
        row line;
        workload what = workload::get;
        bool writes = false;
        std::uint64_t hits_percent = 100;  ///< so many operations find something, or the contestant is broken
        std::uint32_t writes_percent = 0;
        bool limit = true;  ///< the raw limit, where it has the workload, is that of this row
        std::size_t batch = 16;
        std::size_t slice = 500;  ///< operations at least
        std::size_t share = 1;    ///< operations that one sample is the cost of
    };

    // Rows, in the order of a round.
    void fill();
    void read();
    void change();
    void erase();
    void reopen();
    void share();
    void churn();
    void commit();

    void open_all(bool durable);
    void close_all();
    [[nodiscard]] plan plan_of(const contestant& one, bool durable) const;
    [[nodiscard]] deck draw();
    bool race(const event& what, const deck& entries);
    void add(const event& what, const contestant& one, double nanoseconds, std::size_t operations);
    double slice(contestant& one, const event& what, const job& work);
    void untimed(workload what, const deck& entries);
    void verify();
    void measure_bytes(const row& line);
    void time_opening(contestant& one, const row& line, bool read_only);
    void race_crowd(bool forked, const row& line, const std::vector<job>& jobs);
    void race_crowds(const std::string& kind, const std::string& load, std::uint32_t writes_percent);
    [[nodiscard]] bool wants_any(std::initializer_list<const char*> lines) const;
    void say(const std::string& what) const;

    static constexpr std::uint64_t most_durable_entries = 100'000;

    const settings& how_;
    field& all_;
    std::filesystem::path folder_;
    results& into_;
    std::uint64_t keys_;
    value_maker values_;
    std::mt19937_64 random_{42};
    int round_ = 0;
    std::size_t turn_ = 0;
};

}  // namespace kvdb::bench

#endif
