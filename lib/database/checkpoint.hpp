// SPDX-License-Identifier: BSL-1.0
// A checkpoint makes everything published so far durable and writes down, per shard, up to which sequence number.
//
//   lock checkpoint -> all shard locks in order, note published numbers, register all logs, unlock -> commit, which
//   flushes the slot of the checkpoint before as well -> write the slot that is not the newest valid one -> done
// After that, what was in limbo when the numbers were noted is freed: headers zeroed -> flushed -> into the free
// lists.
//
// Death at any step: one slot is valid, and what it says is durable; the next one to take the lock begins anew.
#ifndef KVDB_DATABASE_CHECKPOINT_HPP
#define KVDB_DATABASE_CHECKPOINT_HPP

#include "io/file.hpp"
#include "shard/context.hpp"

#include <cstdint>
#include <vector>

namespace kvdb {

/// Answers when a checkpoint whose notes were taken after the call has finished, this one's or another's.
void run_checkpoint(const shard::context& all, const io::file& data);

/// For a writer of that shard that was told that a release is due: frees what is in limbo, by a checkpoint unless
/// nothing of the shard was ever acknowledged as durable. Does nothing if somebody else is about it. What fails is
/// told to whoever asks for durability, or for space.
void release_space(const shard::context& all, const io::file& data, std::uint32_t shard) noexcept;

/// Highest sequence number of each shard, without locks: in exclusive use.
[[nodiscard]] std::vector<std::uint64_t> published_sequences(const shard::context& all);

/// Writes the marks into the older slot. The data that they cover is durable already; the slot itself is when the
/// next commit, or flush by the caller, has ended: before another slot is written.
void write_checkpoint(const shard::context& all, const std::vector<std::uint64_t>& marks);

}  // namespace kvdb

#endif
