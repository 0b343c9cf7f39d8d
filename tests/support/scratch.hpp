// SPDX-License-Identifier: BSL-1.0
// Folders that vanish with the test, and files as byte strings.
#ifndef KVDB_TESTS_SUPPORT_SCRATCH_HPP
#define KVDB_TESTS_SUPPORT_SCRATCH_HPP

#include <sys/stat.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>

namespace kvdb::testing {

/// A folder of one's own; removed with all that is in it.
class scratch_folder {
public:
    explicit scratch_folder(const std::filesystem::path& parent = std::filesystem::temp_directory_path())
    {
        std::string name = (parent / "kvdb-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("no scratch folder below " + parent.string());
        }
        path_ = name;
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    ~scratch_folder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

/// A folder in memory where there is one: for tests that open thousands of files.
[[nodiscard]] inline std::filesystem::path fast_parent()
{
    const std::filesystem::path memory = "/dev/shm";
    std::error_code error;
    const auto space = std::filesystem::space(memory, error);
    return !error && space.available > (std::uintmax_t{256} << 20) ? memory : std::filesystem::temp_directory_path();
}

[[nodiscard]] inline std::string read_bytes(const std::filesystem::path& path)
{
    std::ifstream in(path, std::ios::binary);
    if (!in) {
        throw std::runtime_error("cannot read " + path.string());
    }
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes)
{
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) {
        throw std::runtime_error("cannot write " + path.string());
    }
}

/// What the file system has allocated, in bytes.
[[nodiscard]] inline std::uint64_t allocated_bytes(const std::filesystem::path& path)
{
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        throw std::runtime_error("cannot stat " + path.string());
    }
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

/// A number from the environment, for runs larger or longer than the usual ones.
[[nodiscard]] inline std::uint64_t setting(const char* name, std::uint64_t usual)
{
    const char* text = std::getenv(name);
    return text != nullptr && *text != '\0' ? std::strtoull(text, nullptr, 10) : usual;
}

}  // namespace kvdb::testing

#endif
