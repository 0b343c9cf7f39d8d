// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_OPTIONS_HPP
#define KVDB_OPTIONS_HPP

#include <kvdb/error.hpp>

#include <chrono>
#include <cstdint>
#include <functional>

namespace kvdb {

/// Longest key, in bytes.
inline constexpr std::uint64_t max_key_size = 65'535;
/// Longest value, in bytes: 4 GiB - 1.
inline constexpr std::uint64_t max_value_size = 4'294'967'295;

enum class open_mode {
    open_or_create,  ///< read and write; a missing file is created
    open_only,       ///< read and write; a missing file is errc::no_such_file
    create_only,     ///< read and write; an existing file is errc::file_exists
    read_only,       ///< reads alone; writes nothing, works on read-only media
};

/// What a returning `set` or `erase` promises.
enum class durability {
    none,     ///< survives the death of any process; nothing is promised across a power loss
    relaxed,  ///< as none, and `sync()` makes everything so far survive a power loss
    sync,     ///< every `set` and `erase` survives a power loss once it has returned; those that return at about the
              ///< same time, in any thread or process, share one flush of the medium
};

/// Work that can take long tells how far it is: bytes done, bytes in all.
using progress_function = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// How to open a database. Fields marked (creation) are fixed when the file is made and ignored later.
struct options {
    open_mode mode = open_mode::open_or_create;
    durability durable = durability::relaxed;

    /// (creation) Shards, each with a writer at a time: a power of two from 1 to 256.
    std::uint32_t shard_count = 64;

    /// (creation) Handles that can be attached for writing at one time, over all processes: 8 to 65,000.
    std::uint32_t max_handles = 384;

    /// Verify the checksum of every record that is read. Costs about one more pass over each value.
    bool verify_reads = false;

    /// Rebuild the index from the log even where the file says it can be trusted. Meant for a file that was
    /// restored in place, during the same boot of the machine, from a copy taken while it was in use.
    bool distrust = false;

    /// How long an operation waits for a lock that a living process holds before it fails with errc::busy.
    std::chrono::milliseconds lock_timeout{10'000};

    /// Called now and then while a recovery runs; may be empty.
    progress_function on_recovery;

    /// Makes all that was written survive a power loss in the background, as `sync()` does, so often; zero for never,
    /// at most 7 days. Nothing is flushed while nothing was written. A handle for reading only ignores it.
    ///
    /// Either this or `checkpoint_bytes` makes the handle start a thread of its own, which takes no signals and ends
    /// with `close()`. A forked child starts one with its first use of the handle.
    std::chrono::milliseconds checkpoint_interval{0};

    /// The same, after so many bytes of keys and values were written through this handle; zero for never.
    std::uint64_t checkpoint_bytes = 0;

    /// Called in that thread when such a checkpoint failed; may be empty. The next one is tried when it is due, but
    /// after a failed flush (errc::poisoned from then on) none can succeed. Must neither throw nor close the handle.
    std::function<void(const error& failure)> on_checkpoint_failure;
};

}  // namespace kvdb

#endif
