// SPDX-License-Identifier: BSL-1.0
// What stands behind a kvdb::database: routes keys to shards, and keeps the session current across forks and
// rebuilds.
//
// Threads: all members may be called from any number of threads at once, but for `close` and the destructor.
// Locks and their rank: checkpoint < shards by number < growth < allocator. `session_mutex_` is taken with none of
// these held.
#ifndef KVDB_DATABASE_ENGINE_HPP
#define KVDB_DATABASE_ENGINE_HPP

#include "base/hash.hpp"
#include "database/background.hpp"
#include "database/session.hpp"
#include "io/fork_watch.hpp"

#include <kvdb/database.hpp>

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvdb {

namespace shard {
class writer;
}

class engine final : private io::fork_aware {
public:
    using visitor = bool (*)(void* target, std::string_view key, std::string_view value);
    using entry = std::pair<std::string_view, std::string_view>;

    engine(const std::filesystem::path& path, const options& how);
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    ~engine();

    bool get(std::string_view key, std::string& value);
    bool contains(std::string_view key);
    void multi_get(std::span<const std::string_view> keys, std::span<std::optional<std::string>> values);
    void set(std::string_view key, std::string_view value, std::optional<durability> how = {});
    void multi_set(std::span<const entry> entries, std::optional<durability> how = {});
    bool erase(std::string_view key, std::optional<durability> how = {});
    std::uint64_t size();
    void walk(visitor visit, void* target);
    void sync();
    statistics stats();
    check_report check(const check_options& how, const progress_function& progress);
    void close();

private:
    [[nodiscard]] session& current()
    {
        session* now = current_.load(std::memory_order_acquire);
        if (now->stamp() != io::process_stamp()) [[unlikely]] {
            return renew(now);
        }
        return *now;
    }
    [[nodiscard]] session& writable();
    /// Replaces `outdated`, unless another thread has done so already.
    session& renew(session* outdated);
    [[nodiscard]] session& attached(std::unique_ptr<session> fresh);
    /// Runs `operation(session)` again for as long as the file was rebuilt under it.
    template <class Operation>
    auto reading(Operation&& operation);
    /// A get that may meet anything.
    [[gnu::noinline]] bool get_properly(std::string_view key, std::string& value);
    [[gnu::noinline]] void multi_get_properly(std::span<const std::string_view> keys,
                                              std::span<std::optional<std::string>> values);
    /// A set that no commit follows yet.
    void store(session& now, bool durable, std::uint64_t hash, std::string_view key, std::string_view value);
    void set_large(session& now, shard::writer& writer, std::uint64_t hash, std::string_view key,
                   std::string_view value);

    /// A checkpoint, unless nothing was written since the one before, which covered these sequence numbers.
    void checkpoint_changes(std::vector<std::uint64_t>& covered);
    /// With its thread; none if the session wants none.
    [[nodiscard]] std::unique_ptr<background_checkpoints> background_for(const session& of);
    void count_written(std::uint64_t bytes) noexcept
    {
        if (background_checkpoints* const background = background_.load(std::memory_order_acquire)) [[unlikely]] {
            background->wrote(bytes);
        }
    }

    void before_fork() noexcept override;
    void after_fork_in_parent() noexcept override;
    void after_fork_in_child() noexcept override;

    std::atomic<session*> current_{nullptr};
    std::atomic<background_checkpoints*> background_{nullptr};  // owned; one at a time
    // guarded by session_mutex_
    std::mutex session_mutex_;
    std::vector<std::unique_ptr<session>> sessions_;  // the current one and those it replaced
};

/// The parts of `stats`, `check` and `walk` that work on one session.
[[nodiscard]] statistics collect_statistics(session& of);
[[nodiscard]] check_report check_file(session& of, const check_options& how, const progress_function& progress);
void walk_entries(session& of, engine::visitor visit, void* target);

}  // namespace kvdb

#endif
