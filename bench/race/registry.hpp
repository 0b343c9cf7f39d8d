// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_REGISTRY_HPP
#define KVDB_BENCH_RACE_REGISTRY_HPP

#include "contestant.hpp"

#include <memory>
#include <string>
#include <vector>

namespace kvdb::bench {

using maker = std::unique_ptr<contestant> (*)();

/// Every source in stores/ that was compiled in has one of these; `place` is its column in the tables.
struct registration {
    registration(int place, maker make);
};

/// All of them, or those whose ids are in `only`, by place. An id that is not there is an error.
std::vector<std::unique_ptr<contestant>> contestants(const std::vector<std::string>& only);

}  // namespace kvdb::bench

#endif
