// SPDX-License-Identifier: BSL-1.0
// The fixed tables between the header and the first extent: checkpoint slots, shards, attachments.
#ifndef KVDB_FORMAT_TABLES_HPP
#define KVDB_FORMAT_TABLES_HPP

#include "format/constants.hpp"
#include "format/intent.hpp"
#include "format/layout.hpp"

namespace kvdb::format {

/// One of two slots; the valid one with the higher number counts. Never both written at once, and in different
/// 4 KiB pages, so that a torn write leaves the other. `checksum` covers `number` to the last mark.
struct checkpoint_slot {
    std::uint64_t checksum;
    std::uint64_t number;
    std::uint64_t incarnation;
    std::uint64_t finished_unix_ms;
    std::uint64_t reserved[4];
    std::uint64_t marks[max_shards];  // per shard, the highest sequence number that is on disk with all before it
    std::uint8_t padding[checkpoint_slot_size - 64 - max_shards * 8];
};
static_assert(on_disk<checkpoint_slot, checkpoint_slot_size>);
static_assert(offsetof(checkpoint_slot, marks) == 64);

/// A shard. Grouped by cache line: who writes a line decides who shares it. All of it is volatile: rebuilt from the
/// log unless the file is clean or the boot the same.
struct shard_block {
    // line 0: written when slots move, segments split and space is recycled; every reader loads it
    std::uint64_t shape;      // only ever raised, never reset
    std::uint64_t directory;  // depth << 56 | offset / 64 of the directory; 0 = no index yet
    std::uint64_t commit;     // reserved for batches: id of the batch that this shard leads and that is pending
    std::uint64_t promised;   // 1: some of the log may have been acknowledged as durable; never lowered by writers
    std::uint64_t index_extents;  // offset of the newest index extent, 0 = none; linked through their headers
    std::uint64_t reserved0;
    std::uint64_t left_from;  // of an extent left with bytes that a commit wants; once for each extent, if at all
    std::uint64_t left_to;    // 0 = none; set under the lock, cleared by the leader of a commit
    // line 1: the writer's
    std::uint64_t lock;           // owner word
    std::uint64_t next_sequence;  // the next sequence number to be taken
    std::uint64_t log_extent;     // offset of the extent appended to; 0 = none
    std::uint64_t log_tail;       // offset of the next record
    std::uint64_t log_end;        // offset behind the extent
    std::uint64_t base_sequence;  // of that extent
    std::uint64_t nonce;          // of that extent
    std::uint64_t accepted_log;   // the hand-over word that was taken last
    // line 2: counters and index space, under the lock
    std::uint64_t entries;
    std::uint64_t live_bytes;
    std::uint64_t dead_bytes;
    std::uint64_t index_tail;  // offset of the next free byte for segments, directories and overflow blocks
    std::uint64_t index_end;
    std::uint64_t free_segment;  // offset of a frozen segment that can be reused; 0 = none
    std::uint64_t segments;      // number of segments in the directory
    std::uint64_t log_dead;      // bytes of dead records in the extent appended to
    // line 3: written under the allocator's lock, but for the last three words
    std::uint64_t incoming_log;  // serial << 32 | unit number of a run handed over; taken when equal to accepted_log
    std::uint64_t incoming_index;
    std::uint64_t log_bytes;  // in log extents handed to this shard
    std::uint64_t index_bytes;
    std::uint64_t boundary;        // reserved for snapshots
    std::uint64_t accepted_index;  // the hand-over word that was taken last
    std::uint64_t log_wanted;      // a commit waits until the log extent is on disk up to here; under the lock
    std::uint64_t log_durable;     // it is, up to here; the leader of a commit raises it
    // lines 4 to 6
    shard_intent intent;
    std::uint64_t filled;    // offset of the log extent left last, 0 = none; these lists are linked through headers
    std::uint64_t emptying;  // of the first extent to be cleaned next
    std::uint64_t limbo;     // of the first extent that holds nothing live and waits for a checkpoint
    std::uint64_t limbo_bytes;
    std::uint64_t releasing;  // the same, noted by a checkpoint; changed under the checkpoint lock alone
    std::uint64_t releasing_bytes;
};
static_assert(on_disk<shard_block, 448>);
static_assert(offsetof(shard_block, lock) == 64);
static_assert(offsetof(shard_block, entries) == 128);
static_assert(offsetof(shard_block, incoming_log) == 192);
static_assert(offsetof(shard_block, intent) == 256);
static_assert(offsetof(shard_block, filled) == 400);

/// Who is attached for writing. The sign of life is an open-file-description lock on the slot's own byte, never what
/// stands here; `generation` tells owners of one slot apart.
struct attachment_slot {
    std::uint32_t generation;  // raised at every claim; atomic
    std::uint32_t pid;         // 0 = free; for people, not for decisions
    std::uint64_t since_unix_ms;
    std::uint64_t pin;        // reserved for snapshots and views
    std::uint64_t announce;   // flushes that this handle is in the middle of
    std::uint64_t staged[4];  // serial << 32 | unit number of runs being filled with large values; 0 = none
};
static_assert(on_disk<attachment_slot, 64>);
static_assert(offsetof(attachment_slot, staged) == 32);

// Owner word of a lock: generation << 32 | waiters << 31 | slot + 1. Zero = free.
inline constexpr std::uint64_t lock_slot_mask = 0xffff;
inline constexpr std::uint64_t lock_waiters = std::uint64_t{1} << 31;

// Byte ranges for open-file-description locks, far beyond any file's end.
inline constexpr std::uint64_t gate_exclusive_byte = std::uint64_t{1} << 61;
inline constexpr std::uint64_t gate_writers_byte = gate_exclusive_byte + 1;
inline constexpr std::uint64_t gate_users_byte = gate_exclusive_byte + 2;
inline constexpr std::uint64_t attachment_bytes = gate_exclusive_byte + 65'536;  // one byte for each slot

}  // namespace kvdb::format

#endif
