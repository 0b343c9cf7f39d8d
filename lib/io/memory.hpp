// SPDX-License-Identifier: BSL-1.0
// The file as addressable memory. One reservation of address space, larger than the file, is mapped once; the file
// grows under it. If the file outgrows the reservation, a larger one is mapped and the old one is kept until the
// handle closes, so addresses taken from `base()` stay good for the length of an operation and beyond.
//
//   shared      loads and stores go to the file
//   read_only   loads alone
//   detached    copy-on-write: stores stay in this process, and space beyond the file is its own (read-only recovery)
//
// Threads: every member but construction may be called by any thread. Nothing here trusts the published size: before
// an address beyond the known size is used, the size is compared with that of the file itself.
#ifndef KVDB_IO_MEMORY_HPP
#define KVDB_IO_MEMORY_HPP

#include "base/atomic.hpp"
#include "format/superblock.hpp"
#include "format/tables.hpp"
#include "io/file.hpp"
#include "io/flush_hook.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace kvdb::io {

enum class mapping_kind : std::uint8_t { shared, read_only, detached };

/// Where the file begins and how much of it is known, at one moment: what a read needs, in two registers. Good for
/// the length of an operation, since mappings outlive them.
class window {
public:
    window(std::byte* base, std::uint64_t size) noexcept : base_(base), size_(size) {}
    [[nodiscard]] std::byte* base() const noexcept { return base_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// Both arguments come from fields of at most 46 bits, so that their sum does not wrap.
    [[nodiscard]] bool covers(std::uint64_t offset, std::uint64_t bytes) const noexcept
    {
        return offset + bytes <= size_;
    }
    template <class Struct>
    [[nodiscard]] Struct& at(std::uint64_t offset) const noexcept
    {
        return *reinterpret_cast<Struct*>(base_ + offset);
    }
    [[nodiscard]] std::uint64_t offset_of(const void* address) const noexcept
    {
        return static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - base_);
    }

private:
    std::byte* base_;
    std::uint64_t size_;
};

/// Sorts the ranges, has each begin with its page of `page` bytes, and makes one of those that lie close together:
/// each call has the disk told of its pages by itself, which costs as much as writing one. What else is dirty between
/// them is written with them, so none gets longer than what a store through the mapping makes dirty anyway.
void merge_ranges(std::vector<byte_range>& ranges, std::uint64_t page);

class memory {
public:
    /// Maps `opened`, which must be at least `size` bytes long and outlive this object.
    memory(const file& opened, mapping_kind kind, std::uint64_t size);
    memory(const memory&) = delete;
    memory& operator=(const memory&) = delete;
    ~memory();

    [[nodiscard]] std::byte* base() const noexcept { return base_.load(std::memory_order_relaxed); }
    /// Rows of the fixed tables; the index is below the count that the identity states.
    [[nodiscard]] format::shard_block& shard(std::uint32_t index) const noexcept
    {
        return at<format::shard_block>(superblock().identity.shard_table_offset +
                                       std::uint64_t{index} * sizeof(format::shard_block));
    }
    [[nodiscard]] format::attachment_slot& attachment(std::uint32_t index) const noexcept
    {
        return at<format::attachment_slot>(superblock().identity.attachment_table_offset +
                                           std::uint64_t{index} * sizeof(format::attachment_slot));
    }
    [[nodiscard]] mapping_kind kind() const noexcept { return kind_; }
    [[nodiscard]] format::superblock& superblock() const noexcept
    {
        return *reinterpret_cast<format::superblock*>(base() + format::superblock_offset);
    }

    /// True if [offset, offset + bytes) lies in the file as far as it is known or can be learnt now.
    [[nodiscard]] bool covers(std::uint64_t offset, std::uint64_t bytes)
    {
        const std::uint64_t known = known_size_.load(std::memory_order_acquire);
        return (offset <= known && bytes <= known - offset) || covers_after_growth(offset, bytes);
    }
    /// The size is loaded first: a base that another thread maps meanwhile is larger still.
    [[nodiscard]] window view() const noexcept
    {
        const std::uint64_t size = known_size_.load(std::memory_order_acquire);
        return {base_.load(std::memory_order_relaxed), size};
    }
    /// True if the file has grown beyond `size` as far as is known, or can be learnt now.
    [[nodiscard]] bool has_grown_beyond(std::uint64_t size) { return covers(size, 1); }
    [[nodiscard]] std::uint64_t known_size() const noexcept { return known_size_.load(std::memory_order_relaxed); }

    /// Held while the file is flushed through this handle's description.
    [[nodiscard]] std::mutex& flush_mutex() noexcept { return flush_mutex_; }
    /// Threads of this handle that are in the middle of a commit.
    [[nodiscard]] std::atomic<std::uint32_t>& committers() noexcept { return committers_; }

    /// Around a fork: no other thread may be in the middle of mapping.
    void lock_for_fork() { mutex_.lock(); }
    void unlock_after_fork() { mutex_.unlock(); }

    /// The ranges, which lie in the file, are on the medium when it returns, with all that leads to them: one flush
    /// for all where the file system allows it. Shared memory alone. Merges them in place, and needs no memory.
    void sync_ranges(std::vector<byte_range>& ranges) const;

    /// Makes every page of the file dirty, without changing a bit, while others work on it.
    void touch_all() const;

    /// The caller made the file `size` bytes long (detached: wants that much memory) and is about to publish it.
    void grown_to(std::uint64_t size);

    template <class Struct>
    [[nodiscard]] Struct& at(std::uint64_t offset) const noexcept
    {
        return *reinterpret_cast<Struct*>(base() + offset);
    }
    /// Of an address within any mapping that this object ever made: another thread may have mapped anew since.
    [[nodiscard]] std::uint64_t offset_of(const void* address) const noexcept
    {
        const auto distance = static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - base());
        return distance < reserved_.load(std::memory_order_relaxed) ? distance : offset_in_older(address);
    }

private:
    class reservation;

    [[nodiscard]] bool covers_after_growth(std::uint64_t offset, std::uint64_t bytes);
    void reserve_for(std::uint64_t size);
    [[nodiscard]] std::uint64_t offset_in_older(const void* address) const noexcept;

    const file& file_;
    const mapping_kind kind_;
    std::mutex flush_mutex_;                    // guards no data of this object
    std::atomic<std::uint32_t> committers_{0};  // of no use to this object
    // written under mutex_, read by everybody
    std::atomic<std::byte*> base_{nullptr};
    std::atomic<std::uint64_t> reserved_{0};  // bytes; never more than the current mapping has
    std::atomic<std::uint64_t> known_size_{0};
    // guarded by mutex_
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<reservation>> reservations_;
};

}  // namespace kvdb::io

#endif
