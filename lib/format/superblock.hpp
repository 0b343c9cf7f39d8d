// SPDX-License-Identifier: BSL-1.0
// The superblock: 4064 bytes at file offset 16. It is also the object that Boost.Interprocess takes for the memory
// algorithm of the segment, so its place and size are not ours to choose.
//
//   file offset   16 ..  255   identity of the database, immutable, under its own checksum
//                256 ..  447   state: size, clean flag, incarnation, identity of the file
//                448 ..  511   locks that are not a shard's
//                512 .. 1535   the extent allocator
//               1536 .. 1599   group commit
//               1600 .. 1663   the journal of commits
//               1664 .. 4079   reserved, zero
#ifndef KVDB_FORMAT_SUPERBLOCK_HPP
#define KVDB_FORMAT_SUPERBLOCK_HPP

#include "format/constants.hpp"
#include "format/intent.hpp"
#include "format/layout.hpp"

namespace kvdb::format {

/// Set when the database is made, never changed. `checksum` covers the fields before it.
struct identity_block {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t header_size;
    std::uint64_t features_compatible;
    std::uint64_t features_read_only;
    std::uint64_t features_incompatible;
    std::uint8_t uuid[16];
    std::uint64_t seed;
    std::uint32_t hash_id;
    std::uint32_t shard_count;
    std::uint32_t unit_size;
    std::uint32_t attachment_count;
    std::uint64_t checkpoint_offset[2];
    std::uint64_t shard_table_offset;
    std::uint64_t attachment_table_offset;
    std::uint64_t first_extent_offset;
    std::uint64_t created_unix_ms;
    std::uint32_t checkpoint_slot_size;
    std::uint32_t shard_block_size;
    std::uint32_t attachment_slot_size;
    std::uint32_t segment_size;
    std::uint8_t reserved[88];
    std::uint64_t checksum;
};
static_assert(on_disk<identity_block, 240>);
static_assert(offsetof(identity_block, seed) == 56);
static_assert(offsetof(identity_block, first_extent_offset) == 112);
static_assert(offsetof(identity_block, checksum) == 232);

/// Which file, in which boot of which machine, the volatile bytes were written in.
struct file_identity {
    std::uint8_t boot_id[16];
    std::uint64_t device;
    std::uint64_t inode;
    std::uint64_t birth_ns;
    std::uint64_t mount_id;
    std::uint64_t checksum;
};
static_assert(on_disk<file_identity, 56>);

struct recovery_record {
    std::uint64_t at_unix_ms;
    std::uint64_t duration_us;
    std::uint64_t records_kept;
    std::uint64_t entries;
    std::uint64_t bytes_dropped;
};
static_assert(on_disk<recovery_record, 40>);

struct state_block {
    std::uint64_t file_size;  // published size: nothing beyond it is used; atomic
    std::uint32_t clean;      // 1: every byte is on disk and no writer is attached
    std::uint32_t volatile_layout;
    std::uint64_t incarnation;
    std::uint64_t epoch;           // of snapshots
    std::uint64_t poison;          // not 0: a flush failed
    std::uint64_t clean_checksum;  // of superblock and shard table, at rest
    std::uint64_t rebuilds;        // raised whenever volatile bytes were rebuilt; readers watch it
    std::uint64_t clock_ms;        // reserved for expiry: never steps back
    file_identity file;
    std::uint64_t checkpoint_number;  // of the latest finished checkpoint
    recovery_record last_recovery;
    std::uint64_t openings;  // raised whenever a writer finds itself the first; private readers watch it
    std::uint64_t doubts;    // raised when somebody died within a flush, whose end nobody may know
    std::uint64_t settled;   // the value of `doubts` before the latest flush that wrote the whole file anew
};
static_assert(on_disk<state_block, 192>);
static_assert(offsetof(state_block, file) == 64);
static_assert(offsetof(state_block, checkpoint_number) == 120);

struct lock_block {
    std::uint64_t checkpoint;  // lock word
    std::uint64_t allocator;   // lock word
    std::uint64_t growth;      // lock word
    std::uint64_t reserved0;
    std::uint64_t checkpoints_started;
    std::uint64_t checkpoints_finished;
    std::uint64_t reserved[2];
};
static_assert(on_disk<lock_block, 64>);

/// Group commit: what has to be flushed, and who does it for all that wait. A request is granted when its counter of
/// what was done has reached it.
struct commit_block {
    std::uint64_t lock;          // lock word of the leader
    std::uint64_t started;       // flushes begun; raised under the lock
    std::uint64_t finished;      // number of the latest flush that succeeded; waiters sleep on it
    std::uint64_t whole_wanted;  // raised when the whole file has to be flushed for a commit
    std::uint64_t whole_done;    // its value when the latest flush of the whole file began
    std::uint64_t behind;        // raised when a log extent is left with bytes that no flush covered
    std::uint64_t behind_done;   // its value when the latest flush of the whole file began
    std::uint64_t slot_flushed;  // number of the checkpoint slot that the latest flush covered
};
static_assert(on_disk<commit_block, 64>);

/// Where the journal of commits is, and how far it is filled. Both words change under the lock of the commit block.
struct journal_block {
    std::uint64_t extent;   // serial << 32 | unit number of its run, 0 = none
    std::uint64_t next;     // lap << 32 | bytes from the run's start to where the next entry goes
    std::uint64_t refused;  // published size of the file at which there was no space for one
    std::uint64_t reserved[5];
};
static_assert(on_disk<journal_block, 64>);

/// Runs are kept apart by what they hold (see region_size), and free ones by the logarithm of their units.
inline constexpr std::size_t run_classes = 2;  // 0: log and large values, 1: index
inline constexpr std::size_t size_classes = 32;

struct frontier {
    std::uint64_t next;  // first byte never handed out
    std::uint64_t end;
};
static_assert(on_disk<frontier, 16>);

struct allocator_block {
    frontier frontiers[run_classes];
    std::uint64_t free_bytes;  // in the lists; frontiers not counted
    std::uint64_t next_order;  // order number of the next extent
    std::uint64_t reserved0[2];
    std::uint64_t free_lists[run_classes][size_classes];  // offset of the first free run, 0 = none
    std::uint64_t log_bytes;                              // in extents of kind log and large
    std::uint64_t index_bytes;                            // in extents of kind index
    std::uint64_t reserved[6];
    allocator_intent intent;
};
static_assert(on_disk<allocator_block, 1024>);
static_assert(offsetof(allocator_block, free_lists) == 64);
static_assert(offsetof(allocator_block, log_bytes) == 576);
static_assert(offsetof(allocator_block, intent) == 640);

struct superblock {
    identity_block identity;
    state_block state;
    lock_block locks;
    allocator_block allocator;
    commit_block commits;
    journal_block journal;
    std::uint8_t reserved[2416];
};
static_assert(on_disk<superblock, superblock_size>);
static_assert(superblock_offset + offsetof(superblock, state) == 256);
static_assert(superblock_offset + offsetof(superblock, locks) == 448);
static_assert(superblock_offset + offsetof(superblock, allocator) == 512);
static_assert(superblock_offset + offsetof(superblock, commits) == 1536);
static_assert(superblock_offset + offsetof(superblock, journal) == 1600);
static_assert(superblock_offset + offsetof(superblock, reserved) == 1664);

}  // namespace kvdb::format

#endif
