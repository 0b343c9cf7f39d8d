// SPDX-License-Identifier: BSL-1.0
// What whoever is first to write finds in a file, and how it puts that right: volatile bytes judged, the clean flag
// cleared, what the dead left carried out, or everything rebuilt.
#include "database/session.hpp"

#include "base/seeded_fault.hpp"
#include "database/checkpoint.hpp"
#include "database/commit.hpp"
#include "database/file_head.hpp"
#include "database/journal.hpp"
#include "database/recovery.hpp"
#include "extents/redo.hpp"
#include "format/validate.hpp"
#include "io/crash_point.hpp"
#include "log/journal.hpp"
#include "shard/writer.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace kvdb {

session::trust session::judge_volatile(std::uint64_t file_size) const
{
    const file_head head(data_);
    const format::state_block& state = head.block.state;
    if (how_.distrust || state.poison != 0 || state.volatile_layout != format::volatile_layout ||
        state.file_size > file_size || state.file_size < head.block.identity.first_extent_offset ||
        state.file_size % format::unit_size != 0) {
        return trust::none;
    }
    if (state.clean == 1) {
        return clean_checksum_holds(data_, head.block) ? trust::clean : trust::none;
    }
    format::file_identity now{};
    const bool same = state.clean == 0 && data_.identify(now) &&
                      (std::memcmp(&now, &state.file, sizeof now) == 0 || seeded_fault("any-boot-trusted"));
    return same ? trust::same_boot : trust::none;
}

/// In exclusive use: is there a flush whose end nobody knows, and that was not made good?
bool session::a_flusher_died() const
{
    const format::state_block& state = memory_->superblock().state;
    bool died = state.doubts != state.settled;
    for (std::uint32_t i = 0; i < memory_->superblock().identity.attachment_count; ++i) {
        died = died || memory_->attachment(i).announce != 0;
    }
    return died;
}

void session::prepare_as_first(trust found, std::uint64_t file_size)
{
    const std::uint64_t used = found == trust::none ? file_size : file_head(data_).block.state.file_size;
    data_.allocate_holes(used);
    if (found == trust::none) {
        recover(file_size);
        return;
    }
    map(io::mapping_kind::shared, used);
    if (found == trust::clean) {
        clear_flag_durably();
        crash_point("open.flag-cleared");
        forget_staged();
        forget_commits();
        all_is_durable();
        store_identity();
    }
    // Private readers that could not trust what this writer trusts move to the live index.
    std::atomic_ref<std::uint64_t>(superblock().state.openings).fetch_add(1, std::memory_order_acq_rel);
    repair_everything();
    attachment_ = claim_attachment();
    free_dead_staged();
    reset_table();
}

/// G1. The identity is zero while the flag is being cleared: a process that finds a clear flag and its own boot's
/// identity may rely on the flag being clear on the medium too.
void session::clear_flag_durably()
{
    format::state_block& state = superblock().state;
    zero_identity();
    std::atomic_ref<std::uint32_t>(state.clean).store(0, std::memory_order_release);
    if (!seeded_fault("clean-flag-cleared-late")) {
        flush_or_poison(*context_, data_);
    }
}

/// From here on no process of this boot trusts the volatile bytes of an unclean file.
void session::zero_identity()
{
    superblock().state.file = {};
    std::atomic_thread_fence(std::memory_order_release);
}

void session::store_identity()
{
    format::file_identity now{};
    if (data_.identify(now)) {
        superblock().state.file = now;
    }
}

/// In exclusive use: carries out what was armed, closes the logs of whoever died in an append, frees all locks.
void session::repair_everything()
{
    allocator_->repair_locks();
    for (std::uint32_t i = 0; i < identity().shard_count; ++i) {
        format::shard_block& block = context_->block(i);
        const bool redone = extents::shard_program::replay(*memory_, block.intent);
        if (redone || load_relaxed(block.lock) != 0) {
            shard::seal_behind_the_dead(*context_, i, redone);
        }
        crash_point("repair.shard");
    }
    for (std::uint32_t i = 0; i < identity().shard_count; ++i) {
        store_release(context_->block(i).lock, std::uint64_t{0});
    }
    // What was carried out may have been forged, and so may what was durable. Nobody waits for a flush now.
    for (std::uint32_t i = 0; i < identity().shard_count; ++i) {
        format::shard_block& block = context_->block(i);
        if (block.log_durable > block.log_tail || block.log_durable < block.log_extent) {
            block.log_durable = block.log_extent;
        }
    }
    superblock().commits.started = superblock().commits.finished = 0;
    format::lock_block& locks = superblock().locks;
    if (locks.checkpoints_finished > locks.checkpoints_started) {
        locks.checkpoints_finished = 0;
    }
    const std::uint64_t size = load_acquire(superblock().state.file_size);
    if (size < identity().first_extent_offset || size % format::unit_size != 0 || size > data_.size()) {
        throw error(errc::damaged, "the published size of '" + data_.path().string() + "' is impossible");
    }
}

/// All of the file is on the medium, and may have been acknowledged.
void session::all_is_durable()
{
    format::lock_block& locks = superblock().locks;
    locks.checkpoints_finished = ++locks.checkpoints_started;
    for (std::uint32_t i = 0; i < identity().shard_count; ++i) {
        format::shard_block& block = context_->block(i);
        block.promised = block.log_bytes != 0 ? 1 : 0;
    }
}

/// No checksum covers the table of a clean file, and nobody was attached when it was closed.
void session::forget_staged()
{
    for (std::uint32_t i = 0; i < identity().attachment_count; ++i) {
        for (std::uint64_t& word : memory_->attachment(i).staged) {
            store_relaxed(word, std::uint64_t{0});
        }
    }
}

/// What a clean file says of commits means nothing, and may be forged: all that it holds is durable in its place.
void session::forget_commits()
{
    for (std::uint32_t i = 0; i < identity().shard_count; ++i) {
        format::shard_block& block = context_->block(i);
        block.left_from = block.left_to = 0;
        block.log_wanted = block.log_durable = block.log_tail;
    }
    superblock().commits = {};
    journal(*context_, data_).start_over();
}

/// Gives back the runs that dead handles had staged. A shard may hold an armed program that is about to publish one
/// of them, or to zero a `staged` word that is ours by now, whoever its lock names; so each shard is repaired first.
void session::free_dead_staged()
{
    std::vector<std::uint32_t> dead;
    for (std::uint32_t i = 0; i < identity().attachment_count; ++i) {
        auto& slot = memory_->attachment(i);
        const bool mine = i == attachment_.slot();
        if (!mine && load_relaxed(slot.announce) != 0 && !attachment_.slot_is_live(i)) {
            io::note_dead_flusher(*memory_, slot);
        }
        const bool any = std::any_of(std::begin(slot.staged), std::end(slot.staged),
                                     [](const std::uint64_t& word) { return load_relaxed(word) != 0; });
        if ((mine && attachment_.inherited()) || (any && (mine || !attachment_.slot_is_live(i)))) {
            dead.push_back(i);
        }
    }
    if (dead.empty() || seeded_fault("dead-staged-kept")) {
        return;
    }
    for (std::uint32_t s = 0; s < identity().shard_count; ++s) {
        const shard::locked_shard repaired(*context_, s);
    }
    for (const std::uint32_t i : dead) {
        for (std::uint32_t k = 0; k < std::size(memory_->attachment(i).staged); ++k) {
            allocator_->unstage(i, k);
        }
    }
}

void session::reset_table()
{
    for (std::uint32_t i = 0; i < identity().attachment_count; ++i) {
        auto& slot = memory_->attachment(i);
        if (i != attachment_.slot() && load_relaxed(slot.pid) != 0 && !attachment_.slot_is_live(i)) {
            store_relaxed(slot.pid, std::uint32_t{0});
        }
    }
}

void session::recover(std::uint64_t file_size)
{
    const std::uint64_t usable = std::min(file_size, format::max_file_size) / format::unit_size * format::unit_size;
    map(read_only() ? io::mapping_kind::detached : io::mapping_kind::shared, usable);
    if (!read_only()) {
        zero_identity();
        if (superblock().state.poison != 0 || a_flusher_died()) {
            write_anew(usable);
            superblock().state.doubts = superblock().state.settled + 1;  // until it is flushed
            superblock().state.poison = 0;
        }
        clear_flag_durably();
        superblock().state.settled = superblock().state.doubts;
        std::atomic_ref<std::uint64_t>(superblock().state.rebuilds).fetch_add(1, std::memory_order_acq_rel);
        crash_point("recover.identity-zeroed");
    }
    complete_log(usable);
    recovery work(*context_, data_, how_.on_recovery, usable);
    work.reset_volatile();
    attachment_ = read_only() ? io::attachment::solitary(*memory_) : claim_attachment();
    work.run(!read_only());
    if (!read_only()) {
        flush_or_poison(*context_, data_);
        write_checkpoint(*context_, published_sequences(*context_));
        all_is_durable();
        store_identity();
        flush_or_poison(*context_, data_);
        crash_point("recover.done");
    }
}

/// What commits made durable in the journal alone comes to its place in the log, before anything is decided by it.
void session::complete_log(std::uint64_t size)
{
    if (seeded_fault("journal-not-replayed")) {
        return;
    }
    std::vector<io::patch> missing = log::missing_from_log(data_, identity(), size);
    for (const io::patch& each : missing) {
        std::memcpy(memory_->base() + each.offset, each.bytes.data(), each.bytes.size());
        crash_point("recover.replaying");
    }
    if (read_only()) {
        data_.overlay(std::move(missing));  // the file itself stays as it is
    } else if (!missing.empty()) {
        flush_or_poison(*context_, data_);
        crash_point("recover.replayed");
    }
}

/// After a failed flush the system may hold for written what is not on the medium: make all of it dirty again.
void session::write_anew(std::uint64_t size)
{
    std::vector<std::byte> buffer(std::min<std::uint64_t>(size, 1024 * 1024));
    for (std::uint64_t at = 0; at < size; at += buffer.size()) {
        const std::span<std::byte> part(buffer.data(), std::min<std::uint64_t>(buffer.size(), size - at));
        const std::size_t missing = data_.read_at(at, part);
        data_.write_at(at, part.first(part.size() - missing));
    }
}

}  // namespace kvdb
