// SPDX-License-Identifier: BSL-1.0
// One attachment of a handle to its file: descriptors, mapping, place in the attachment table. A handle begins with
// one; a forked child, and a reader whose file was rebuilt under it, go on with a new one and keep the old mapping
// until the handle closes, since other threads may still be reading through it.
//
// Invariants
//   G1  The clean flag is durably zero before anything else in the file changes.
//   G2  The flag is set only by a writer that holds the writers byte alone, after everything else is durable.
//   G3  Volatile bytes are trusted only under a right clean checksum, or when the boot and the file are the same, or
//       when another writer is attached.
#ifndef KVDB_DATABASE_SESSION_HPP
#define KVDB_DATABASE_SESSION_HPP

#include "base/atomic.hpp"
#include "database/gate.hpp"
#include "extents/allocator.hpp"
#include "io/attachment.hpp"
#include "io/memory.hpp"
#include "shard/context.hpp"

#include <kvdb/options.hpp>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <semaphore>

namespace kvdb {

class session {
public:
    /// Opens or creates the file. Nothing is locked or mapped before `attach`.
    session(const std::filesystem::path& path, const options& how);
    /// For a new attachment to the file of another session, which may have been inherited through a fork.
    explicit session(const session& other);
    session& operator=(const session&) = delete;
    ~session() = default;  // descriptors and mappings go; nothing is written (see `leave`)

    /// Passes the gate; the first writer to come recovers if it must. Once, before anything else is asked for. The
    /// handle knows of this session already, so that a fork meanwhile closes the child's copies of its descriptors.
    void attach();
    /// Detaches in good order. The last writer to go makes the file durable and clean.
    void leave();
    /// Around a fork, which may come at any time from the session's listing on, while another thread attaches it.
    void lock_for_fork();
    void unlock_after_fork();
    /// In a forked child: closes what only the parent may hold, unlocking nothing.
    void abandon() noexcept;

    /// One of the four `staged` words of this attachment, for as long as a large value is being written.
    [[nodiscard]] std::uint32_t acquire_staged();
    void release_staged(std::uint32_t index) noexcept;

    [[nodiscard]] bool read_only() const noexcept { return how_.mode == open_mode::read_only; }
    [[nodiscard]] bool private_index() const noexcept { return header_view_ != nullptr; }
    [[nodiscard]] const options& how() const noexcept { return how_; }
    [[nodiscard]] io::file& data() noexcept { return data_; }
    [[nodiscard]] io::memory& memory() noexcept { return *memory_; }
    [[nodiscard]] format::superblock& superblock() noexcept { return memory_->superblock(); }
    [[nodiscard]] const format::identity_block& identity() noexcept { return superblock().identity; }
    [[nodiscard]] const io::attachment& attachment() const noexcept { return attachment_; }
    [[nodiscard]] extents::allocator& allocator() noexcept { return *allocator_; }
    [[nodiscard]] const extents::party& party() const noexcept { return party_; }
    [[nodiscard]] const shard::context& shards() const noexcept { return *context_; }
    /// True if the owner of an attachment slot is alive.
    [[nodiscard]] bool slot_is_live(std::uint32_t slot) const
    {
        return (attachment_.is_attached() && slot == attachment_.slot()) || gate_.attachment_is_live(slot);
    }
    [[nodiscard]] std::uint64_t stamp() const noexcept { return stamp_; }
    /// The stamp again, if reads may be quick ones: nobody rebuilds the index under an attached writer, and no
    /// checksums are asked for. Otherwise a number that no process has.
    [[nodiscard]] std::uint64_t quick_stamp() const noexcept { return quick_stamp_; }

    /// True if a writer rebuilt the volatile bytes, or is doing so, since this session began. Readers alone.
    [[nodiscard]] bool was_rebuilt() const noexcept
    {
        const io::memory& live = header_view_ != nullptr ? *header_view_ : *memory_;
        const format::state_block& state = live.superblock().state;
        return load_acquire(state.rebuilds) != rebuilds_seen_ ||
               (header_view_ != nullptr && load_acquire(state.openings) != openings_seen_);
    }

private:
    enum class trust : std::uint8_t { clean, same_boot, none };

    void open_or_create(const std::filesystem::path& path);
    void attach_writer();
    void attach_reader();
    void judge_file(std::uint64_t file_size) const;
    [[nodiscard]] trust judge_volatile(std::uint64_t file_size) const;
    [[nodiscard]] bool a_flusher_died() const;
    void map(io::mapping_kind kind, std::uint64_t size);
    void prepare_as_first(trust found, std::uint64_t file_size);
    void clear_flag_durably();
    void zero_identity();
    void store_identity();
    void write_anew(std::uint64_t size);
    void complete_log(std::uint64_t size);
    [[nodiscard]] io::attachment claim_attachment();
    void repair_everything();
    void forget_staged();
    void forget_commits();
    void all_is_durable();
    void free_dead_staged();
    void reset_table();
    void finish_clean();
    void recover(std::uint64_t file_size);

    const options how_;
    io::file data_;
    gate gate_;
    std::mutex memory_mutex_;  // held while `memory_` is replaced, and around a fork
    std::unique_ptr<io::memory> memory_;
    std::unique_ptr<io::memory> header_view_;  // of a private index alone: the live header, to watch for writers
    io::attachment attachment_;
    extents::party party_;
    std::unique_ptr<extents::allocator> allocator_;
    std::unique_ptr<shard::context> context_;
    std::uint64_t stamp_ = 0;
    std::uint64_t quick_stamp_ = ~std::uint64_t{0};
    std::uint64_t rebuilds_seen_ = 0;
    std::uint64_t openings_seen_ = 0;
    std::atomic<std::uint32_t> staged_in_use_{0};
    std::counting_semaphore<4> staged_free_{4};
};

/// Makes an empty database under a temporary name and links it into place whole. False if the name is taken.
bool create_database(const std::filesystem::path& path, const options& how);

}  // namespace kvdb

#endif
