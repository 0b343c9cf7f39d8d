// SPDX-License-Identifier: BSL-1.0
// Redo programs: the one way in which shared structures change. A writer lists its stores with absolute values, arms
// the list, carries it out and disarms it. Whoever finds an armed list after a death carries it out again.
//
// Who may call: the holder of the lock that guards the intent.
// Death before arming: nothing happened. While armed: the next holder replays; a replay may die and be replayed too.
// After disarming: everything happened.
// Invariants
//   R1  Every instruction gives the same result however often it runs (a bump may be seen more than once: harmless).
//   R2  Nobody but a holder of the lock stores to the targets while the intent is armed.
#ifndef KVDB_EXTENTS_REDO_HPP
#define KVDB_EXTENTS_REDO_HPP

#include "base/atomic.hpp"
#include "format/intent.hpp"
#include "io/crash_point.hpp"
#include "io/memory.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace kvdb::extents {

/// Names of the crash points of one kind of program.
struct program_points {
    const char* armed;
    const char* step;
    const char* done;
};

namespace detail {

inline void apply_store(io::memory& memory, std::uint64_t offset, std::uint64_t value) noexcept
{
    store_release(memory.at<std::uint64_t>(offset), value);  // a slot's store publishes its record to readers
}
inline void apply_bump(io::memory& memory, std::uint64_t offset) noexcept
{
    std::atomic_ref<std::uint64_t>(memory.at<std::uint64_t>(offset)).fetch_add(1, std::memory_order_acq_rel);
    // What is recycled after the bump must not become visible before it; pairs with the readers' acquire fence.
    std::atomic_thread_fence(std::memory_order_release);
}

}  // namespace detail

template <std::size_t Words>
class redo_program {
public:
    using intent_type = format::intent<Words>;

    redo_program(io::memory& memory, intent_type& target) noexcept : memory_(memory), target_(target) {}

    void store(std::uint64_t offset, std::uint64_t value) noexcept
    {
        put(format::intent_op::store, offset);
        put(value);
    }
    void fill(std::uint64_t offset, std::uint64_t value, std::uint64_t count) noexcept
    {
        put(format::intent_op::fill, offset);
        put(value);
        put(count);
    }
    void bump(std::uint64_t offset) noexcept { put(format::intent_op::bump, offset); }

    void run(const program_points& points) noexcept
    {
        arm(points);
        execute(memory_, target_.payload, length_, points.step);
        store_release(target_.armed, std::uint64_t{0});
        crash_point(points.done);
    }

    /// The first half of `run`; what is armed, the next holder carries out.
    void arm(const program_points& points) noexcept
    {
        store_release(target_.armed, static_cast<std::uint64_t>(length_));  // pairs with replay's acquire
        crash_point(points.armed);
    }

    /// Carries out what a dead holder left armed. True if there was something. Throws errc::damaged, and changes
    /// nothing, if the program is not one that kvdb writes.
    static bool replay(io::memory& memory, intent_type& target)
    {
        const std::uint64_t length = load_acquire(target.armed);
        if (length == 0) [[likely]] {
            return false;
        }
        replay_armed(memory, target, length);
        return true;
    }

private:
    static void replay_armed(io::memory& memory, intent_type& target, std::uint64_t length);
    static bool well_formed(io::memory& memory, const std::uint64_t* payload, std::size_t length);

    /// Of the header, programs store to the published size and to the allocator alone; other checks rely on the rest.
    static constexpr std::uint64_t file_size_at =
        format::superblock_offset + offsetof(format::superblock, state) + offsetof(format::state_block, file_size);
    static constexpr std::uint64_t first_target = format::superblock_offset + offsetof(format::superblock, allocator);

    static void execute(io::memory& memory, const std::uint64_t* payload, std::size_t length,
                        const char* step) noexcept
    {
        for (std::size_t i = 0; i < length;) {
            const std::uint64_t offset = payload[i] & format::intent_offset_mask;
            switch (static_cast<format::intent_op>(payload[i] >> format::intent_op_shift)) {
                case format::intent_op::store:
                    detail::apply_store(memory, offset, payload[i + 1]);
                    i += 2;
                    break;
                case format::intent_op::fill:
                    for (std::uint64_t k = 0; k < payload[i + 2]; ++k) {
                        detail::apply_store(memory, offset + 8 * k, payload[i + 1]);
                    }
                    i += 3;
                    break;
                case format::intent_op::bump:
                    detail::apply_bump(memory, offset);
                    i += 1;
                    break;
                default: return;  // not reached: programs are written here or were judged
            }
            crash_point(step);
        }
    }

    void put(format::intent_op op, std::uint64_t offset) noexcept
    {
        put((static_cast<std::uint64_t>(op) << format::intent_op_shift) | offset);
    }
    void put(std::uint64_t word) noexcept
    {
        assert(length_ < intent_type::capacity);
        target_.payload[length_++] = word;
    }

    io::memory& memory_;
    intent_type& target_;
    std::size_t length_ = 0;
};

/// What changes a shard.
using shard_program = redo_program<format::shard_intent::capacity + 1>;
using allocator_program = redo_program<format::allocator_intent::capacity + 1>;

template <std::size_t Words>
bool redo_program<Words>::well_formed(io::memory& memory, const std::uint64_t* payload, std::size_t length)
{
    for (std::size_t i = 0; i < length;) {
        const std::uint64_t offset = payload[i] & format::intent_offset_mask;
        std::uint64_t words = 1;
        std::size_t size = 1;
        switch (static_cast<format::intent_op>(payload[i] >> format::intent_op_shift)) {
            case format::intent_op::store: size = 2; break;
            case format::intent_op::fill: size = 3; break;
            case format::intent_op::bump: break;
            default: return false;
        }
        if (size > length - i) {
            return false;
        }
        if (size == 3) {
            words = payload[i + 2];
        }
        const bool wrong_target = offset < first_target && !(offset == file_size_at && words == 1);
        if (offset % 8 != 0 || wrong_target || words > format::max_file_size / 8 ||
            !memory.covers(offset, words * 8)) {
            return false;
        }
        i += size;
    }
    return true;
}

template <std::size_t Words>
void redo_program<Words>::replay_armed(io::memory& memory, intent_type& target, std::uint64_t length)
{
    // From a copy: a forged program may store into itself.
    std::array<std::uint64_t, intent_type::capacity> payload{};
    if (length <= intent_type::capacity) {
        std::copy_n(target.payload, length, payload.begin());
    }
    if (length > intent_type::capacity || !well_formed(memory, payload.data(), length)) {
        throw error(errc::damaged, "the redo program at offset " + std::to_string(memory.offset_of(&target)) +
                                       " is not one that kvdb writes");
    }
    crash_point("redo.begin");
    execute(memory, payload.data(), length, "redo.step");
    store_release(target.armed, std::uint64_t{0});
    crash_point("redo.done");
}

}  // namespace kvdb::extents

#endif
