// SPDX-License-Identifier: BSL-1.0
// The input is a sequence of operations, done to a database and to a std::map; both must always agree.
#include "base/hash.hpp"
#include "memory_file.hpp"
#include "operation_reader.hpp"
#include "templates.hpp"

#include <kvdb/kvdb.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace kvdb;
using namespace kvdb::fuzz;

constexpr std::size_t most_operations = 400;
constexpr std::size_t most_together = 40;
constexpr std::size_t most_bytes = 2 * 1024 * 1024;  // of records written
// The fuzzer leaves out the rest of an input when it has done this much: many short runs find more than a few long
// ones. The unit is an entry set, erased or compared, some microseconds.
constexpr std::size_t most_effort = 1'500;
constexpr std::size_t opening_effort = 150;

std::uint64_t crowded_hash(std::string_view key, std::uint64_t seed)
{
    // A segment is full when 128 of its 512 slots are.
    return hash_bytes(key.data(), key.size(), seed) & ~std::uint64_t{0xc30};
}
std::uint64_t few_hashes(std::string_view key, std::uint64_t seed)
{
    // Two shards' worth of top bits, sixteen tags, two home buckets.
    return hash_bytes(key.data(), key.size(), seed) & 0x8000'0000'0300'0301U;
}
std::uint64_t one_hash(std::string_view, std::uint64_t)
{
    return 0x8000'0000'0123'4567U;
}

class trial {
    using model = std::map<std::string, std::string, std::less<>>;

public:
    trial(std::span<const std::uint8_t> bytes, std::uint8_t settings)
        : input_(bytes),
          file_(empty_of(settings)),
          how_(options_of(settings)),
          many_((settings & 8U) == 0 && how_.durable != durability::sync ? 1 : 4),
          compare_in_use_((settings & 128U) != 0),
          db_(database::open(file_.path(), how_))
    {
    }

    void run()
    {
        for (std::size_t i = 0; i < most_operations && written_ < most_bytes && !tired() && !input_.at_end(); ++i) {
            step(input_.next());
        }
        if (compare_in_use_ || replaying) {
            compare(db_);
        }
        db_.close();
        if (!compare_in_use_ || replaying) {
            db_ = database::open(file_.path(), how_);
            compare(db_);
            db_.close();
        }
    }

private:
    static const std::vector<std::uint8_t>& empty_of(std::uint8_t settings)
    {
        static const std::array<std::vector<std::uint8_t>, 4> made{empty_database(1), empty_database(2),
                                                                   empty_database(4), empty_database(64)};
        return made[settings & 3U];
    }
    static options options_of(std::uint8_t settings)
    {
        options how;
        how.mode = open_mode::open_only;
        how.durable = std::array{durability::relaxed, durability::relaxed, durability::none,
                                 durability::sync}[(settings >> 4U) & 3U];
        how.verify_reads = (settings & 64U) != 0;
        return how;
    }
    [[nodiscard]] options altered(bool distrust, open_mode mode = open_mode::open_only) const
    {
        options how = how_;
        how.distrust = distrust;
        how.mode = mode;
        return how;
    }

    [[nodiscard]] bool tired() const noexcept { return !replaying && effort_ >= most_effort; }

    void step(operation what)
    {
        switch (what) {
            case operation::set_small: set(db_, input_.key(), input_.byte()); break;
            case operation::set_medium: set(db_, input_.key(), input_.byte() * 16U); break;
            case operation::set_large: set(db_, input_.key(), 32'700U + input_.byte() * 16U); break;
            case operation::erase: erase(db_, input_.key()); break;
            case operation::get: look_up(db_, input_.key()); break;
            case operation::contains: contains(input_.key()); break;
            case operation::size: require(db_.size() == model_.size(), "size"); break;
            case operation::walk: walk(db_); break;
            case operation::sync: db_.sync(); break;
            case operation::reopen: reopen(false); break;
            case operation::reopen_distrust: reopen(true); break;
            case operation::look_read_only: look_read_only(); break;
            case operation::second_handle: second_handle(); break;
            case operation::lose_process: lose_process(); break;
            case operation::fill: fill(); break;
            case operation::erase_many: erase_many(); break;
            case operation::multi_get: multi_get(); break;
            case operation::multi_set: multi_set(); break;
            case operation::count: break;
        }
    }

    static void require(bool holds, const char* what)
    {
        if (!holds) {
            fail(what);
        }
    }

    void set(database& db, const std::string& key, std::size_t length)
    {
        std::string value(length, static_cast<char>(input_.byte()));
        db.set(key, value);
        written_ += key.size() + value.size() + 32;
        model_[key] = std::move(value);
        look_up(db_, key);
    }
    void erase(database& db, const std::string& key)
    {
        require(db.erase(key) == (model_.erase(key) != 0), "erase said something else than the model");
        written_ += key.size() + 32;
        look_up(db_, key);
    }
    void look_up(const database& db, const std::string& key) const
    {
        ++effort_;
        const std::optional<std::string> found = db.get(key);
        const auto wanted = model_.find(key);
        require(found.has_value() == (wanted != model_.end()), "get: there or not");
        require(!found || *found == wanted->second, "get: another value");
    }
    void contains(const std::string& key) { require(db_.contains(key) == (model_.count(key) != 0), "contains"); }
    void walk(const database& db) const
    {
        effort_ += model_.size();
        std::vector<const model::value_type*> seen;
        db.for_each([&](std::string_view key, std::string_view value) {
            const auto wanted = model_.find(key);
            require(wanted != model_.end() && wanted->second == value, "for_each: an entry that is not the model's");
            seen.push_back(&*wanted);
        });
        std::sort(seen.begin(), seen.end());
        require(std::adjacent_find(seen.begin(), seen.end()) == seen.end(), "for_each visited a key twice");
        require(seen.size() == model_.size(), "for_each: an entry is missing");
    }
    void compare(const database& db) const
    {
        walk(db);
        require(db.size() == model_.size(), "size");
        for (const auto& [key, value] : model_) {
            look_up(db, key);
        }
        const check_report report = db.check();
        for (const check_fault& each : report.faults) {
            std::fprintf(stderr, "offset %llu: %s\n", static_cast<unsigned long long>(each.offset),
                         each.what.c_str());
        }
        require(report.ok(), "check found faults");
        require(report.entries == model_.size(), "check counts other entries than the model's");
        require(db.stats().entries == model_.size(), "stats count other entries than the model's");
    }

    /// What can be seen in passing. A fuzzer's sequence is short, and all is compared at its end.
    void glance(const database& db) const
    {
        effort_ += opening_effort;
        if (replaying) {
            compare(db);
            return;
        }
        walk(db);
        require(db.size() == model_.size(), "size");
    }

    void reopen(bool distrust)
    {
        db_.close();
        db_ = database::open(file_.path(), altered(distrust));
        glance(db_);
    }
    void look_read_only()
    {
        database other = database::open(file_.path(), altered(false, open_mode::read_only));
        glance(other);
        other.close();
    }
    void second_handle()
    {
        if (!second_.is_open()) {
            second_ = database::open(file_.path(), how_);
        }
        const std::string key = input_.key();
        const std::size_t length = input_.byte();
        if (length == 0) {
            erase(second_, key);
        } else {
            set(second_, key, length * 4);
        }
        look_up(second_, key);
        if (length % 4 == 3) {
            second_.close();
        }
    }
    /// The bytes in the middle of use, under another inode: as after a crash of the system that lost no page.
    void lose_process()
    {
        memory_file copy(file_.bytes());
        {
            database other = database::open(copy.path(), altered(false, open_mode::read_only));
            walk(other);
            other.close();
        }
        second_.close();
        db_.close();
        file_ = std::move(copy);
        db_ = database::open(file_.path(), how_);
        glance(db_);
    }
    void fill()
    {
        const std::uint32_t first = input_.byte() * 8U;
        const std::uint32_t count = input_.byte() / many_;
        effort_ += count;
        for (std::uint32_t i = 0; i < count && written_ < most_bytes; ++i) {
            const std::string key = "fill" + std::to_string(first + i);
            std::string value(i % 40, 'f');
            db_.set(key, value);
            written_ += value.size() + 40;
            model_[key] = std::move(value);
        }
    }
    void erase_many()
    {
        const std::uint32_t first = input_.byte() * 8U;
        const std::uint32_t count = input_.byte() / many_;
        effort_ += count;
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::string key = "fill" + std::to_string(first + i);
            require(db_.erase(key) == (model_.erase(key) != 0), "erase said something else than the model");
        }
    }

    void multi_get()
    {
        std::vector<std::string> keys(input_.byte() % most_together);
        for (std::string& key : keys) {
            key = input_.key();
        }
        const std::vector<std::string_view> views(keys.begin(), keys.end());
        const std::vector<std::optional<std::string>> found = db_.multi_get(views);
        for (std::size_t i = 0; i < keys.size(); ++i) {
            const auto wanted = model_.find(keys[i]);
            require(found[i].has_value() == (wanted != model_.end()), "multi_get: there or not");
            require(!found[i] || *found[i] == wanted->second, "multi_get: another value");
        }
    }
    void multi_set()
    {
        std::vector<std::pair<std::string, std::string>> owned(input_.byte() % most_together);
        for (auto& [key, value] : owned) {
            key = input_.key();
            const std::size_t length = input_.byte();
            value.assign(length == 255 ? 40'000 : length, static_cast<char>(input_.byte()));
            written_ += key.size() + value.size() + 32;
            model_[key] = value;
        }
        const std::vector<std::pair<std::string_view, std::string_view>> entries(owned.begin(), owned.end());
        db_.multi_set(entries);
        for (const auto& [key, value] : owned) {
            look_up(db_, key);
        }
    }

    operation_reader input_;
    memory_file file_;
    const options how_;
    const std::uint32_t many_;  // a part of `fill`
    const bool compare_in_use_;
    database db_;
    database second_;
    model model_;
    std::size_t written_ = 0;
    mutable std::size_t effort_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0 || size > 4096) {
        return -1;
    }
    constexpr std::array<key_hash_override, 4> hashes{nullptr, &crowded_hash, &few_hashes, &one_hash};
    test_key_hash = hashes[(data[0] >> 2U) & 3U];
    // No error is expected here: one that escapes ends the run with its message.
    try {
        trial(std::span(data, size).subspan(1), data[0]).run();
    } catch (const error& failure) {
        fail(std::string("kvdb::error: ") + failure.what());
    }
    return 0;
}
