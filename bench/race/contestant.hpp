// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_CONTESTANT_HPP
#define KVDB_BENCH_RACE_CONTESTANT_HPP

#include "keys.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace kvdb::bench {

/// What the report says of a contestant, and which rows it can run in.
struct description {
    std::string id;  ///< for --only
    std::string name;
    std::string version;
    std::string settings;
    bool limit = false;  ///< no store, but what the machine allows
    bool on_disk = true;
    bool processes = false;   ///< any number of processes may write to one file
    bool threads = false;     ///< any number of threads may use it
    bool background = false;  ///< has threads of its own, which finish later what a write began
};

/// What a contestant knows when it opens its store.
struct plan {
    std::filesystem::path folder;  ///< its own
    std::uint64_t entries = 0;     ///< never more than so many
    std::size_t value_size = 0;
    bool durable = false;    ///< each set and each batch survives a power loss once it returned
    bool read_only = false;  ///< nothing but gets will come; for stores that can make use of it
};

enum class workload { set, get, dependent_get, multi_get, multi_set, mixed, churn, erase, scan, verify };

/// A slice of a row's work.
struct job {
    workload what = workload::get;
    key_span keys{};
    key_span links{};
    value_maker* values = nullptr;
    std::uint32_t writes_percent = 0;  ///< for workload::mixed
    std::size_t batch = 16;            ///< keys of one multi_get or multi_set
};

struct outcome {
    std::uint64_t operations = 0;
    std::uint64_t found = 0;  ///< gets that hit, entries scanned or erased, values that were as expected
};

/// A store as the race sees it. One virtual call is a slice of thousands of operations, whose loop is compiled for
/// the store. Failures are exceptions.
class contestant {
public:
    contestant() = default;
    contestant(const contestant&) = delete;
    contestant& operator=(const contestant&) = delete;
    virtual ~contestant() = default;

    [[nodiscard]] virtual const description& about() const = 0;
    /// Opens what is in the folder, or creates it.
    virtual void open(const plan& how) = 0;
    virtual void close() = 0;
    /// False while it is closed.
    [[nodiscard]] virtual bool can(workload what) const = 0;
    virtual outcome run(const job& what) = 0;
    /// The same open store for one more thread; null where that cannot be.
    virtual std::unique_ptr<contestant> beside() = 0;
    /// Bytes that the store takes, on disk or in memory.
    virtual std::uint64_t bytes() = 0;
};

}  // namespace kvdb::bench

#endif
