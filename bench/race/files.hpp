// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_FILES_HPP
#define KVDB_BENCH_RACE_FILES_HPP

#include <cstdint>
#include <filesystem>
#include <string>

namespace kvdb::bench {

/// What the file system has allocated for the files below `folder`.
std::uint64_t disk_bytes(const std::filesystem::path& folder);

/// A new folder inside `parent`, gone with this object. A forked child leaves it alone.
class scratch_folder {
public:
    explicit scratch_folder(const std::filesystem::path& parent);
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder();

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// The processor, cores, memory and system, and the file system that `folder` is on.
std::string machine(const std::filesystem::path& folder);

}  // namespace kvdb::bench

#endif
