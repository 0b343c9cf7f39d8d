// SPDX-License-Identifier: BSL-1.0
#include "database/engine.hpp"

#include "database/checkpoint.hpp"
#include "database/commit.hpp"
#include "shard/group.hpp"
#include "shard/reader.hpp"
#include "shard/writer.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>
#include <utility>

namespace kvdb {
namespace {

void check_options_of(const options& how)
{
    const auto refuse = [](const std::string& what) { throw error(errc::invalid_argument, what); };
    if (how.shard_count < format::min_shards || how.shard_count > format::max_shards ||
        !std::has_single_bit(how.shard_count)) {
        refuse("shard_count must be a power of two from 1 to 256, not " + std::to_string(how.shard_count));
    }
    if (how.max_handles < format::min_attachments || how.max_handles > format::max_attachments) {
        refuse("max_handles must be from 8 to 65000, not " + std::to_string(how.max_handles));
    }
    if (how.lock_timeout.count() < 0) {
        refuse("lock_timeout must not be negative");
    }
    if (how.checkpoint_interval.count() < 0 || how.checkpoint_interval > std::chrono::hours(7 * 24)) {
        refuse("checkpoint_interval must be from 0 to 7 days");
    }
}

[[noreturn, gnu::cold]] void throw_key_too_large(std::size_t size)
{
    throw error(errc::key_too_large,
                "a key of " + std::to_string(size) + " bytes is longer than " + std::to_string(max_key_size));
}

void check_key(std::string_view& key)
{
    if (key.data() == nullptr) {
        key = "";  // memcpy and its like want an address even for nothing
    }
    if (key.size() > max_key_size) [[unlikely]] {
        throw_key_too_large(key.size());
    }
}

void check_value(std::string_view value)
{
    if (value.size() > max_value_size) {
        throw error(errc::value_too_large, "a value of " + std::to_string(value.size()) + " bytes is longer than " +
                                               std::to_string(max_value_size));
    }
}

/// A handle for durable work writes all of its records to the file, so that a later commit finds the log's part of
/// the page cache clean but for them.
bool to_file(const session& now, bool durable) noexcept
{
    return durable || now.how().durable == durability::sync;
}

/// Is the operation to be durable when it returns? Refused at once where that could not be promised.
bool to_be_durable(session& now, std::optional<durability> how)
{
    const bool durable = how.value_or(now.how().durable) == durability::sync;
    if (durable) {
        refuse_if_poisoned(now.shards(), now.data());
    }
    return durable;
}

struct route {
    [[gnu::always_inline]] route(const session& now, std::string_view key) noexcept
        : hash(hash_key(key, now.shards().seed)), shard(format::shard_of(hash, now.shards().shard_bits))
    {
    }
    std::uint64_t hash;
    std::uint32_t shard;
};

}  // namespace

engine::engine(const std::filesystem::path& path, const options& how)
{
    check_options_of(how);
    io::watch_forks(*this);
    try {
        current_.store(&attached(std::make_unique<session>(path, how)), std::memory_order_release);
    } catch (...) {
        io::unwatch_forks(*this);
        throw;
    }
    try {
        background_.store(background_for(current()).release(), std::memory_order_release);
    } catch (...) {
        io::unwatch_forks(*this);
        close();
        throw;
    }
}

std::unique_ptr<background_checkpoints> engine::background_for(const session& of)
{
    if (!background_checkpoints::wanted(of.how())) {
        return nullptr;
    }
    return std::make_unique<background_checkpoints>(
        of.how(), [this, covered = std::vector<std::uint64_t>()]() mutable { checkpoint_changes(covered); });
}

/// Lists the session before it attaches, for the sake of a fork meanwhile, and strikes it off if it cannot.
session& engine::attached(std::unique_ptr<session> fresh)
{
    session* const now = fresh.get();
    {
        const std::lock_guard guard(session_mutex_);
        sessions_.push_back(std::move(fresh));
    }
    try {
        now->attach();
    } catch (...) {
        const std::lock_guard guard(session_mutex_);
        std::erase_if(sessions_, [&](const auto& each) { return each.get() == now; });
        throw;
    }
    return *now;
}

engine::~engine()
{
    io::unwatch_forks(*this);
    try {
        close();
    } catch (...) {
        // Whoever wants to know calls close() first.
    }
}

void engine::close()
{
    delete background_.exchange(nullptr, std::memory_order_acq_rel);  // first: it uses the session
    session* now = current_.exchange(nullptr, std::memory_order_acq_rel);
    if (now != nullptr && now->stamp() == io::process_stamp()) {
        now->leave();
    }
}

session& engine::renew(session* outdated)
{
    if (outdated == nullptr) {
        throw error(errc::closed, "the database handle is closed");
    }
    // No lock is held while the new session attaches, which can take as long as a recovery.
    session& fresh = attached(std::make_unique<session>(*outdated));
    std::unique_ptr<background_checkpoints> background;
    try {
        background = background_for(fresh);
    } catch (...) {
        fresh.leave();
        throw;
    }
    session* expected = outdated;
    if (!current_.compare_exchange_strong(expected, &fresh, std::memory_order_acq_rel)) {
        fresh.leave();  // another thread was faster
        return *expected;
    }
    background_.store(background.release(), std::memory_order_release);
    return fresh;
}

session& engine::writable()
{
    session& now = current();
    if (now.read_only()) [[unlikely]] {
        throw error(errc::read_only, "'" + now.data().path().string() + "' was opened for reading only");
    }
    return now;
}

template <class Operation>
auto engine::reading(Operation&& operation)
{
    for (;;) {
        session& now = current();
        if (!now.read_only()) [[likely]] {
            return operation(now);  // nobody rebuilds under an attached writer
        }
        if (now.was_rebuilt()) {
            static_cast<void>(renew(&now));
            continue;
        }
        try {
            auto result = operation(now);
            if (!now.was_rebuilt()) {
                return result;
            }
        } catch (const error&) {
            if (!now.was_rebuilt()) {
                throw;
            }
        }
    }
}

namespace {

// What several keys at a time ask for ahead: as much of a record as a set looks at, and a small record whole.
constexpr std::uint64_t record_head = 2 * 64;
constexpr std::uint64_t record_usual = 3 * 64;

[[gnu::always_inline]] inline void take_value(const shard::record_view& view, std::string& value)
{
    const std::string_view found = view.value();
    if (value.size() != found.size()) [[unlikely]] {
        value.resize(found.size());
    }
    shard::racing_copy(value.data(), found.data(), found.size());
}

}  // namespace

bool engine::get(std::string_view key, std::string& value)
{
    const session* const now = current_.load(std::memory_order_acquire);
    if (now->quick_stamp() == io::process_stamp()) [[likely]] {
        const std::uint64_t hash = hash_key(key, now->shards().seed);
        const shard::quick result = shard::read_quickly(
            now->shards(), hash,
            key, [&](const shard::record_view& view) __attribute__((always_inline)) { take_value(view, value); });
        if (result == shard::quick::found) [[likely]] {
            return true;
        }
        if (result == shard::quick::absent && key.size() <= max_key_size) {
            return false;
        }
    }
    return get_properly(key, value);
}

bool engine::get_properly(std::string_view key, std::string& value)
{
    check_key(key);
    return reading([&](session& now) {
        const route to(now, key);
        return shard::read(now.shards(), to.shard, to.hash, key,
                           [&](const shard::record_view& view) { take_value(view, value); });
    });
}

void engine::multi_get(std::span<const std::string_view> keys, std::span<std::optional<std::string>> values)
{
    if (keys.size() != values.size()) {
        throw error(errc::invalid_argument,
                    std::to_string(keys.size()) + " keys, but room for " + std::to_string(values.size()) + " values");
    }
    for (std::string_view key : keys) {
        check_key(key);
    }
    const session* const now = current_.load(std::memory_order_acquire);
    if (now->quick_stamp() != io::process_stamp()) [[unlikely]] {
        multi_get_properly(keys, values);
        return;
    }
    shard::in_groups<record_usual>(
        now->shards(), keys.size(), [&](std::size_t i) { return keys[i]; },
        [&](std::size_t i, const auto& found, std::size_t place) __attribute__((always_inline)) {
            std::string& value = values[i] ? *values[i] : values[i].emplace();
            const shard::quick result = found.read(
                place, keys[i], [&](const shard::record_view& view) __attribute__((always_inline)) {
                    take_value(view, value);
                });
            if (result == shard::quick::absent || (result == shard::quick::unsure && !get_properly(keys[i], value)))
                [[unlikely]] {
                values[i].reset();
            }
        });
}

void engine::multi_get_properly(std::span<const std::string_view> keys, std::span<std::optional<std::string>> values)
{
    static_cast<void>(reading([&](session& now) {
        const shard::context& all = now.shards();
        shard::in_groups<record_usual>(
            all, keys.size(), [&](std::size_t i) { return keys[i]; },
            [&](std::size_t i, const auto& ahead, std::size_t place) {
                std::string& value = values[i] ? *values[i] : values[i].emplace();
                const std::uint64_t hash = ahead.hash(place);
                if (!shard::read(all, format::shard_of(hash, all.shard_bits), hash, keys[i],
                                 [&](const shard::record_view& view) { take_value(view, value); })) {
                    values[i].reset();
                }
            });
        return true;
    }));
}

bool engine::contains(std::string_view key)
{
    check_key(key);
    return reading([&](session& now) {
        const route to(now, key);
        return shard::read(now.shards(), to.shard, to.hash, key, [](const shard::record_view&) {});
    });
}

void engine::set(std::string_view key, std::string_view value, std::optional<durability> how)
{
    session& now = writable();
    const bool durable = to_be_durable(now, how);
    check_key(key);
    check_value(value);
    store(now, durable, route(now, key).hash, key, value);
    if (durable) {
        commit(now.shards(), now.data());
    }
    count_written(key.size() + value.size());
}

void engine::multi_set(std::span<const entry> entries, std::optional<durability> how)
{
    session& now = writable();
    const bool durable = to_be_durable(now, how);
    for (auto [key, value] : entries) {
        check_key(key);
        check_value(value);
    }
    shard::in_groups<record_head>(
        now.shards(), entries.size(), [&](std::size_t i) { return entries[i].first; },
        [&](std::size_t i, const auto& ahead, std::size_t place) {
            auto [key, value] = entries[i];
            check_key(key);
            store(now, durable, ahead.hash(place), key, value);
            count_written(key.size() + value.size());
        });
    if (durable && !entries.empty()) {
        commit(now.shards(), now.data());
    }
}

void engine::store(session& now, bool durable, std::uint64_t hash, std::string_view key, std::string_view value)
{
    const std::uint32_t shard = format::shard_of(hash, now.shards().shard_bits);
    const bool large =
        key.size() + value.size() + format::record_header_size >= format::large_record_size && !value.empty();
    shard::writer writer(now.shards(), shard, large ? durable : to_file(now, durable));
    if (large) {
        set_large(now, writer, hash, key, value);
    } else {
        writer.set(hash, key, value);
    }
    if (writer.wants_release()) [[unlikely]] {
        release_space(now.shards(), now.data(), shard);
    }
}

void engine::set_large(session& now, shard::writer& writer, std::uint64_t hash, std::string_view key,
                       std::string_view value)
{
    const std::uint32_t index = now.acquire_staged();
    try {
        writer.set_large(hash, key, value, index);
    } catch (...) {
        now.release_staged(index);
        throw;
    }
    now.release_staged(index);
}

bool engine::erase(std::string_view key, std::optional<durability> how)
{
    session& now = writable();
    check_key(key);
    const bool durable = to_be_durable(now, how);
    const route to(now, key);
    shard::writer writer(now.shards(), to.shard, to_file(now, durable));
    const bool erased = writer.erase(to.hash, key);
    if (erased && durable) {
        commit(now.shards(), now.data());
    }
    if (writer.wants_release()) [[unlikely]] {
        release_space(now.shards(), now.data(), to.shard);
    }
    count_written(key.size());
    return erased;
}

std::uint64_t engine::size()
{
    return reading([](session& now) {
        std::uint64_t entries = 0;
        for (std::uint32_t i = 0; i < now.identity().shard_count; ++i) {
            entries += load_acquire(now.shards().block(i).entries);
        }
        return entries;
    });
}

void engine::sync()
{
    session& now = writable();
    run_checkpoint(now.shards(), now.data());
}

void engine::checkpoint_changes(std::vector<std::uint64_t>& covered)
{
    session& now = writable();
    // Whoever has one of these numbers holds the lock of its shard until it has published, and a checkpoint passes
    // through all these locks.
    std::vector<std::uint64_t> taken = published_sequences(now.shards());
    if (taken != covered) {
        run_checkpoint(now.shards(), now.data());
        covered = std::move(taken);
    }
}

void engine::walk(visitor visit, void* target)
{
    session* now = &current();
    while (now->read_only() && now->was_rebuilt()) {
        now = &renew(now);
    }
    walk_entries(*now, visit, target);
}

statistics engine::stats()
{
    return reading([](session& now) { return collect_statistics(now); });
}

check_report engine::check(const check_options& how, const progress_function& progress)
{
    return reading([&](session& now) { return check_file(now, how, progress); });
}

void engine::before_fork() noexcept
{
    session_mutex_.lock();
    for (const auto& each : sessions_) {
        each->lock_for_fork();
    }
}

void engine::after_fork_in_parent() noexcept
{
    for (const auto& each : sessions_) {
        each->unlock_after_fork();
    }
    session_mutex_.unlock();
}

void engine::after_fork_in_child() noexcept
{
    background_.store(nullptr, std::memory_order_release);  // its thread stayed behind; see `renew`
    for (const auto& each : sessions_) {
        each->unlock_after_fork();
        each->abandon();
    }
    session_mutex_.unlock();
}

}  // namespace kvdb
