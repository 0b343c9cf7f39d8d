// SPDX-License-Identifier: BSL-1.0
// An open file description and all that kvdb asks of it. The one seam to the operating system's files.
#ifndef KVDB_IO_FILE_HPP
#define KVDB_IO_FILE_HPP

#include "format/superblock.hpp"

#include <kvdb/error.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace kvdb::io {

/// Throws the kvdb::error that fits an errno: what was tried, on which file, and the system's own words.
[[noreturn]] void throw_errno(int number, const std::string& action, const std::filesystem::path& path);

enum class access : std::uint8_t { read, write };
/// Bytes that belong at a place of the file.
struct patch {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
};

enum class lock_kind : std::uint8_t { none, shared, exclusive };

/// Owns a descriptor. Thread-safe but for open, close and moves. Always close-on-exec.
class file {
public:
    file() noexcept = default;
    /// Opens an existing regular file without ever blocking on it.
    [[nodiscard]] static file open(const std::filesystem::path& path, access how);
    /// A new empty file in the folder of `final_name`: one without a name, which vanishes if nobody links it, or,
    /// where the file system has no such thing, one with a temporary name.
    [[nodiscard]] static file create_for(const std::filesystem::path& final_name);
    /// A second description of the same file, for locks of its own.
    [[nodiscard]] file reopen(access how) const;

    file(file&& other) noexcept;
    file& operator=(file&& other) noexcept;
    file(const file&) = delete;
    file& operator=(const file&) = delete;
    ~file();

    void close() noexcept;
    [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }
    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

    [[nodiscard]] std::uint64_t size() const;
    [[nodiscard]] std::uint64_t disk_bytes() const;
    /// True if both descriptors are of one file.
    [[nodiscard]] bool same_file(const file& other) const;
    /// Boot, device, inode, birth time and mount of this file. False if any of them cannot be had.
    [[nodiscard]] bool identify(format::file_identity& identity) const noexcept;

    /// Fills the span or throws; the number of bytes short of it at the end of the file is returned.
    std::size_t read_at(std::uint64_t offset, std::span<std::byte> bytes) const;
    /// From now on `read_at` shows these in place of what stands in the file. They do not overlap, and ascend. For a
    /// description that is read by one thread so far.
    void overlay(std::vector<patch> patches) noexcept { patches_ = std::move(patches); }
    void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
    /// Makes the file at least `end` bytes long with all blocks from `begin` on allocated and zero. On failure the
    /// file has its old length. Never raises SIGXFSZ.
    void allocate(std::uint64_t begin, std::uint64_t end);
    /// Allocates what has no blocks below `end`, where the file system counts fewer than it would take. A copy that
    /// left out what was never written is such a file, and a store through a mapping of it could find the disk full.
    void allocate_holes(std::uint64_t end);
    /// Writes zeros over allocated blocks that read as zero already. The page cache then holds them in folios as
    /// large as the writes, and what pays depends on what follows (measured, ext4). `to_be_stored`, through a
    /// mapping: 2 MiB, in which a first store costs 0.9 instead of 5.8 us a page and reads need few entries of the
    /// TLB. `to_be_written`, in small pieces, each flushed soon: 64 KiB, in which a write of 140 bytes costs 1 us
    /// instead of 4, since each write and each flush walks all buffers of its folio.
    enum class fill : std::uint8_t { to_be_stored, to_be_written };
    void fill_with_zeros(std::uint64_t begin, std::uint64_t end, fill how);
    void truncate(std::uint64_t size);
    /// Everything written so far, through descriptors or mappings, is on the medium when it returns.
    void sync() const;
    /// True where a flush of one range, after others were written back, flushes those as well: the file system keeps
    /// blocks in place and has one journal.
    [[nodiscard]] bool ranges_flush_together() const noexcept;
    /// Starts to write a range back. Not a flush: it may come to stand in the medium's own cache.
    void begin_write_back(std::uint64_t begin, std::uint64_t end) const;
    /// Waits until it is written back.
    void finish_write_back(std::uint64_t begin, std::uint64_t end) const;

    /// Open-file-description lock on a byte range, without waiting. False if somebody else is in the way.
    [[nodiscard]] bool try_lock(lock_kind kind, std::uint64_t first, std::uint64_t count = 1) const;
    /// True if another description holds a lock there that an exclusive one would meet.
    [[nodiscard]] bool locked_by_other(std::uint64_t first, std::uint64_t count = 1) const;

private:
    file(int descriptor, std::filesystem::path path) noexcept : descriptor_(descriptor), path_(std::move(path)) {}

    friend bool link_into_place(file& made, const std::filesystem::path& final_name);

    int descriptor_ = -1;
    bool nameless_ = false;
    bool temporary_ = false;  // has a name that goes when it is closed
    std::filesystem::path path_;
    std::vector<patch> patches_;
};

/// Gives a finished file its final name. False if that name is taken; a temporary name is removed either way.
[[nodiscard]] bool link_into_place(file& made, const std::filesystem::path& final_name);
void sync_folder_of(const std::filesystem::path& path);

void fill_random(std::span<std::byte> bytes);
[[nodiscard]] std::uint64_t random_word();
[[nodiscard]] std::uint64_t unix_milliseconds() noexcept;
[[nodiscard]] std::uint32_t process_id() noexcept;

}  // namespace kvdb::io

#endif
