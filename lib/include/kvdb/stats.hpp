// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_STATS_HPP
#define KVDB_STATS_HPP

#include <cstdint>
#include <string>
#include <vector>

namespace kvdb {

/// A handle attached for writing.
struct attached_handle {
    std::uint32_t slot = 0;  ///< index in the attachment table
    std::uint32_t pid = 0;   ///< process id, as its own PID namespace numbers it
    std::uint64_t since_unix_ms = 0;
};

/// What the last rebuild of the index found; all zero if there never was one.
struct recovery_summary {
    std::uint64_t at_unix_ms = 0;
    std::uint64_t duration_us = 0;
    std::uint64_t records_kept = 0;   ///< records whose checksum held, dead ones included
    std::uint64_t entries = 0;        ///< live keys found
    std::uint64_t bytes_dropped = 0;  ///< bytes behind the last whole record of an extent that were not zero
};

/// A picture of a database. All sizes in bytes. While others write, the figures of different shards are of
/// slightly different instants.
struct statistics {
    std::uint64_t entries = 0;
    std::uint64_t live_bytes = 0;   ///< records that the index points at, headers included
    std::uint64_t dead_bytes = 0;   ///< superseded records and tombstones that were not cleaned yet
    std::uint64_t limbo_bytes = 0;  ///< extents that hold nothing live and wait for a checkpoint before they are free
    std::uint64_t log_bytes = 0;    ///< extents that hold records, those in limbo included
    std::uint64_t index_bytes = 0;  ///< extents that hold index segments and directories
    std::uint64_t journal_bytes = 0;  ///< the journal of durable commits, if there is one
    std::uint64_t free_bytes = 0;     ///< runs that no extent uses
    std::uint64_t file_size = 0;
    std::uint64_t disk_bytes = 0;   ///< what the file system has allocated
    std::uint64_t index_slots = 0;  ///< slots in all index segments
    double load_factor = 0;         ///< entries / index_slots
    std::uint32_t format_version = 0;
    std::uint32_t shard_count = 0;
    std::uint32_t max_handles = 0;
    std::uint64_t incarnation = 0;      ///< number of the latest recovery
    std::uint64_t sync_generation = 0;  ///< number of the latest finished sync()
    std::uint64_t created_unix_ms = 0;
    std::string uuid;
    bool poisoned = false;       ///< a flush failed; see errc::poisoned
    bool private_index = false;  ///< a read-only handle over a file that awaits recovery
    std::vector<attached_handle> writers;
    recovery_summary last_recovery;
};

/// One contradiction that `check` found.
struct check_fault {
    std::uint64_t offset = 0;  ///< where in the file
    std::string what;
};

struct check_options {
    bool checksums = true;             ///< verify record checksums (all of the values are read)
    std::uint64_t max_faults = 1'000;  ///< stop collecting after so many
};

struct check_report {
    std::vector<check_fault> faults;
    std::uint64_t extents = 0;
    std::uint64_t records = 0;  ///< valid records in the log, live, dead and tombstones
    std::uint64_t entries = 0;  ///< live records
    std::uint64_t bytes = 0;    ///< bytes of log examined

    [[nodiscard]] bool ok() const noexcept { return faults.empty(); }
};

}  // namespace kvdb

#endif
