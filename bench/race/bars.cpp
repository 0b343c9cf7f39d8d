// SPDX-License-Identifier: BSL-1.0
#include "bars.hpp"

namespace kvdb::bench {
namespace {

/// One figure over another.
struct quotient {
    const char* what;
    double wanted;
    bool at_least;
    const char* row_above;
    const char* above;
    const char* row_below;
    const char* below;
};

constexpr quotient quotients[]{
    {"get hit, LMDB / kvdb", 8, true, "get_hit", "lmdb", "get_hit", "kvdb"},
    {"set new, LMDB / kvdb", 8, true, "fill", "lmdb", "fill", "kvdb"},
    {"overwrite, LMDB / kvdb", 8, true, "overwrite", "lmdb", "overwrite", "kvdb"},
    {"delete, LMDB / kvdb", 8, true, "delete", "lmdb", "delete", "kvdb"},
    {"scan, LMDB / kvdb", 1, true, "scan", "lmdb", "scan", "kvdb"},
    {"get hit, unordered_flat_map / kvdb", 1, true, "get_hit", "flat_map", "get_hit", "kvdb"},
    {"get Zipf, unordered_flat_map / kvdb", 1, true, "get_zipf", "flat_map", "get_zipf", "kvdb"},
    {"get hit, kvdb / raw limit", 2.2, false, "get_hit", "kvdb", "get_hit", "raw"},
    {"dependent get, kvdb / raw limit", 1.2, false, "get_dependent", "kvdb", "get_dependent", "raw"},
    {"multi_get a key, kvdb / raw limit of get", 0.8, false, "multi_get", "kvdb", "get_hit", "raw"},
    {"two reading processes / one", 1.9, true, "processes_get_2", "kvdb", "processes_get_1", "kvdb"},
    {"durable set, kvdb / raw limit", 1.2, false, "durable_set", "kvdb", "durable_set", "raw"},
};

struct bound {
    const char* what;
    double wanted;
    const char* row;
};

constexpr bound bounds[]{
    {"bytes per entry, filled", 150, "bytes"},
    {"bytes per entry after churn", 200, "churn_bytes"},
    {"open + get + close, us", 1'000, "open"},
    {"the same, opened to read, us", 1'000, "open_read"},
};

}  // namespace

std::vector<bar> judge(const results& heat)
{
    std::vector<bar> judged;
    for (const quotient& one : quotients) {
        const auto above = heat.median(one.row_above, one.above);
        const auto below = heat.median(one.row_below, one.below);
        if (above && below && *below > 0) {
            judged.push_back({one.what, one.wanted, one.at_least, *above / *below});
        }
    }
    for (const bound& one : bounds) {
        if (const auto measured = heat.median(one.row, "kvdb")) {
            judged.push_back({one.what, one.wanted, false, *measured});
        }
    }
    return judged;
}

}  // namespace kvdb::bench
