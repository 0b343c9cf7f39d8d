// SPDX-License-Identifier: BSL-1.0
// Durable commits: one flush for all that wait, over threads and processes.
//
//   committer:  change, registered with its shard (W5) -> fence -> n = started -> wait until finished > n
//   leader:     lock -> started + 1 = m -> fence -> collect, of all shards, [log_durable, log_wanted) and [left_from,
//               left_to) -> copy them into the journal, or write them back; one flush -> raise log_durable, clear
//               left_to -> finished = m -> unlock, wake all
//
// The fences pair: a committer that reads a `started` below m registered its range before the leader of m collected.
// A flush covers every registered range, whoever registered it: nothing acknowledged builds on something lost. What
// is flushed of a log extent begins at its durable prefix, so that what recovery walks is whole up to the record.
//
// Who may call: a thread that holds no lock of kvdb. Waiting: for a leader that lives, at most the handle's timeout;
// then the caller flushes the whole file by itself. Death of the leader: the next one takes the lock over and begins
// anew; requests are granted by counters that move only after the flush. A flush that fails poisons the file: nothing
// is acknowledged from then on. The announcement in the attachment slot tells of one that nobody saw the end of: the
// next commit writes the whole file anew. Invariants
//   F1  log_durable only rises within an extent, by the leader, after a flush of all below it since the header: in
//       its place, or in the journal (J1, J2 of database/journal.hpp).
//   F2  whole_done and behind_done are what the wanted counters were before a flush of the whole file began.
#ifndef KVDB_DATABASE_COMMIT_HPP
#define KVDB_DATABASE_COMMIT_HPP

#include "io/file.hpp"
#include "io/flush_hook.hpp"
#include "shard/context.hpp"

#include <functional>
#include <vector>

namespace kvdb {

/// Throws errc::poisoned after a failed flush, by whomever.
void refuse_if_poisoned(const shard::context& all, const io::file& data);

/// Flushes the whole file; a failure poisons it for everybody before it is thrown.
void flush_or_poison(const shard::context& all, const io::file& data);

/// The same by a flush of the caller's own.
void flush_or_poison(const shard::context& all, const io::file& data, const std::function<void()>& flush);

/// The same, of every page if a flush by somebody dead is in doubt.
void flush_whole(const shard::context& all, const io::file& data);

/// Returns when every range that was registered before the call is on the medium.
void commit(const shard::context& all, const io::file& data);

/// Runs `change` while no commit is under way and no entry of the journal counts, and makes the ranges that it
/// returns durable, and that no entry counts as well.
void change_beside_commits(const shard::context& all, const io::file& data,
                           const std::function<std::vector<io::byte_range>()>& change);

}  // namespace kvdb

#endif
