// SPDX-License-Identifier: BSL-1.0
// Reading extents and their records from the file itself, with pread: a medium that fails is an error, not a signal,
// and what was checked cannot change between check and use.
#ifndef KVDB_LOG_WALK_HPP
#define KVDB_LOG_WALK_HPP

#include "format/extent.hpp"
#include "format/record.hpp"
#include "format/superblock.hpp"
#include "io/file.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace kvdb::log {

struct found_extent {
    std::uint64_t offset = 0;
    format::extent_header header{};
    [[nodiscard]] std::uint64_t bytes() const noexcept { return format::bytes_of(header); }
    [[nodiscard]] std::uint64_t end() const noexcept { return offset + bytes(); }
    [[nodiscard]] format::extent_kind kind() const noexcept { return format::kind_of(header); }
    [[nodiscard]] bool holds_records() const noexcept
    {
        return kind() == format::extent_kind::log || kind() == format::extent_kind::large;
    }
};

/// All extents from the first to `limit`: run by run over valid headers, unit by unit over everything else.
/// `cut_off`, if given, receives the offsets of headers that are whole but for a run that ends behind `limit`.
[[nodiscard]] std::vector<found_extent> find_extents(const io::file& file, const format::identity_block& identity,
                                                     std::uint64_t limit,
                                                     std::vector<std::uint64_t>* cut_off = nullptr);

struct parsed_record {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    std::uint64_t sequence = 0;
    std::uint64_t victim = 0;
    std::uint32_t checksum = 0;
    format::record_kind kind = format::record_kind::value;
    bool supersedes = false;
    std::string_view key;          // into the walker's buffer: good until the callback returns
    std::uint64_t key_offset = 0;  // in the file
    std::uint64_t value_length = 0;
};

/// How the walk of an extent ended.
struct walk_end {
    enum class reason : std::uint8_t {
        end_mark,  // the extent was finished
        full,      // no room for another header
        blank,     // sixteen zero bytes: the tail of an extent in use
        invalid,   // something else that is no record
    };
    reason why = reason::blank;
    std::uint64_t offset = 0;         // of the end mark, or of the first byte behind the last record
    std::uint64_t bytes_dropped = 0;  // up to the last byte that is not zero, when `invalid`
};

/// Walks the records of a log or large extent in order; reuses its buffer from call to call.
class record_walker {
public:
    explicit record_walker(const io::file& file, bool verify = true) : file_(file), verify_(verify) {}

    /// Calls `take(record)` for each valid record but the end mark. Throws only what reading or `take` throws.
    template <class Take>
    walk_end walk(const found_extent& extent, Take&& take)
    {
        return extent.kind() == format::extent_kind::large ? walk_large(extent, std::ref(take))
                                                           : walk_log(extent, std::ref(take));
    }

private:
    using taker = std::function<void(const parsed_record&)>;

    walk_end walk_log(const found_extent& extent, const taker& take);
    walk_end walk_large(const found_extent& extent, const taker& take);
    /// The record at `at` within the buffered extent; false if there is none.
    [[nodiscard]] bool parse(const found_extent& extent, std::uint64_t at, parsed_record& record) const;
    [[nodiscard]] bool body_hash(const found_extent& extent, std::uint64_t at, std::uint64_t length,
                                 std::uint64_t& hash) const;

    const io::file& file_;
    bool verify_;  // checksums; without them a record is what looks like one
    std::vector<std::byte> buffer_;
};

}  // namespace kvdb::log

#endif
