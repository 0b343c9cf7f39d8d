// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_CLOCK_HPP
#define KVDB_BENCH_RACE_CLOCK_HPP

#include <chrono>
#include <ctime>
#include <thread>

namespace kvdb::bench {

class stopwatch {
public:
    [[nodiscard]] double nanoseconds() const
    {
        return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin_).count();
    }

private:
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

/// Waits, a minute at most, until this process has used no processor time for some milliseconds: what a store does in
/// the background must not be charged to the next one.
inline void wait_until_idle()
{
    constexpr std::chrono::milliseconds nap(2);
    int idle = 0;
    for (const stopwatch watch; idle < 3 && watch.nanoseconds() < 60e9;) {
        const std::clock_t before = std::clock();
        std::this_thread::sleep_for(nap);
        idle = std::clock() - before < CLOCKS_PER_SEC / 5'000 ? idle + 1 : 0;
    }
}

}  // namespace kvdb::bench

#endif
