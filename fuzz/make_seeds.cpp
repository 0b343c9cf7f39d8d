// SPDX-License-Identifier: BSL-1.0
// Writes the seeds of both corpora into the folder given: <folder>/file and <folder>/operations.
#include "base/hash.hpp"
#include "memory_file.hpp"
#include "operation_reader.hpp"
#include "templates.hpp"

#include <kvdb/kvdb.hpp>

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

namespace {

using namespace kvdb;
using namespace kvdb::fuzz;

std::filesystem::path target;

void write(const std::string& name, const std::vector<std::uint8_t>& bytes)
{
    const std::filesystem::path path = target / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!out) {
        throw std::filesystem::filesystem_error("cannot write", path, std::make_error_code(std::errc::io_error));
    }
}

enum class ending { closed, in_use, without_log };

/// A database with what `fill` put into it: closed, as it lies while somebody has it open, or as the medium may have
/// it.
template <class Fill>
void file_seed(const std::string& name, std::uint32_t shards, ending how, Fill&& fill)
{
    const memory_file file(empty_database(shards));
    database db = database::open(file.path());
    fill(db);
    if (how == ending::closed) {
        db.close();
    }
    std::vector<std::uint8_t> bytes = file.bytes();
    if (how == ending::without_log) {
        image(bytes).forget_journaled();
    }
    write("file/" + name, bytes);
}

void some_entries(database& db)
{
    db.set("a", "first");
    db.set("key1", std::string(100, 'v'));
    db.set("", "the empty key");
    db.set("a", "second");
    db.set("gone", "value");
    db.erase("gone");
}

/// Keys that all belong into the same sixteen buckets: the segment splits when they are full, and the file stays
/// small.
void many_entries(database& db)
{
    constexpr std::uint32_t crowded = 16;
    for (int i = 0, set = 0; set < 150; ++i) {
        const std::string key = "k" + std::to_string(i);
        const std::uint64_t hash = hash_key(key, fixed_seed);
        const std::uint32_t home = format::home_of(hash);
        if (home < crowded && format::partner_of(home, format::tag_of(hash)) < crowded) {
            db.set(key, "");
            ++set;
        }
    }
}

std::uint64_t one_hash(std::string_view, std::uint64_t)
{
    return 0x0123'4567;
}

void file_seeds()
{
    write("file/empty-1-shard", empty_database(1));
    write("file/empty-4-shards", empty_database(4));
    for (const std::uint32_t shards : {1U, 4U}) {
        const std::string suffix = "-" + std::to_string(shards);
        file_seed("entries-clean" + suffix, shards, ending::closed, some_entries);
        file_seed("entries-in-use" + suffix, shards, ending::in_use, some_entries);
    }
    file_seed("split-clean", 1, ending::closed, many_entries);
    file_seed("split-in-use", 1, ending::in_use, many_entries);
    const auto large = [](database& db) {
        db.set("large", std::string(33'000, 'L'));
        db.set("a", "small");
        db.set("large", std::string(32'800, 'M'));
    };
    file_seed("large-clean", 1, ending::closed, large);
    const auto chained = [](database& db) {
        test_key_hash = &one_hash;
        for (int i = 0; i < 40; ++i) {
            db.set("c" + std::to_string(i), "collides");
        }
        test_key_hash = nullptr;
    };
    file_seed("overflow-clean", 1, ending::closed, chained);
    // What a stop of the machine leaves: the log of the last commits is in the journal alone.
    const auto committed = [](database& db) {
        for (int i = 0; i < 20; ++i) {
            db.set("key" + std::to_string(i % 7), std::string(static_cast<std::size_t>(i) * 9, 'j'),
                   durability::sync);
        }
    };
    file_seed("journal-clean", 1, ending::closed, committed);
    file_seed("journal-in-use", 4, ending::in_use, committed);
    file_seed("journal-needed", 4, ending::without_log, committed);
    const auto synced = [](database& db) {
        some_entries(db);
        db.sync();
        db.set("b", "more");
    };
    file_seed("synced-in-use", 1, ending::in_use, synced);
    const memory_file file(empty_database(1));
    options how;
    for (const bool distrust : {false, true, true}) {
        how.distrust = distrust;
        database db = database::open(file.path(), how);
        some_entries(db);
        db.close();
    }
    write("file/recovered-clean", file.bytes());
}

std::uint8_t code(operation what)
{
    return static_cast<std::uint8_t>(what);
}

void operation_seeds()
{
    using enum operation;
    for (std::uint8_t settings = 0; settings < 16; ++settings) {
        const auto durable = static_cast<std::uint8_t>((settings * 7U % 4U) << 4U);
        std::vector<std::uint8_t> bytes{static_cast<std::uint8_t>(settings | durable)};
        const auto put = [&](operation what, std::initializer_list<std::uint8_t> arguments) {
            bytes.push_back(code(what));
            bytes.insert(bytes.end(), arguments);
        };
        put(set_small, {1, 20, 'a'});
        put(set_small, {0, 5, 'b'});
        put(set_medium, {63, 200, 'c'});
        put(set_small, {1, 30, 'd'});
        put(erase, {0});
        put(get, {1});
        put(contains, {7});
        put(size, {});
        put(walk, {});
        switch (settings / 4) {
            case 0:
                put(fill, {0, 200});
                put(erase_many, {5, 60});
                put(reopen, {});
                put(fill, {20, 255});
                put(look_read_only, {});
                break;
            case 1:
                put(set_large, {9, 10, 'L'});
                put(second_handle, {9, 12, 'S'});
                put(sync, {});
                put(lose_process, {});
                put(set_large, {9, 3, 'M'});
                put(reopen_distrust, {});
                break;
            case 2:
                put(fill, {0, 60});
                put(erase_many, {0, 30});
                put(lose_process, {});
                put(second_handle, {2, 3, 'x'});
                put(reopen_distrust, {});
                break;
            default:
                put(fill, {0, 20});
                put(second_handle, {1, 0});
                put(erase_many, {1, 8});
                put(look_read_only, {});
                put(reopen_distrust, {});
                break;
        }
        put(erase, {1});
        write("operations/mixed-" + std::to_string(settings), bytes);
        put(multi_set, {5, 1, 20, 'p', 2, 255, 'q', 1, 30, 'r', 0, 0, 's', 63, 99, 't'});
        put(multi_get, {6, 1, 2, 63, 0, 9, 1});
        put(fill, {0, 30});
        put(reopen_distrust, {});
        put(multi_get, {3, 2, 1, 7});
        write("operations/many-" + std::to_string(settings), bytes);
    }
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc != 2) {
        std::fputs("use: make_fuzz_seeds FOLDER\n", stderr);
        return 2;
    }
    try {
        target = argv[1];
        file_seeds();
        operation_seeds();
        return 0;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "make_fuzz_seeds: %s\n", failure.what());
        return 1;
    }
}
