// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_STORES_ONE_BY_ONE_HPP
#define KVDB_BENCH_RACE_STORES_ONE_BY_ONE_HPP

#include "../contestant_of.hpp"

#include <span>
#include <string_view>

namespace kvdb::bench {

/// For stores without batches, which have `put(key, value)` and `sync_if_durable()`: a commit is so many puts and one
/// flush.
template <class Store>
class one_by_one {
public:
    void set(std::string_view key, std::string_view value)
    {
        self().put(key, value);
        self().sync_if_durable();
    }
    void multi_set(std::span<const entry> entries)
    {
        for (const auto& [key, value] : entries) {
            self().put(key, value);
        }
        self().sync_if_durable();
    }

private:
    [[nodiscard]] Store& self() noexcept { return static_cast<Store&>(*this); }
};

}  // namespace kvdb::bench

#endif
