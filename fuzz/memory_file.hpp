// SPDX-License-Identifier: BSL-1.0
// A file without a name, in memory: nothing is left behind however a run ends.
#ifndef KVDB_FUZZ_MEMORY_FILE_HPP
#define KVDB_FUZZ_MEMORY_FILE_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvdb::fuzz {

/// Says what does not hold and aborts, which is how a fuzzer learns of it.
[[noreturn]] inline void fail(const std::string& what)
{
    std::fprintf(stderr, "property violated: %s\n", what.c_str());
    std::abort();
}

/// A replay does all that can be done with an input. The fuzzer does a part of it, at several times the rate: the
/// next mutation draws another.
#ifdef KVDB_LIBFUZZER
inline constexpr bool replaying = false;
#else
inline constexpr bool replaying = true;
#endif

class memory_file {
public:
    explicit memory_file(std::span<const std::uint8_t> bytes) : descriptor_(::memfd_create("kvdb-fuzz", MFD_CLOEXEC))
    {
        if (descriptor_ < 0) {
            std::perror("memfd_create");
            std::exit(1);
        }
        while (!bytes.empty()) {
            const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
            if (put <= 0) {
                std::perror("write");
                std::exit(1);
            }
            bytes = bytes.subspan(static_cast<std::size_t>(put));
        }
    }
    memory_file(memory_file&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    memory_file& operator=(memory_file&& other) noexcept
    {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    memory_file(const memory_file&) = delete;
    memory_file& operator=(const memory_file&) = delete;
    ~memory_file()
    {
        if (descriptor_ >= 0) {
            ::close(descriptor_);
        }
    }

    [[nodiscard]] std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
    [[nodiscard]] std::uint64_t size() const
    {
        struct stat status {};
        return ::fstat(descriptor_, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
    }
    [[nodiscard]] std::vector<std::uint8_t> bytes() const
    {
        std::vector<std::uint8_t> all(size());
        if (::pread(descriptor_, all.data(), all.size(), 0) != static_cast<ssize_t>(all.size())) {
            std::perror("pread");
            std::exit(1);
        }
        return all;
    }

private:
    int descriptor_;
};

}  // namespace kvdb::fuzz

#endif
