// SPDX-License-Identifier: BSL-1.0
#include "index/placement.hpp"

#include "base/atomic.hpp"

namespace kvdb::index {
namespace {

constexpr std::uint32_t none = format::slots_per_bucket;

std::uint32_t free_slot(const format::bucket& bucket) noexcept
{
    for (std::uint32_t i = 0; i < format::slots_per_bucket; ++i) {
        if ((load_relaxed(bucket.slots[i]) & format::position_mask) == 0) {
            return i;
        }
    }
    return none;
}

/// An entry of `from` that can go to its own other bucket.
bool plan_move(const format::segment& segment, std::uint32_t from, placement& result) noexcept
{
    for (std::uint32_t i = 0; i < format::slots_per_bucket; ++i) {
        const std::uint64_t word = load_relaxed(segment.buckets[from].slots[i]);
        const std::uint32_t other = format::partner_of(from, format::slot_tag(word));
        const std::uint32_t room = free_slot(segment.buckets[other]);
        if (room == none) {
            continue;
        }
        const bool at_home = (word & format::slot_displaced) == 0;
        result.what = placement::kind::move;
        result.at = {from, i};
        result.to = {other, room};
        result.displaced = at_home;
        result.marks_home = at_home;
        result.home = from;
        return true;
    }
    return false;
}

}  // namespace

placement plan(const format::segment& segment, std::uint32_t home, std::uint64_t tag) noexcept
{
    placement result;
    result.home = home;
    std::uint32_t room = free_slot(segment.buckets[home]);
    if (room != none) {
        result.what = placement::kind::place;
        result.at = {home, room};
        return result;
    }
    const std::uint32_t partner = format::partner_of(home, tag);
    room = free_slot(segment.buckets[partner]);
    if (room != none) {
        result.what = placement::kind::place;
        result.at = {partner, room};
        result.displaced = true;
        result.marks_home = true;
        return result;
    }
    if (!plan_move(segment, home, result)) {
        static_cast<void>(plan_move(segment, partner, result));
    }
    return result;
}

std::uint32_t count_entries(const format::segment& segment) noexcept
{
    std::uint32_t count = 0;
    for (const format::bucket& bucket : segment.buckets) {
        for (const std::uint64_t& slot : bucket.slots) {
            count += (load_relaxed(slot) & format::position_mask) != 0 ? 1U : 0U;
        }
    }
    return count;
}

}  // namespace kvdb::index
