// SPDX-License-Identifier: BSL-1.0
// Empty databases whose bytes do not depend on chance, so that an input does the same on every run.
#ifndef KVDB_FUZZ_TEMPLATES_HPP
#define KVDB_FUZZ_TEMPLATES_HPP

#include "image.hpp"
#include "memory_file.hpp"

#include "database/journal.hpp"

#include <kvdb/kvdb.hpp>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace kvdb::fuzz {

inline constexpr std::uint64_t fixed_seed = 0x6b766462;

/// Inputs are small, and so is their journal.
inline const bool small_journals = [] {
    test_policy<journal_policy> = {4 * 1'024, 0, 1};
    return true;
}();

/// The bytes of a new, clean, empty database: seed and uuid are fixed, and the time of creation is zero.
inline std::vector<std::uint8_t> empty_database(std::uint32_t shard_count)
{
    std::string folder = (std::filesystem::temp_directory_path() / "kvdb-fuzz-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) {
        std::perror("mkdtemp");
        std::exit(1);
    }
    const std::filesystem::path path = std::filesystem::path(folder) / "empty.kvdb";
    options how;
    how.shard_count = shard_count;
    how.max_handles = 8;
    database::open(path, how).close();
    std::vector<std::uint8_t> bytes(std::filesystem::file_size(path));
    std::FILE* file = std::fopen(path.c_str(), "rb");
    const bool whole = file != nullptr && std::fread(bytes.data(), 1, bytes.size(), file) == bytes.size();
    if (file != nullptr) {
        std::fclose(file);
    }
    std::filesystem::remove_all(folder);
    if (!whole) {
        std::perror("cannot read an empty database");
        std::exit(1);
    }
    image made(bytes);
    format::superblock block = made.superblock();
    block.identity.seed = fixed_seed;
    block.identity.created_unix_ms = 0;
    std::memset(block.identity.uuid, 0x5a, sizeof block.identity.uuid);
    made.store(format::superblock_offset, block);
    made.repair_identity();
    made.repair_clean();
    return bytes;
}

}  // namespace kvdb::fuzz

#endif
