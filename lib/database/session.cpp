// SPDX-License-Identifier: BSL-1.0
#include "database/session.hpp"

#include "base/seeded_fault.hpp"
#include "database/checkpoint.hpp"
#include "database/commit.hpp"
#include "database/file_head.hpp"
#include "format/validate.hpp"
#include "io/cancellation.hpp"
#include "io/crash_point.hpp"
#include "io/fork_watch.hpp"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

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

void session::attach_reader()
{
    {
        const io::fork_pause together;
        gate_ = gate(data_, io::access::read);
    }
    for (;;) {
        data_.overlay({});
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
    state.clean_checksum = format::clean_checksum(superblock(), &context_->block(0), identity().shard_count);
    std::atomic_ref<std::uint32_t>(state.clean).store(1, std::memory_order_release);
    flush_or_poison(*context_, data_);
    crash_point("close.clean");
}

}  // namespace kvdb
