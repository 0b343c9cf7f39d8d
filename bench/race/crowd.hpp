// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_CROWD_HPP
#define KVDB_BENCH_RACE_CROWD_HPP

#include "contestant.hpp"

#include <vector>

namespace kvdb::bench {

inline constexpr unsigned largest_crowd = 128;

/// Millions of operations a second in all, when as many processes as there are jobs do one each. The contestant is
/// closed; each child opens it for itself and has read all its keys once before any of them starts. `how` is theirs.
double rate_of_processes(contestant& one, const plan& how, const std::vector<job>& jobs);

/// The same with threads of this process and a contestant that is open; 0 where it cannot be shared by threads.
double rate_of_threads(contestant& one, const std::vector<job>& jobs);

}  // namespace kvdb::bench

#endif
