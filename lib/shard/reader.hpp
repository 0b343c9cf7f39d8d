// SPDX-License-Identifier: BSL-1.0
// Reading a shard without a lock.
//
//   s = shape (acquire) -> directory -> bucket -> tag -> bounds -> key -> [take the value] -> fence -> shape == s ?
//
// Who may call: any thread of any process, attached or not. Waits for nobody and writes nothing.
// Pairs: `load_acquire` of the slot with the redo program's release store (record bytes are whole); the acquire fence
// with the release fence behind each bump (a recycled byte seen implies the bump seen).
// Invariants
//   S1  Record bytes do not change while a slot points at them, nor after that before the shape moved. (Of a large
//   one
//       all but its first 16 stay until the first word of its extent changed as well.)
//   S2  A slot's entry that moves is in its new place before the shape moves, and leaves the old one after.
//   S3  A frozen segment changes only after the shape moved.
// Hence a result under an unchanged shape is the truth of one instant between the first load and the last.
#ifndef KVDB_SHARD_READER_HPP
#define KVDB_SHARD_READER_HPP

#include "base/seeded_fault.hpp"
#include "index/lookup.hpp"
#include "io/pause_point.hpp"
#include "shard/context.hpp"
#include "shard/record_view.hpp"

#include <string_view>

namespace kvdb::shard {

/// Compares keys on behalf of the index.
template <class File>
class key_matcher {
public:
    key_matcher(File& memory, std::string_view key, record_view& view) noexcept
        : memory_(memory), key_(key), view_(view)
    {
    }
    [[nodiscard]] index::outcome operator()(std::uint64_t offset) const
    {
        if (!view_record(memory_, offset, view_)) [[unlikely]] {
            return index::outcome::invalid;
        }
        return has_key(view_, key_) ? index::outcome::found : index::outcome::absent;
    }

private:
    File& memory_;
    std::string_view key_;
    record_view& view_;
};

[[noreturn]] void throw_bad_lookup(const context& all, std::uint32_t shard);
/// Does the record's checksum hold?
[[nodiscard]] bool intact(const context& all, const record_view& view);
[[noreturn]] void throw_not_intact(const record_view& view);

/// First word of the header of the extent that a long record has to itself; 0 if there is none. It is zero before
/// anything else in the run changes, and never the same again.
[[nodiscard]] inline std::uint64_t tenancy(io::window file, const record_view& view) noexcept
{
    const std::uint64_t extent = format::extent_of(view.offset, view.header.meta);
    const bool alone = view.size >= format::large_record_size && view.offset - extent == format::extent_header_size;
    return alone && file.covers(extent, format::extent_header_size) ? load_relaxed(file.at<std::uint64_t>(extent))
                                                                    : 0;
}

/// After an acquire fence: was everything that was read since the shape's first load the truth?
[[nodiscard]] inline bool unchanged(const format::shard_block& block, std::uint64_t shape) noexcept
{
    return load_relaxed(block.shape) == shape || seeded_fault("reader-ignores-shape");
}

/// Calls `take(view)` with the record of the key, perhaps more than once, of which the last counts. False if absent.
template <class Take>
bool read(const context& all, std::uint32_t shard, std::uint64_t hash, std::string_view key, Take&& take)
{
    for (;;) {
        const io::window file = all.memory.view();
        const auto& block = file.at<format::shard_block>(all.shard_table + shard * sizeof(format::shard_block));
        const std::uint64_t shape = load_acquire(block.shape);
        const std::uint64_t directory = load_acquire(block.directory);
        record_view view;
        const key_matcher matches(file, key, view);
        index::found_slot where;
        const index::outcome result = index::find(file, directory, hash, matches, where);
        if (result == index::outcome::found) {
            const std::uint64_t tenant = tenancy(file, view);
            // Before a long copy from memory that may be recycled, and again after it.
            std::atomic_thread_fence(std::memory_order_acquire);
            if (!unchanged(block, shape)) {
                continue;
            }
            const bool good = !all.verify_reads || intact(all, view);
            pause_point("read.record");
            if (good) {
                take(view);
            }
            std::atomic_thread_fence(std::memory_order_acquire);
            // Whatever else was recycled in the shard during a copy that may take long.
            if (good && tenant != 0 && tenancy(file, view) == tenant) {
                return true;
            }
            if (!good && unchanged(block, shape)) {
                throw_not_intact(view);
            }
        }
        std::atomic_thread_fence(std::memory_order_acquire);
        if (!unchanged(block, shape)) {
            continue;
        }
        if (result == index::outcome::invalid) [[unlikely]] {
            // Beyond what this window knows, or damaged.
            if (load_relaxed(block.directory) != directory || all.memory.has_grown_beyond(file.size())) {
                continue;
            }
            throw_bad_lookup(all, shard);
        }
        return result == index::outcome::found;
    }
}

/// What a quick read came to: it may be unable to tell.
enum class quick : std::uint8_t { absent, found, unsure };

/// The second half of a quick read: `seen` was found under the shape that was loaded before.
template <class Take>
[[gnu::always_inline]] inline quick take_quickly(io::window file, const format::shard_block& block,
                                                 std::uint64_t shape, index::glance seen, std::string_view key,
                                                 Take&& take)
{
    if (seen.what != index::outcome::found) [[unlikely]] {
        std::atomic_thread_fence(std::memory_order_acquire);
        return seen.what == index::outcome::absent && unchanged(block, shape) ? quick::absent : quick::unsure;
    }
    // Header and key are one line; where the value lies is known only when they are here. Ask for its lines now.
    __builtin_prefetch(file.base() + seen.record + 64);
    __builtin_prefetch(file.base() + seen.record + 128);
    record_view view;
    if (!view_record(file, seen.record, view) || !has_key(view, key)) [[unlikely]] {
        return quick::unsure;
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    if (!unchanged(block, shape)) [[unlikely]] {
        return quick::unsure;
    }
    pause_point("read.record");
    take(view);
    std::atomic_thread_fence(std::memory_order_acquire);
    return unchanged(block, shape) ? quick::found : quick::unsure;
}

/// The read that most reads are, ending at one of the two buckets under an unchanged shape, in as few instructions as
/// can be: a read is two cache misses long, and how far the next one overlaps with it is a matter of how many
/// instructions lie between the misses, and of no branch between them being foretold wrongly.
template <class Take>
[[gnu::always_inline]] inline quick read_quickly(const context& all, std::uint64_t hash, std::string_view key,
                                                 Take&& take)
{
    const io::window file = all.memory.view();
    const auto& block = file.at<format::shard_block>(all.shard_table + format::shard_of(hash, all.shard_bits) *
                                                                           sizeof(format::shard_block));
    const std::uint64_t shape = load_acquire(block.shape);
    const index::glance seen = index::glance_at_both(file, load_acquire(block.directory), hash);
    return take_quickly(file, block, shape, seen, key, take);
}

}  // namespace kvdb::shard

#endif
