// SPDX-License-Identifier: BSL-1.0
// The input is a file. Whatever its bytes are, opening, reading, checking and writing it gives data or a kvdb::error.
#include "file_mutator.hpp"
#include "memory_file.hpp"
#include "templates.hpp"

#include <kvdb/kvdb.hpp>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using namespace kvdb;
using namespace kvdb::fuzz;

constexpr std::size_t largest_input = 256 * 1024;
constexpr std::uint64_t largest_file = 64 * 1024 * 1024;  // far beyond what the few writes here can need
constexpr std::size_t most_visits = 2'000;

/// Any kvdb::error will do; everything else is a finding. False if there was one.
template <class Action>
bool survives(Action&& action)
{
    try {
        action();
        return true;
    } catch (const error&) {
        return false;
    }
}

options quick(open_mode mode, bool verify)
{
    options how;
    how.mode = mode;
    how.verify_reads = verify;
    how.lock_timeout = {};  // a forged owner word cannot be told from a living owner's, and nobody else is there
    return how;
}

void look_at(const memory_file& file, std::span<const std::uint8_t> bytes)
{
    survives([&] { static_cast<void>(inspect_header(file.path())); });
    for (const std::uint64_t at : {std::uint64_t{300}, std::uint64_t{12'300}, std::uint64_t{bytes.size() / 2},
                                   std::uint64_t{bytes.size() * 3 / 4}, std::uint64_t{bytes.size() - 1}}) {
        survives([&] { static_cast<void>(inspect_at(file.path(), at)); });
    }
    survives([&] { static_cast<void>(inspect_key(file.path(), "a")); });
}

/// What a file gave: keys that serve the writes, and whether `check` called it whole.
struct reading {
    std::vector<std::string> keys{"", "a", "key1", "no such key"};
    bool sound = false;
};

/// Reads all that can be read.
reading read_all(database& db)
{
    reading seen;
    for (const std::string& key : seen.keys) {
        survives([&] { static_cast<void>(db.get(key)); });
    }
    std::size_t visits = 0;
    survives([&] {
        db.for_each([&](std::string_view key, std::string_view value) {
            if (++visits <= 3 && key.size() < 100) {
                seen.keys.emplace_back(key);
            }
            // Touch both ends, so that a view beyond the file is noticed.
            volatile char sink = 0;
            if (!value.empty()) {
                sink = value.front();
                sink = value.back();
            }
            static_cast<void>(sink);
            return visits < most_visits;
        });
    });
    survives([&] { static_cast<void>(db.stats()); });
    survives([&] { static_cast<void>(db.size()); });
    survives([&] { seen.sound = db.check().ok(); });
    return seen;
}

void read_only(const memory_file& file, std::span<const std::uint8_t> bytes, bool verify)
{
    survives([&] {
        database db = database::open(file.path(), quick(open_mode::read_only, verify));
        read_all(db);
        db.close();
    });
    const std::vector<std::uint8_t> after = file.bytes();
    if (!std::equal(after.begin(), after.end(), bytes.begin(), bytes.end())) {
        fail("a read-only handle changed the file");
    }
}

/// What was set, and whether the file was whole before.
struct expectation {
    std::map<std::string, std::string> values;
    bool sound = false;
};

/// A file that `check` passed keeps what is set. Any other may lose it, but never gives anything else for it, as long
/// as its index is the one that was written to.
void compare(const memory_file& file, const expectation& wanted, bool distrust, const char* when)
{
    if (distrust && !wanted.sound) {
        return;
    }
    std::size_t right = 0;
    survives([&] {
        options how = quick(open_mode::read_only, true);
        how.distrust = distrust;
        database db = database::open(file.path(), how);
        if (!wanted.sound && db.stats().private_index) {
            return;
        }
        for (const auto& [key, value] : wanted.values) {
            survives([&, &key = key, &value = value] {
                const std::optional<std::string> found = db.get(key);
                if (found && *found != value) {
                    fail("get of '" + key + "' gives another value than was set, " + when);
                }
                right += found ? 1U : 0U;
            });
        }
    });
    if (wanted.sound && right != wanted.values.size()) {
        fail(std::string("a file that check called whole lost what was set, ") + when);
    }
}

expectation write_some(database& db, const reading& before, bool large)
{
    expectation made;
    made.sound = before.sound;
    const std::vector<std::string>& keys = before.keys;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        std::string value(large && i == 1 ? 40'000 : 5 + 300 * i, static_cast<char>('A' + i));
        const durability how = i % 2 == 0 ? durability::sync : durability::relaxed;
        if (survives([&] { db.set(keys[i], value, how); })) {
            made.values[keys[i]] = std::move(value);
        } else {
            made.values.erase(keys[i]);  // not done, or done and not said
        }
    }
    survives([&] { static_cast<void>(db.erase("no such key")); });
    made.values.erase("no such key");
    survives([&] { db.sync(); });
    return made;
}

/// What is done with a file. The last three follow on `writing`; none depends on another.
enum parts : unsigned {
    looking = 1,
    reading_only = 2,
    writing = 4,
    reading_again = 8,
    distrusting = 16,
    rebuilding = 32,
    everything = 63,
};

unsigned parts_for(std::uint64_t choice)
{
    constexpr std::array<unsigned, 6> drawn{
        looking, reading_only, reading_only, writing | reading_again, writing | distrusting, writing | rebuilding};
    return replaying ? everything : drawn[(choice >> 4) % drawn.size()];
}

void read_write(const memory_file& file, bool verify, bool large, unsigned parts)
{
    expectation wanted;
    survives([&] {
        database db = database::open(file.path(), quick(open_mode::open_only, verify));
        wanted = write_some(db, read_all(db), large);
        read_all(db);
        db.close();
    });
    if (file.size() > largest_file) {
        fail("the file grew out of all proportion");
    }
    if ((parts & reading_again) != 0) {
        compare(file, wanted, false, "after the close");
    }
    if ((parts & distrusting) != 0) {
        compare(file, wanted, true, "with an index rebuilt in memory");
    }
    if ((parts & rebuilding) == 0) {
        return;
    }
    survives([&] {
        options how = quick(open_mode::open_only, verify);
        how.distrust = true;
        database db = database::open(file.path(), how);
        read_all(db);
        db.close();
    });
    if (wanted.sound) {
        compare(file, wanted, false, "after a rebuild");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size > largest_input) {
        return -1;
    }
    const std::span bytes(data, size);
    const std::uint64_t choice = hash_bytes(data, size, 0);
    const unsigned parts = parts_for(choice);
    const memory_file file(bytes);
    if ((parts & looking) != 0) {
        look_at(file, bytes);
    }
    if ((parts & reading_only) != 0) {
        read_only(file, bytes, (choice & 1) != 0);
    }
    if ((parts & writing) != 0) {
        read_write(file, (choice & 2) != 0, (choice & 12) == 0, parts);
    }
    return 0;
}

#ifdef KVDB_LIBFUZZER
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed)
{
    if (size < kvdb::format::header_size || seed % 16 == 0) {
        return LLVMFuzzerMutate(data, size, std::min(max_size, largest_input));
    }
    return kvdb::fuzz::file_mutator({data, std::min(max_size, largest_input)}, std::min(size, largest_input), seed)
        .run();
}
#endif
