// SPDX-License-Identifier: BSL-1.0
// Making the volatile bytes anew from the log: after a crash of the system, for a copied file, or on request.
//
//   1 find the extents by their headers        4 per shard, in parallel: walk the records, the highest number of a
//   2 zero the headers of index and journal         key wins; guard what lost and is named by nobody
//     durably, then call everything between    5 give back extents that hold nothing
//     the others free                          6 write down what was found
//   3 raise the incarnation, durably
//
// Who may call: the one process inside the gate, or a reader in memory of its own (detached).
// Death at any step: nothing of the log was changed but appended guards, which a second recovery finds and is content
// with; the identity is zero, so that a second recovery there will be.
// Why it can run twice: every step is a function of the log's records, and what it appends (guards, with the winner's
// number, naming their victims) changes none of its decisions.
#ifndef KVDB_DATABASE_RECOVERY_HPP
#define KVDB_DATABASE_RECOVERY_HPP

#include "io/file.hpp"
#include "log/walk.hpp"
#include "shard/context.hpp"

#include <kvdb/options.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

namespace kvdb {

class recovery {
public:
    recovery(const shard::context& all, io::file& data, const progress_function& progress, std::uint64_t file_size);

    /// Steps 0 and 1: empties tables and locks. Readers that are attached watch `shape`, which is only ever raised.
    void reset_volatile();
    /// Steps 2 to 6. `durable` is false in detached memory, where nothing is flushed and no guard is needed.
    void run(bool durable);

private:
    struct findings {
        std::uint64_t kept = 0;
        std::uint64_t entries = 0;
        std::uint64_t valid_bytes = 0;
        std::uint64_t live_bytes = 0;
        std::uint64_t dropped = 0;
        std::uint64_t highest = 0;
        std::vector<std::uint64_t> empty_extents;
        std::vector<std::uint64_t> tombstones;  // that stood for a key when they came
    };
    /// Values that lost and the victims that records name, to see who needs a guard.
    struct losers {
        std::vector<std::uint64_t> values;
        std::vector<std::uint64_t> victims;
    };

    void drop_volatile_extents(bool durable);
    void raise_incarnation(bool durable);
    void begin_incarnation(std::uint64_t incarnation);
    void rebuild_shards();
    void work();
    void rebuild_shard(std::uint32_t shard);
    void seal(const log::found_extent& extent, const log::walk_end& end) const;
    void take_record(std::uint32_t shard, std::uint64_t extent, const log::parsed_record& record, findings& found,
                     losers& lost);
    static void count_standing(const log::parsed_record& record, findings& found);
    void guard_losers(std::uint32_t shard, losers& lost);
    void settle(std::uint32_t shard, findings& found);
    void list_extents(std::uint32_t shard, const findings& found) const;
    void note_source(std::uint64_t extent) const;
    void count_dead(std::uint64_t extent, std::uint64_t size) const;
    [[nodiscard]] std::uint64_t sequence_at(std::uint64_t record_offset) const;
    void report(std::uint64_t bytes);

    const shard::context& all_;
    io::file& data_;
    const progress_function& progress_;
    const std::uint64_t file_size_;
    bool durable_ = true;
    std::vector<std::vector<log::found_extent>> extents_;  // of log and large, by shard
    std::vector<log::found_extent> volatile_extents_;      // of index and journal
    std::vector<std::uint64_t> cut_off_;                   // headers of runs that end behind the file
    std::uint64_t total_bytes_ = 0;
    std::atomic<std::uint32_t> next_shard_{0};
    // guarded by mutex_
    std::mutex mutex_;
    std::uint64_t done_bytes_ = 0;
    findings sum_;
    std::exception_ptr failure_;
};

}  // namespace kvdb

#endif
