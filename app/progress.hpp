// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_APP_PROGRESS_HPP
#define KVDB_APP_PROGRESS_HPP

#include <chrono>
#include <cstdint>
#include <string>

namespace kvdb::app {

/// A bar on standard error with rate and remaining time, drawn some ten times a second, if that is a terminal.
/// One thread at a time.
class progress {
public:
    enum class unit { bytes, records };

    /// `quiet` never draws. A total of 0 is unknown: then there is a count and a rate and no bar.
    progress(std::string label, unit counts, bool quiet);
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    ~progress();

    void update(std::uint64_t done, std::uint64_t total);

    /// Wipes the line if one is drawn; whoever writes to standard error calls it first.
    static void clear_line() noexcept;

private:
    using clock = std::chrono::steady_clock;
    [[nodiscard]] std::string line(std::uint64_t done, std::uint64_t total, double seconds) const;

    std::string label_;
    unit counts_;
    bool active_;
    clock::time_point started_ = clock::now();
    clock::time_point drawn_ = started_;
};

}  // namespace kvdb::app

#endif
