// SPDX-License-Identifier: BSL-1.0
#include "io/file.hpp"

#include <cerrno>
#include <chrono>
#include <string>

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

namespace kvdb::io {

bool link_into_place(file& made, const std::filesystem::path& final_name)
{
    const std::string source =
        made.nameless_ ? "/proc/self/fd/" + std::to_string(made.descriptor_) : made.path_.string();
    const int follow = made.nameless_ ? AT_SYMLINK_FOLLOW : 0;
    int failure = ::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, final_name.c_str(), follow) == 0 ? 0 : errno;
    if (failure != 0 && failure != EEXIST && !made.nameless_) {
        // A file system without hard links: a rename that does not replace.
        failure =
            ::renameat2(AT_FDCWD, source.c_str(), AT_FDCWD, final_name.c_str(), RENAME_NOREPLACE) == 0 ? 0 : errno;
    }
    if (made.temporary_) {
        ::unlink(source.c_str());
        made.temporary_ = false;
    }
    if (failure != 0 && failure != EEXIST) {
        throw_errno(failure, "cannot put into place", final_name);
    }
    return failure == 0;
}

void sync_folder_of(const std::filesystem::path& path)
{
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        throw_errno(errno, "cannot open the folder", folder);
    }
    const int failure = ::fsync(descriptor) == 0 ? 0 : errno;
    ::close(descriptor);
    if (failure != 0 && failure != EINVAL && failure != EROFS) {
        throw_errno(failure, "cannot flush the folder", folder);
    }
}

void fill_random(std::span<std::byte> bytes)
{
    while (!bytes.empty()) {
        const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
        if (got < 0 && errno != EINTR) {
            throw_errno(errno, "cannot draw random numbers from", "getrandom");
        }
        bytes = bytes.subspan(got > 0 ? static_cast<std::size_t>(got) : 0);
    }
}

std::uint64_t random_word()
{
    std::uint64_t word = 0;
    fill_random(std::as_writable_bytes(std::span(&word, 1)));
    return word;
}

std::uint64_t unix_milliseconds() noexcept
{
    using namespace std::chrono;
    return static_cast<std::uint64_t>(duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count());
}

std::uint32_t process_id() noexcept
{
    return static_cast<std::uint32_t>(::getpid());
}

}  // namespace kvdb::io
