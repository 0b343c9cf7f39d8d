// SPDX-License-Identifier: BSL-1.0
// Mapped memory over a file of a few pages, with nothing of a database in it: whoever reads behind its end dies.
#ifndef KVDB_TESTS_INDEX_LONE_FILE_HPP
#define KVDB_TESTS_INDEX_LONE_FILE_HPP

#include "format/index.hpp"
#include "io/file.hpp"
#include "io/memory.hpp"
#include "support/scratch.hpp"

#include <cstdint>
#include <string>

namespace kvdb::testing {

struct lone_file {
    scratch_folder folder{fast_parent()};
    io::file file;
    io::memory memory;

    explicit lone_file(std::uint64_t size)
        : file(made(folder / "lone", size)), memory(file, io::mapping_kind::shared, size)
    {
    }
    static io::file made(const std::filesystem::path& path, std::uint64_t size)
    {
        write_bytes(path, std::string(size, '\0'));
        return io::file::open(path, io::access::write);
    }
    [[nodiscard]] format::segment& segment(std::uint64_t offset) { return memory.at<format::segment>(offset); }
};

/// The number of the record that an offset stands for in these tests, which have no records.
[[nodiscard]] constexpr std::uint64_t record_offset(std::uint64_t number) noexcept
{
    return (number + 1) * 4;
}

}  // namespace kvdb::testing

#endif
