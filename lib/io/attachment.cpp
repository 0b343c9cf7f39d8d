// SPDX-License-Identifier: BSL-1.0
#include "io/attachment.hpp"

#include "base/atomic.hpp"
#include "io/crash_point.hpp"
#include "io/memory.hpp"

namespace kvdb::io {

void note_dead_flusher(memory& mapped, format::attachment_slot& slot) noexcept
{
    if (load_relaxed(slot.announce) != 0) {
        std::atomic_ref<std::uint64_t>(mapped.superblock().state.doubts).fetch_add(1, std::memory_order_acq_rel);
        store_release(slot.announce, std::uint64_t{0});
    }
}

attachment attachment::claim(const file& of, memory& mapped)
{
    attachment self;
    self.descriptor_ = of.reopen(access::write);
    self.memory_ = &mapped;
    self.count_ = mapped.superblock().identity.attachment_count;
    // Free slots first; then those whose owners died without leaving.
    for (const bool only_free : {true, false}) {
        for (std::uint32_t i = 0; i < self.count_; ++i) {
            format::attachment_slot* slot = &mapped.attachment(i);
            if ((only_free && load_relaxed(slot->pid) != 0) ||
                !self.descriptor_.try_lock(lock_kind::exclusive, format::attachment_bytes + i)) {
                continue;
            }
            crash_point("attach.locked");
            const std::uint32_t generation = load_relaxed(slot->generation) + 1;
            store_release(slot->generation, generation);  // pairs with holder_is_dead
            self.inherited_ = load_relaxed(slot->pid) != 0;
            note_dead_flusher(mapped, *slot);
            store_relaxed(slot->since_unix_ms, unix_milliseconds());
            store_relaxed(slot->pid, process_id());
            self.slot_ = i;
            self.word_ = (std::uint64_t{generation} << 32) | (i + 1);
            crash_point("attach.claimed");
            return self;
        }
    }
    throw error(errc::too_many_handles,
                "'" + of.path().string() + "' has all of its " + std::to_string(self.count_) + " handles attached");
}

attachment attachment::solitary(memory& detached) noexcept
{
    attachment self;
    self.memory_ = &detached;
    self.count_ = detached.superblock().identity.attachment_count;
    self.word_ = (std::uint64_t{1} << 32) | 1;
    return self;
}

bool attachment::slot_is_live(std::uint32_t slot) const
{
    return slot == slot_ || !descriptor_.is_open() || descriptor_.locked_by_other(format::attachment_bytes + slot);
}

bool attachment::holder_is_dead(std::uint64_t word) const
{
    const auto owner = static_cast<std::uint32_t>(word & format::lock_slot_mask);
    if (owner == 0 || owner > count_) {
        return true;  // no such slot: nobody can hold a lock by it
    }
    const std::uint32_t slot = owner - 1;
    if (!descriptor_.is_open()) {
        return false;
    }
    const auto generation = static_cast<std::uint32_t>(word >> 32);
    return load_acquire(memory_->attachment(slot).generation) != generation || !slot_is_live(slot);
}

std::string attachment::describe(std::uint64_t word) const
{
    const auto owner = static_cast<std::uint32_t>(word & format::lock_slot_mask);
    if (owner == 0 || owner > count_) {
        return "nobody";
    }
    return "process " + std::to_string(load_relaxed(memory_->attachment(owner - 1).pid)) + " (handle " +
           std::to_string(owner - 1) + ")";
}

void attachment::detach() noexcept
{
    if (descriptor_.is_open()) {
        store_relaxed(memory_->attachment(slot_).pid, std::uint32_t{0});
        descriptor_.close();
    }
}

}  // namespace kvdb::io
