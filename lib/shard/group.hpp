// SPDX-License-Identifier: BSL-1.0
// Several keys at a time. The cache misses of one search wait for each other, those of different searches need not:
// every search of the group goes as far as its next miss, asks for the line, and lets the others go on.
//
//   hash -> shape -> directory -> segment    the home bucket is asked for
//   its tags                                 the record's lines are asked for, or the partner bucket
//   the tags of both, for one in five        the record's lines are asked for
//   key -> [take the value] -> fence -> shape as it was ?
//
// Who may call, and what pairs: as in reader.hpp. This is a quick read with more time between its steps: the shape is
// loaded first, and what follows is believed only if it is unchanged at the end. What a writer finds in this way is
// of no consequence but for time: it looks again under the lock.
#ifndef KVDB_SHARD_GROUP_HPP
#define KVDB_SHARD_GROUP_HPP

#include "base/hash.hpp"
#include "shard/reader.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace kvdb::shard {

/// `record_bytes`: how much of a record is asked for.
template <std::uint64_t record_bytes>
class group {
public:
    /// Measured: more save nothing more.
    static constexpr std::size_t capacity = 16;

    /// Searches for key_of(0) to key_of(count - 1), of which there are at most `capacity`.
    template <class KeyOf>
    group(const context& all, std::size_t count, const KeyOf& key_of) noexcept : file_(all.memory.view())
    {
        const std::span<member> searches = std::span(members_).first(count);
        for (std::size_t i = 0; i < count; ++i) {
            begin(searches[i], all, key_of(i));
        }
        for (member& each : searches) {
            look_at_home(each);
        }
        for (member& each : searches) {
            if (each.seen.what != index::outcome::found) [[unlikely]] {
                look_at_both(each);
            }
        }
    }

    [[nodiscard]] std::uint64_t hash(std::size_t i) const noexcept { return members_[i].hash; }

    /// The read of key number `i`. For handles whose reads may be quick ones.
    template <class Take>
    [[gnu::always_inline]] quick read(std::size_t i, std::string_view key, Take&& take) const
    {
        const member& mine = members_[i];
        return take_quickly(file_, *mine.block, mine.shape, mine.seen, key, take);
    }

private:
    struct member {
        std::uint64_t hash;
        const format::shard_block* block;
        std::uint64_t shape;
        const format::segment* segment;  // null: the directory leads nowhere
        index::glance seen;
    };

    [[gnu::always_inline]] void begin(member& each, const context& all, std::string_view key) const noexcept
    {
        each.hash = hash_key(key, all.seed);
        each.block = &file_.at<format::shard_block>(all.shard_table + format::shard_of(each.hash, all.shard_bits) *
                                                                          sizeof(format::shard_block));
        each.shape = load_acquire(each.block->shape);
        const std::uint64_t segment =
            index::segment_for(file_, load_acquire(each.block->directory), format::tag_of(each.hash));
        each.segment = segment != 0 ? &file_.at<format::segment>(segment) : nullptr;
        if (each.segment != nullptr) [[likely]] {
            __builtin_prefetch(&home_of(each));
        }
    }

    [[gnu::always_inline]] void look_at_home(member& each) const noexcept
    {
        each.seen = {};
        if (each.segment == nullptr) [[unlikely]] {
            return;
        }
        pause_point("find.segment");  // which may be frozen now, and used anew
        each.seen = index::glance_at_home(home_of(each), each.hash);
        if (each.seen.what == index::outcome::found) {
            prefetch_record(each);
        } else {
            __builtin_prefetch(each.segment->buckets +
                               format::partner_of(format::home_of(each.hash), format::tag_of(each.hash)));
        }
    }

    void look_at_both(member& each) const noexcept
    {
        if (each.segment != nullptr) [[likely]] {
            each.seen = index::glance_in(*each.segment, each.hash);
            prefetch_record(each);
        }
    }

    /// A place outside the file is asked for in vain.
    [[gnu::always_inline]] void prefetch_record(const member& each) const noexcept
    {
        for (std::uint64_t ahead = 0; ahead < record_bytes; ahead += 64) {
            __builtin_prefetch(file_.base() + each.seen.record + ahead);
        }
    }

    [[nodiscard]] static const format::bucket& home_of(const member& each) noexcept
    {
        return each.segment->buckets[format::home_of(each.hash)];
    }

    const io::window file_;
    std::array<member, capacity> members_;
};

/// Calls `work(i, group, place)` for each i from 0 to `total` - 1, in order: key_of(i) is searched for in that place
/// of that group.
template <std::uint64_t record_bytes, class KeyOf, class Work>
[[gnu::always_inline]] inline void in_groups(const context& all, std::size_t total, KeyOf&& key_of, Work&& work)
{
    using group_type = group<record_bytes>;
    for (std::size_t first = 0; first < total; first += group_type::capacity) {
        const std::size_t count = std::min(total - first, group_type::capacity);
        const group_type some(all, count, [&](std::size_t i) { return key_of(first + i); });
        for (std::size_t i = 0; i < count; ++i) {
            work(first + i, some, i);
        }
    }
}

}  // namespace kvdb::shard

#endif
