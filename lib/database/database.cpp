// SPDX-License-Identifier: BSL-1.0
#include <kvdb/database.hpp>

#include "database/engine.hpp"

namespace kvdb {

database database::open(const std::filesystem::path& path, const options& how)
{
    return database(std::make_unique<engine>(path, how));
}

database::database() noexcept = default;
database::database(std::unique_ptr<engine> opened) noexcept : engine_(std::move(opened)) {}
database::database(database&&) noexcept = default;
database& database::operator=(database&&) noexcept = default;
database::~database() = default;

engine& database::opened() const
{
    if (!engine_) [[unlikely]] {
        throw error(errc::closed, "the database handle is closed");
    }
    return *engine_;
}

std::optional<std::string> database::get(std::string_view key) const
{
    std::optional<std::string> value(std::in_place);
    if (!opened().get(key, *value)) {
        value.reset();
    }
    return value;
}

bool database::get(std::string_view key, std::string& value) const
{
    return opened().get(key, value);
}

bool database::contains(std::string_view key) const
{
    return opened().contains(key);
}

void database::multi_get(std::span<const std::string_view> keys, std::span<std::optional<std::string>> values) const
{
    opened().multi_get(keys, values);
}

std::vector<std::optional<std::string>> database::multi_get(std::span<const std::string_view> keys) const
{
    std::vector<std::optional<std::string>> values(keys.size());
    opened().multi_get(keys, values);
    return values;
}

void database::set(std::string_view key, std::string_view value)
{
    opened().set(key, value);
}

void database::set(std::string_view key, std::string_view value, durability how)
{
    opened().set(key, value, how);
}

void database::multi_set(std::span<const std::pair<std::string_view, std::string_view>> entries)
{
    opened().multi_set(entries);
}

void database::multi_set(std::span<const std::pair<std::string_view, std::string_view>> entries, durability how)
{
    opened().multi_set(entries, how);
}

bool database::erase(std::string_view key)
{
    return opened().erase(key);
}

bool database::erase(std::string_view key, durability how)
{
    return opened().erase(key, how);
}

std::uint64_t database::size() const
{
    return opened().size();
}

void database::walk(visitor visit, void* target) const
{
    opened().walk(visit, target);
}

void database::sync()
{
    opened().sync();
}

statistics database::stats() const
{
    return opened().stats();
}

check_report database::check(const check_options& how, const progress_function& progress) const
{
    return opened().check(how, progress);
}

void database::close()
{
    if (engine_ == nullptr) {
        return;
    }
    try {
        engine_->close();  // the thread of a background checkpoint may use the handle until it has ended
    } catch (...) {
        engine_.reset();
        throw;
    }
    engine_.reset();
}

}  // namespace kvdb
