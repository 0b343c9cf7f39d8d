// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_DATABASE_HPP
#define KVDB_DATABASE_HPP

#include <kvdb/error.hpp>
#include <kvdb/export.hpp>
#include <kvdb/options.hpp>
#include <kvdb/stats.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace kvdb {

class engine;

/// A handle to one .kvdb file.
///
/// Threads: every member but the move operations, the destructor and `close` may be called from any number of
/// threads at once. Processes: any number may have the file open; each opens it by itself. A forked child may go
/// on using the handle: it attaches anew on first use. One process may open a file twice. The functions are not
/// async-signal-safe, and a child made by a raw `clone` system call must not touch the handle.
///
/// Keys are 0 to max_key_size bytes, values 0 to max_value_size bytes; any bytes are allowed in either.
///
/// A `get` takes no lock and never waits for another thread or process. `set` and `erase` hold the lock of one
/// shard for well under a microsecond; if its holder is killed, the next one repairs and goes on.
///
/// Every function may throw kvdb::error; see errc for the reasons. std::bad_alloc can come from strings.
class KVDB_EXPORT database {
public:
    /// Opens or creates. After a crash of the system this is where the index is rebuilt: time proportional to the
    /// log; after a clean close, or the death of processes alone, time independent of the size.
    [[nodiscard]] static database open(const std::filesystem::path& path, const options& how = {});

    /// A closed handle.
    database() noexcept;
    database(database&&) noexcept;
    database& operator=(database&&) noexcept;
    database(const database&) = delete;
    database& operator=(const database&) = delete;
    ~database();

    /// The value, or nothing if the key is absent. O(1), two cache misses in a large store.
    [[nodiscard]] std::optional<std::string> get(std::string_view key) const;

    /// As above into the caller's string, whose capacity is reused. False if absent; what the string holds then is
    /// not specified.
    [[nodiscard]] bool get(std::string_view key, std::string& value) const;

    [[nodiscard]] bool contains(std::string_view key) const;

    /// A `get` of each key, whose waits for memory overlap: values[i] becomes what keys[i] had at some instant during
    /// the call, which is not the same for all, or empty if it was absent. Strings that are there are written over
    /// and their capacity is reused; no key may view one of them. errc::invalid_argument if there are not as many
    /// values as keys, errc::key_too_large if any key is, before anything is read; after any other exception the
    /// values are not specified. O(keys).
    void multi_get(std::span<const std::string_view> keys, std::span<std::optional<std::string>> values) const;
    [[nodiscard]] std::vector<std::optional<std::string>> multi_get(std::span<const std::string_view> keys) const;

    /// Stores the value, replacing any other. Atomic: readers see the old value or the new one. Neither view may
    /// point into the database's own memory.
    void set(std::string_view key, std::string_view value);

    /// As above with a promise of its own. durability::sync in a handle of another mode is as durable, but slower
    /// than in one that was opened for it; the other two make no difference to each other.
    void set(std::string_view key, std::string_view value, durability how);

    /// A `set` of each entry, in order, so that of equal keys the last one stays; faster than as many calls, and with
    /// durability::sync one commit for all. Each entry is atomic, the whole is not: others may see the first ones
    /// without the rest. errc::key_too_large and errc::value_too_large come before anything is set; after any other
    /// exception the entries before the one that failed are set, the others are not, and durability::sync has
    /// promised nothing.
    void multi_set(std::span<const std::pair<std::string_view, std::string_view>> entries);
    void multi_set(std::span<const std::pair<std::string_view, std::string_view>> entries, durability how);

    /// Removes the key. True if it was there.
    bool erase(std::string_view key);
    bool erase(std::string_view key, durability how);

    /// Number of live keys. O(shards).
    [[nodiscard]] std::uint64_t size() const;

    /// Calls `visit(key, value)` for every entry, in no order. A key that is there all along is visited exactly
    /// once; one that is set or erased meanwhile may be seen or not. No lock is held while `visit` runs, which may
    /// use this handle. If `visit` returns a bool, false ends the walk. The views end with the call.
    template <class Visitor>
    void for_each(Visitor&& visit) const
    {
        using result = std::invoke_result_t<Visitor&, std::string_view, std::string_view>;
        walk(
            [](void* target, std::string_view key, std::string_view value) {
                auto& function = *static_cast<std::remove_reference_t<Visitor>*>(target);
                if constexpr (std::is_same_v<result, bool>) {
                    return function(key, value);
                } else {
                    function(key, value);
                    return true;
                }
            },
            const_cast<void*>(static_cast<const void*>(std::addressof(visit))));
    }

    /// Returns once everything that was set or erased before the call, by any process, survives a power loss.
    void sync();

    [[nodiscard]] statistics stats() const;

    /// Verifies every structure, checksum and count; others may write meanwhile. Faults are returned, not thrown.
    [[nodiscard]] check_report check(const check_options& how = {}, const progress_function& progress = {}) const;

    /// Detaches. The last writer to leave makes the file durable and marks it clean, which can throw; the handle is
    /// closed all the same. The destructor does as much and swallows what is thrown. Closing twice is harmless.
    void close();

    [[nodiscard]] bool is_open() const noexcept { return engine_ != nullptr; }

private:
    using visitor = bool (*)(void* target, std::string_view key, std::string_view value);

    explicit database(std::unique_ptr<engine> opened) noexcept;
    void walk(visitor visit, void* target) const;
    [[nodiscard]] engine& opened() const;

    std::unique_ptr<engine> engine_;
};

}  // namespace kvdb

#endif
