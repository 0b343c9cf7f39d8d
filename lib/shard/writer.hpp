// SPDX-License-Identifier: BSL-1.0
// Changing a shard, one writer at a time.
//
// A set:  lock -> redo what is armed -> find -> make room -> take a sequence number -> write the record behind the
//         tail -> arm {tail, mark, slot, counters} -> carry out -> disarm -> unlock
//
// Who may call: a thread of an attached handle that holds no lock of kvdb.
// Locks: the shard's word. Never held while the file grows or user code runs: when log or index space is short the
// lock is left, space is handed over by the allocator, and everything is looked up again.
// Publication: the slot's release store in the redo program.
// State after a death:  before `armed`: the record behind the tail is nobody's; the next locker puts an end mark over
// it
//                       and leaves the extent (seal), so that it can never come alive
//                       from `armed` on: the next locker carries the program out; the operation has happened
// Invariants
//   W1  next_sequence is raised before a record carries the number, and never lowered.
//   W2  log_tail + one record header <= log_end, so that an end mark always fits.
//   W3  Behind log_tail the extent is zero, unless a writer is in the middle of an append or died there.
//   W4  Counters, tail and slot change together, in one redo program.
//   W5  Before a durable record is published, log_wanted lies behind it, or whole_wanted was raised. Before an extent
//       is left with bytes behind log_durable: if log_wanted is among them they become left_from to left_to, or
//       whole_wanted is raised if an earlier extent's still stand there; else `behind` is raised.
#ifndef KVDB_SHARD_WRITER_HPP
#define KVDB_SHARD_WRITER_HPP

#include "extents/redo.hpp"
#include "format/extent.hpp"
#include "index/lookup.hpp"
#include "index/placement.hpp"
#include "index/segment_builder.hpp"
#include "log/append.hpp"
#include "shard/context.hpp"
#include "shard/record_view.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace kvdb::shard {

/// A shard's lock, with everything a dead holder left put right. Unlocks at the end of its life.
class locked_shard {
public:
    locked_shard(const context& all, std::uint32_t shard) : locked_shard(all, shard, all.who.timeout) {}
    /// Waits no longer than `limit`.
    locked_shard(const context& all, std::uint32_t shard, std::chrono::milliseconds limit);
    locked_shard(const locked_shard&) = delete;
    locked_shard& operator=(const locked_shard&) = delete;
    ~locked_shard();

    [[nodiscard]] format::shard_block& block() const noexcept { return all_.block(shard_); }
    void unlock() noexcept;
    void relock() { lock(all_.who.timeout); }

private:
    void lock(std::chrono::milliseconds limit);
    void repair_after(bool taken_over);

    const context& all_;
    std::uint32_t shard_;
    bool held_ = false;
};

/// Puts an end mark at the tail and leaves the extent: nothing is appended to it any more. Under the lock.
void seal(const context& all, std::uint32_t shard);

/// After a death under the lock: seals, unless a program was carried out and nothing stands behind the tail.
void seal_behind_the_dead(const context& all, std::uint32_t shard, bool redone);

/// Before a shard leaves its log extent, under the lock: what no flush has covered in it is beyond the reach of a
/// commit that flushes the shards' present extents (W5).
void request_flush_of_left(const context& all, format::shard_block& block);

/// Throws errc::damaged unless the log's tail lies in its extent, with room for an end mark.
void require_log_place(const context& all, std::uint32_t shard);

class writer {
public:
    /// What a durable writer changes is written to the file, not stored through the mapping, and registered with the
    /// shard: a commit (database/commit.hpp) that begins after the change flushes it.
    writer(const context& all, std::uint32_t shard, bool durable = false) noexcept
        : all_(all), shard_(shard), durable_(durable && all.data != nullptr)
    {
    }

    void set(std::uint64_t hash, std::string_view key, std::string_view value);
    /// A value in an extent of its own, staged in `staged_index` of this handle's attachment slot.
    void set_large(std::uint64_t hash, std::string_view key, std::string_view value, std::uint32_t staged_index);
    bool erase(std::uint64_t hash, std::string_view key);
    /// After one of these: is it time to free what the shard's cleaner has emptied (database/checkpoint.hpp)?
    [[nodiscard]] bool wants_release() const noexcept { return wants_release_; }

    /// Recovery alone, in exclusive use: points a slot at an existing record; `old` is the slot to change, if any.
    void adopt(std::uint64_t hash, std::uint64_t record_offset, const index::found_slot* old);
    /// Recovery alone: empties a slot.
    void abandon(const index::found_slot& where) const;
    /// Recovery alone: appends a tombstone with a given sequence number over a victim. It is not indexed.
    void append_guard(std::string_view key, std::uint64_t sequence, std::uint64_t victim);
    [[nodiscard]] index::outcome find(std::uint64_t hash, std::string_view key, index::found_slot& where,
                                      record_view& view) const;

private:
    friend class cleaner;

    struct target {
        std::uint64_t slot_offset = 0;
        std::uint64_t flags = 0;        // displaced and mark bits of the new word
        std::uint64_t mark_offset = 0;  // slot that must carry a mark first; 0 = none
        bool replaces = false;
        record_view old;
    };
    enum class progress : std::uint8_t { ready, look_again };

    [[nodiscard]] format::shard_block& block() const noexcept { return all_.block(shard_); }
    [[nodiscard]] std::uint64_t offset_of(const std::uint64_t& word) const noexcept
    {
        return all_.memory.offset_of(&word);
    }
    bool locate(std::uint64_t hash, std::string_view key, target& found) const;
    // All of these are called under the lock and may leave and retake it: then they say look_again.
    progress make_log_room(locked_shard& lock, std::uint64_t bytes);
    progress make_slot(locked_shard& lock, std::uint64_t hash, target& found);
    progress make_overflow_slot(locked_shard& lock, const format::segment& segment, std::uint32_t home,
                                target& found);
    progress reserve_index(locked_shard& lock, std::uint64_t bytes);
    void create_index(std::uint64_t at);
    void move_entry(const format::segment& segment, const index::placement& where);
    progress split(locked_shard& lock, std::uint64_t tag);
    /// Sorts the entries of a segment into the builders of its halves by one bit of the tag.
    void distribute(const format::segment& old, std::uint32_t bit, index::segment_builder (&halves)[2]) const;
    progress double_directory(locked_shard& lock);

    void accept_log(std::uint64_t word);
    void accept_index(std::uint64_t word);
    [[nodiscard]] format::extent_header incoming_header(std::uint64_t word, format::extent_kind kind) const;
    [[nodiscard]] std::uint64_t rehash(std::uint64_t record_offset) const;
    [[nodiscard]] std::uint64_t take_sequence() const noexcept;
    [[nodiscard]] log::record_fields fields_for(format::record_kind kind, const target& where,
                                                std::uint64_t base) const noexcept;
    /// Writes a record behind the tail; returns its size. It is nobody's until a program publishes it.
    std::uint64_t write_behind_tail(const log::record_fields& fields, std::string_view key, std::string_view value);
    void append_to_file(const log::record_fields& fields, std::string_view key, std::string_view value,
                        std::uint64_t size);
    void put_behind_tail(std::span<const std::byte> bytes);
    void promise() const noexcept;
    /// Adds to a program what the death of a record changes for its extent. `more` bytes of the present extent are
    /// born dead.
    void bury(extents::shard_program& steps, const record_view& old, std::uint64_t more) const;
    void clean_behind(locked_shard& lock, std::uint64_t former_tail);

    const context& all_;
    std::uint32_t shard_;
    bool durable_;
    bool wants_release_ = false;
};

}  // namespace kvdb::shard

#endif
