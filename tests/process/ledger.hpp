// SPDX-License-Identifier: BSL-1.0
// Writers that may be killed at any instruction, and the book that is kept of them outside the database.
//
// Each key has one writer and a version that rises with every operation; each fifth version is an erase. The writer
// notes the version it intends, does it, and notes it as acknowledged. When it dies, the database must show one of
// the two.
#ifndef KVDB_TESTS_PROCESS_LEDGER_HPP
#define KVDB_TESTS_PROCESS_LEDGER_HPP

#include <kvdb/kvdb.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace kvdb::testing {

class ledger {
public:
    static constexpr std::size_t max_workers = 4;
    static constexpr std::uint64_t keys_each = 200;

    /// Writes until killed.
    [[noreturn]] void write_for_ever(std::size_t worker, const std::filesystem::path& path, std::uint64_t seed,
                                     const options& how = {});
    /// Reads every worker's keys until killed; throws at what must not be.
    [[noreturn]] void read_for_ever(std::size_t worker, const std::filesystem::path& path, std::uint64_t seed);

    /// Compares a dead worker's keys with the database and settles what was under way. Empty, or what is wrong.
    [[nodiscard]] std::string settle(std::size_t worker, database& db);
    /// Operations that a worker has done.
    [[nodiscard]] std::uint64_t progress(std::size_t worker) const { return progress_[worker]; }

private:
    struct entry {
        std::atomic<std::uint64_t> intended;
        std::atomic<std::uint64_t> acknowledged;
    };
    [[nodiscard]] entry& at(std::uint64_t key) { return entries_[key / keys_each][key % keys_each]; }
    void read_one(const database& db, std::uint64_t key);

    std::array<std::array<entry, keys_each>, max_workers> entries_;
    std::array<std::atomic<std::uint64_t>, max_workers> progress_;
};

}  // namespace kvdb::testing

#endif
