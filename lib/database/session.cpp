// SPDX-License-Identifier: BSL-1.0
#include "database/session.hpp"

#include "base/seeded_fault.hpp"
#include "database/checkpoint.hpp"
#include "database/commit.hpp"
#include "database/recovery.hpp"
#include "extents/redo.hpp"
#include "format/validate.hpp"
#include "io/cancellation.hpp"
#include "io/crash_point.hpp"
#include "io/fork_watch.hpp"
#include "shard/writer.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace kvdb {
namespace {

constexpr std::chrono::milliseconds open_patience{60'000};  // others may be recovering
constexpr std::chrono::milliseconds close_patience{1'000};

errc reason_for(format::verdict what) noexcept
{
    switch (what) {
        case format::verdict::too_short:
        case format::verdict::not_initialised:
        case format::verdict::wrong_magic: return errc::not_a_database;
        case format::verdict::unknown_version:
        case format::verdict::unknown_feature:
        case format::verdict::write_forbidden: return errc::unsupported_version;
        default: return errc::damaged;
    }
}

struct file_head {
    std::array<std::byte, format::header_size> bytes{};
    format::superblock block{};

    explicit file_head(const io::file& data)
    {
        static_cast<void>(data.read_at(0, bytes));
        std::memcpy(&block, bytes.data() + format::superblock_offset, sizeof block);
    }
};

}  // namespace

session::session(const std::filesystem::path& path, const options& how) : how_(how)
{
    open_or_create(path);
}

session::session(const session& other)
    : how_(other.how_), data_(other.data_.reopen(other.read_only() ? io::access::read : io::access::write))
{
}

void session::open_or_create(const std::filesystem::path& path)
{
    const io::access wanted = read_only() ? io::access::read : io::access::write;
    const bool creates = how_.mode == open_mode::open_or_create || how_.mode == open_mode::create_only;
    bool name_was_taken = false;
    for (;;) {
        if (how_.mode == open_mode::create_only) {
            if (!create_database(path, how_)) {
                throw error(errc::file_exists, "cannot create '" + path.string() + "': it exists already");
            }
            data_ = io::file::open(path, wanted);
            return;
        }
        try {
            data_ = io::file::open(path, wanted);
            return;
        } catch (const error& failure) {
            // A name that is taken and leads nowhere, twice: a link to what is not there.
            if (!creates || failure.reason() != errc::no_such_file || name_was_taken) {
                throw;
            }
        }
        name_was_taken = !create_database(path, how_);  // somebody else was faster, which will do as well
    }
}

void session::attach()
{
    const io::no_cancellation whole;
    stamp_ = io::current_stamp();
    if (!read_only() && !how_.verify_reads) {
        quick_stamp_ = stamp_;
    }
    party_.timeout = how_.lock_timeout;
    party_.self = &attachment_;
    judge_file(data_.size());  // before any lock: a file that is no database is left as it is
    if (read_only()) {
        attach_reader();
    } else {
        attach_writer();
    }
}

void session::judge_file(std::uint64_t file_size) const
{
    const file_head head(data_);
    const format::verdict what = format::judge_header(head.bytes, file_size);
    if (what == format::verdict::good || (what == format::verdict::write_forbidden && read_only())) {
        const auto& state = head.block.state;
        if (state.clean == 1 && state.file_size > file_size) {
            throw error(errc::damaged, "'" + data_.path().string() + "' is truncated: it has " +
                                           std::to_string(file_size) + " of " + std::to_string(state.file_size) +
                                           " bytes");
        }
        return;
    }
    throw error(reason_for(what), "'" + data_.path().string() +
                                      "': " + (file_size == 0 ? "the file is empty" : format::describe(what)));
}

void session::lock_for_fork()
{
    memory_mutex_.lock();
    if (memory_ != nullptr) {
        memory_->lock_for_fork();
    }
}

void session::unlock_after_fork()
{
    if (memory_ != nullptr) {
        memory_->unlock_after_fork();
    }
    memory_mutex_.unlock();
}

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
        std::vector<format::shard_block> shards(head.block.identity.shard_count);
        const auto bytes = std::as_writable_bytes(std::span(shards));
        const bool whole = data_.read_at(head.block.identity.shard_table_offset, bytes) == 0;
        return whole && state.clean_checksum ==
                            format::clean_checksum(head.block, shards.data(), head.block.identity.shard_count)
                   ? trust::clean
                   : trust::none;
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

void session::map(io::mapping_kind kind, std::uint64_t size)
{
    auto fresh = std::make_unique<io::memory>(data_, kind, size);
    {
        const std::lock_guard guard(memory_mutex_);
        memory_.swap(fresh);
    }
    const bool durable = how_.durable == durability::sync;
    allocator_ = std::make_unique<extents::allocator>(
        *memory_, data_, party_, durable ? io::file::fill::to_be_written : io::file::fill::to_be_stored);
    const format::identity_block& id = identity();
    context_ = std::make_unique<shard::context>(
        shard::context{*memory_, *allocator_, party_, id.seed, id.shard_table_offset,
                       static_cast<std::uint32_t>(std::countr_zero(id.shard_count)), how_.verify_reads,
                       kind == io::mapping_kind::shared ? &data_ : nullptr});
}

void session::attach_writer()
{
    {
        const io::fork_pause together;
        gate_ = gate(data_, io::access::write);
    }
    gate_.enter(io::lock_kind::exclusive, open_patience);
    judge_file(data_.size());
    gate_.join_users();
    crash_point("open.gate");
    if (gate_.try_become_only_writer()) {
        // Asked only now: whoever was attached a moment ago may have made the file grow.
        const std::uint64_t file_size = data_.size();
        judge_file(file_size);
        prepare_as_first(judge_volatile(file_size), file_size);
    } else {
        const std::uint64_t published = file_head(data_).block.state.file_size;
        if (published > data_.size()) {  // asked anew: it may have grown meanwhile
            throw error(errc::damaged, "'" + data_.path().string() + "' is shorter than its writers published");
        }
        map(io::mapping_kind::shared, published);
        attachment_ = claim_attachment();
        free_dead_staged();
    }
    rebuilds_seen_ = load_acquire(superblock().state.rebuilds);
    gate_.join_writers();
    crash_point("open.attached");
    gate_.leave();
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
        const bool redone = extents::redo_program<16>::replay(*memory_, block.intent);
        if (!redone && load_relaxed(block.lock) != 0) {
            shard::seal(*context_, i);
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
    superblock().locks.checkpoints_started = superblock().locks.checkpoints_finished = 0;
    const std::uint64_t size = load_acquire(superblock().state.file_size);
    if (size < identity().first_extent_offset || size % format::unit_size != 0 || size > data_.size()) {
        throw error(errc::damaged, "the published size of '" + data_.path().string() + "' is impossible");
    }
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

void session::attach_reader()
{
    {
        const io::fork_pause together;
        gate_ = gate(data_, io::access::read);
    }
    for (;;) {
        gate_.enter(io::lock_kind::shared, open_patience);
        gate_.join_users();
        crash_point("open.gate");
        const bool shared = gate_.writers_attached();
        // Asked only now: whoever was attached a moment ago may have made the file grow.
        const std::uint64_t file_size = data_.size();
        judge_file(file_size);
        const format::superblock block = file_head(data_).block;
        const bool live = shared ? block.state.file_size <= data_.size() : judge_volatile(file_size) != trust::none;
        rebuilds_seen_ = block.state.rebuilds;
        openings_seen_ = block.state.openings;
        if (live) {
            map(io::mapping_kind::read_only, block.state.file_size);
            gate_.leave();
            return;
        }
        // Nobody is kept out while the private index is built: a writer that comes makes it useless, and is noticed.
        gate_.leave();
        header_view_ = std::make_unique<io::memory>(data_, io::mapping_kind::read_only, format::header_size);
        try {
            recover(file_size);
        } catch (const error&) {
            if (!was_rebuilt()) {
                throw;
            }
        }
        if (!was_rebuilt()) {
            return;
        }
        header_view_.reset();
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
    recovery work(*context_, data_, how_.on_recovery, usable);
    work.reset_volatile();
    attachment_ = read_only() ? io::attachment::solitary(*memory_) : claim_attachment();
    work.run(!read_only());
    if (!read_only()) {
        flush_or_poison(*context_, data_);
        write_checkpoint(*context_, data_, published_sequences(*context_));
        store_identity();
        flush_or_poison(*context_, data_);
        crash_point("recover.done");
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

io::attachment session::claim_attachment()
{
    const io::fork_pause together;  // a fork sees the description and who owns it, or neither
    return io::attachment::claim(data_, *memory_);
}

std::uint32_t session::acquire_staged()
{
    staged_free_.acquire();
    std::uint32_t used = staged_in_use_.load(std::memory_order_relaxed);
    std::uint32_t index = 0;
    do {
        index = static_cast<std::uint32_t>(std::countr_one(used));
    } while (!staged_in_use_.compare_exchange_weak(used, used | (1U << index), std::memory_order_acquire));
    return index;
}

void session::release_staged(std::uint32_t index) noexcept
{
    staged_in_use_.fetch_and(~(1U << index), std::memory_order_release);
    staged_free_.release();
}

void session::abandon() noexcept
{
    gate_.close();
    attachment_.abandon();
}

void session::leave()
{
    const io::no_cancellation whole;
    if (!gate_.is_open() || read_only()) {
        gate_.close();
        return;
    }
    crash_point("close.begin");
    gate_.leave_writers();
    try {
        // Whoever holds the exclusive byte now is opening, and will be the last in our stead.
        if (gate_.try_enter(close_patience) && gate_.try_become_only_writer()) {
            finish_clean();
        }
    } catch (...) {
        attachment_.detach();
        gate_.close();
        throw;
    }
    attachment_.detach();
    gate_.close();
}

void session::finish_clean()
{
    format::state_block& state = superblock().state;
    if (load_acquire(state.poison) != 0 || state.clean == 1) {
        return;  // what did not reach the disk must not be called clean; what is clean must not be touched
    }
    repair_everything();
    free_dead_staged();
    reset_table();
    attachment_.detach();
    if (!seeded_fault("clean-before-durable")) {
        flush_whole(*context_, data_);
    }
    crash_point("close.synced");
    write_checkpoint(*context_, data_, published_sequences(*context_), false);
    state.clean_checksum = format::clean_checksum(superblock(), &context_->block(0), identity().shard_count);
    std::atomic_ref<std::uint32_t>(state.clean).store(1, std::memory_order_release);
    flush_or_poison(*context_, data_);
    crash_point("close.clean");
}

}  // namespace kvdb
