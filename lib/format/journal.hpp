// SPDX-License-Identifier: BSL-1.0
// The journal of commits: an extent that holds, one behind the other, copies of what commits made durable. The log's
// own bytes are written back later, many commits at a time.
//
//   | extent header | entry | entry | entry | entries of the lap before, or anything |
//   entry: header, its ranges, the bytes of its ranges one behind the other, padded to 8
#ifndef KVDB_FORMAT_JOURNAL_HPP
#define KVDB_FORMAT_JOURNAL_HPP

#include "format/layout.hpp"

namespace kvdb::format {

/// `checksum` covers the rest of the entry, seeded with the extent's nonce + the entry's offset.
struct journal_entry {
    std::uint64_t checksum;
    std::uint32_t lap;     // equal in all entries that count, from the extent's start on
    std::uint32_t ranges;  // how many follow
    std::uint64_t size;    // of the whole entry in bytes
};
static_assert(on_disk<journal_entry, 24>);

/// What an entry holds a copy of.
struct journal_range {
    std::uint64_t offset;  // in the file
    std::uint64_t length;
};
static_assert(on_disk<journal_range, 16>);

inline constexpr std::size_t journal_checksummed_from = 8;

}  // namespace kvdb::format

#endif
