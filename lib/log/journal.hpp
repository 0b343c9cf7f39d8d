// SPDX-License-Identifier: BSL-1.0
// Reading a journal of commits, and finding what of it the log lacks.
#ifndef KVDB_LOG_JOURNAL_HPP
#define KVDB_LOG_JOURNAL_HPP

#include "format/journal.hpp"
#include "log/walk.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace kvdb::log {

/// Can an entry of that journal name this range?
[[nodiscard]] bool may_be_named(const format::journal_range& range, const format::identity_block& identity,
                                const found_extent& journal, std::uint64_t file_size) noexcept;

/// Calls `take(offset, bytes)` for each range of each entry that counts, in order: from the journal's start on, whole
/// entries of one lap. Returns where the first byte behind them is, counted from the run's start.
std::uint64_t walk_journal(const io::file& file, const format::identity_block& identity, const found_extent& journal,
                           std::uint64_t file_size,
                           const std::function<void(std::uint64_t, std::span<const std::byte>)>& take);

/// What has to be stored into an unclean file, apart and in the order of the file, so that its log holds all that
/// commits made durable. Empty once that is stored. Never touches a byte of an extent before the place where its walk
/// ends.
[[nodiscard]] std::vector<io::patch> missing_from_log(const io::file& file, const format::identity_block& identity,
                                                      std::uint64_t file_size);

}  // namespace kvdb::log

#endif
