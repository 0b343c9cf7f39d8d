// SPDX-License-Identifier: BSL-1.0
// The timed loops, compiled once for each store.
#ifndef KVDB_BENCH_RACE_WORKLOADS_HPP
#define KVDB_BENCH_RACE_WORKLOADS_HPP

#include "contestant.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace kvdb::bench {

using entry = std::pair<std::string_view, std::string_view>;
using key_batch = std::span<const std::string_view>;
using value_batch = std::span<std::optional<std::string>>;

template <class Store>
concept has_multi_get = requires(Store& store, key_batch keys, value_batch values)
{
    store.multi_get(keys, values);
};

template <class Store>
concept has_multi_set = requires(Store& store, std::span<const entry> entries)
{
    store.multi_set(entries);
};

template <class Store>
outcome run_set(Store& store, const job& what)
{
    for (std::size_t i = 0; i < what.keys.count; ++i) {
        store.set(what.keys[i], (*what.values)(what.links[i]));
    }
    return {what.keys.count, what.keys.count};
}

/// Overwrites with values of half to one and a half times the usual size.
template <class Store>
outcome run_churn(Store& store, const job& what)
{
    const std::size_t size = what.values->size();
    std::uint64_t random = what.keys.count;
    for (std::size_t i = 0; i < what.keys.count; ++i) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        const std::size_t length = size / 2 + (random >> 33U) % (size + 1);
        store.set(what.keys[i], what.values->sized(what.links[i], length));
    }
    return {what.keys.count, what.keys.count};
}

template <class Store>
outcome run_get(Store& store, const job& what)
{
    std::string text;
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < what.keys.count; ++i) {
        found += store.get(what.keys[i], text) ? 1U : 0U;
    }
    return {what.keys.count, found};
}

/// Each key is what the value before it begins with.
template <class Store>
outcome run_dependent_get(Store& store, const job& what)
{
    char key[key_size];
    std::memcpy(key, what.keys[0].data(), key_size);
    std::string text;
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < what.keys.count && store.get({key, key_size}, text); ++i) {
        std::memcpy(key, text.data(), key_size);
        ++found;
    }
    return {what.keys.count, found};
}

template <class Store>
outcome run_multi_get(Store& store, const job& what)
{
    std::vector<std::string_view> keys(what.batch);
    std::vector<std::optional<std::string>> values(what.batch);
    std::uint64_t found = 0;
    for (std::size_t at = 0; at < what.keys.count; at += what.batch) {
        const std::size_t count = std::min(what.batch, what.keys.count - at);
        for (std::size_t i = 0; i < count; ++i) {
            keys[i] = what.keys[at + i];
        }
        store.multi_get(key_batch(keys).first(count), value_batch(values).first(count));
        for (std::size_t i = 0; i < count; ++i) {
            found += values[i].has_value() ? 1U : 0U;
        }
    }
    return {what.keys.count, found};
}

template <class Store>
outcome run_multi_set(Store& store, const job& what)
{
    std::vector<value_maker> values(what.batch, *what.values);
    std::vector<entry> entries(what.batch);
    for (std::size_t at = 0; at < what.keys.count; at += what.batch) {
        const std::size_t count = std::min(what.batch, what.keys.count - at);
        for (std::size_t i = 0; i < count; ++i) {
            entries[i] = {what.keys[at + i], values[i](what.links[at + i])};
        }
        store.multi_set(std::span<const entry>(entries).first(count));
    }
    return {what.keys.count, what.keys.count};
}

template <class Store>
outcome run_mixed(Store& store, const job& what)
{
    std::string text;
    std::uint64_t found = 0;
    std::uint64_t random = what.keys.count;
    for (std::size_t i = 0; i < what.keys.count; ++i) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        if ((random >> 33U) % 100 < what.writes_percent) {
            store.set(what.keys[i], (*what.values)(what.links[i]));
            ++found;
        } else {
            found += store.get(what.keys[i], text) ? 1U : 0U;
        }
    }
    return {what.keys.count, found};
}

template <class Store>
outcome run_erase(Store& store, const job& what)
{
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < what.keys.count; ++i) {
        found += store.erase(what.keys[i]) ? 1U : 0U;
    }
    return {what.keys.count, found};
}

/// Every value is looked at, as whoever scans would.
template <class Store>
outcome run_scan(Store& store, const job& what)
{
    std::uint64_t entries = 0;
    std::uint64_t good = 0;
    const std::size_t size = what.values->size();
    store.scan([&](std::string_view key, std::string_view value) {
        ++entries;
        good += key.size() == key_size && value.size() == size && value.front() != '\0' ? 1U : 0U;
    });
    return {entries, good};
}

template <class Store>
outcome run_verify(Store& store, const job& what)
{
    std::string text;
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < what.keys.count; ++i) {
        found += store.get(what.keys[i], text) && text == (*what.values)(what.links[i]) ? 1U : 0U;
    }
    return {what.keys.count, found};
}

template <class Store>
outcome run_job(Store& store, const job& what)
{
    switch (what.what) {
        case workload::set: return run_set(store, what);
        case workload::get: return run_get(store, what);
        case workload::dependent_get: return run_dependent_get(store, what);
        case workload::mixed: return run_mixed(store, what);
        case workload::churn: return run_churn(store, what);
        case workload::erase: return run_erase(store, what);
        case workload::scan: return run_scan(store, what);
        case workload::verify: return run_verify(store, what);
        case workload::multi_get:
            if constexpr (has_multi_get<Store>) {
                return run_multi_get(store, what);
            }
            break;
        case workload::multi_set:
            if constexpr (has_multi_set<Store>) {
                return run_multi_set(store, what);
            }
            break;
    }
    throw std::logic_error("a workload that the store cannot run");
}

}  // namespace kvdb::bench

#endif
