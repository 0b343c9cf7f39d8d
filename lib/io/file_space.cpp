// SPDX-License-Identifier: BSL-1.0
// Writing, and space to write to: a size limit or a full disk is an error here, never a signal.
#include "io/file.hpp"

#include "base/seeded_fault.hpp"
#include "io/write_hook.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace kvdb::io {
namespace {

/// Keeps SIGXFSZ from the thread while the file grows: a limit is an error here, not a signal.
class without_size_signal {
public:
    without_size_signal() noexcept
    {
        sigemptyset(&signal_);
        if (!seeded_fault("size-signal-let-through")) {
            sigaddset(&signal_, SIGXFSZ);
        }
        pthread_sigmask(SIG_BLOCK, &signal_, &before_);
    }
    without_size_signal(const without_size_signal&) = delete;
    without_size_signal& operator=(const without_size_signal&) = delete;
    ~without_size_signal()
    {
        if (sigismember(&before_, SIGXFSZ) == 0) {
            const timespec now{};
            while (sigtimedwait(&signal_, nullptr, &now) == SIGXFSZ) {
            }
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    sigset_t signal_{};
    sigset_t before_{};
};

int reserve_blocks(int descriptor, std::uint64_t begin, std::uint64_t end)
{
    rlimit limit{};
    if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && end > limit.rlim_cur) {
        return EFBIG;
    }
    const without_size_signal quiet;
    for (;;) {
        if (allocate_blocks(descriptor, 0, static_cast<off_t>(begin), static_cast<off_t>(end - begin)) == 0) {
            return 0;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EOPNOTSUPP) {
            return errno;
        }
        return ::posix_fallocate(descriptor, static_cast<off_t>(begin), static_cast<off_t>(end - begin));
    }
}

}  // namespace

void file::write_at(std::uint64_t offset, std::span<const std::byte> bytes)
{
    // One call instead of three where there is no limit: this is the way of each durable set.
    rlimit limit{};
    std::optional<without_size_signal> quiet;
    if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY) {
        quiet.emplace();
    }
    while (!bytes.empty()) {
        const ssize_t put = write_some(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            throw_errno(put < 0 ? errno : EIO, "cannot write at offset " + std::to_string(offset) + " of", path_);
        }
        if (seeded_fault("short-write-taken-as-whole")) {
            return;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(put));
        offset += static_cast<std::uint64_t>(put);
    }
}

void file::allocate(std::uint64_t begin, std::uint64_t end)
{
    const std::uint64_t before = size();
    const int failure = reserve_blocks(descriptor_, begin, end);
    if (failure != 0) {
        if (size() > before) {
            static_cast<void>(::ftruncate(descriptor_, static_cast<off_t>(before)));
        }
        throw_errno(failure, "cannot grow to " + std::to_string(end) + " bytes", path_);
    }
}

namespace {

/// Calls `visit(begin, end)` for each hole below `limit`.
template <class Visit>
void for_each_hole(int descriptor, off_t limit, const Visit& visit)
{
    for (off_t hole = ::lseek(descriptor, 0, SEEK_HOLE); hole >= 0 && hole < limit;) {
        const off_t data = ::lseek(descriptor, hole, SEEK_DATA);
        const off_t end = data < 0 ? limit : std::min(data, limit);  // none: a hole up to the end
        visit(static_cast<std::uint64_t>(hole), static_cast<std::uint64_t>(end));
        hole = ::lseek(descriptor, end, SEEK_HOLE);
    }
}

}  // namespace

void file::allocate_holes(std::uint64_t end)
{
    const std::uint64_t present = disk_bytes();
    if (present >= end || seeded_fault("holes-left-open")) {
        return;
    }
    const auto limit = static_cast<off_t>(end);
    std::uint64_t missing = 0;
    for_each_hole(descriptor_, limit, [&](std::uint64_t from, std::uint64_t to) { missing += to - from; });
    // What was allocated and never written counts as a hole as well.
    missing = std::min(missing, end - present);
    // An attempt that cannot succeed would leave the disk full.
    struct statfs room {};
    if (::fstatfs(descriptor_, &room) == 0 && room.f_blocks != 0 &&
        (::geteuid() == 0 ? room.f_bfree : room.f_bavail) < missing / static_cast<std::uint64_t>(room.f_bsize)) {
        throw_errno(ENOSPC, "cannot allocate the holes of", path_);
    }
    for_each_hole(descriptor_, limit, [&](std::uint64_t from, std::uint64_t to) { allocate(from, to); });
}

void file::fill_with_zeros(std::uint64_t begin, std::uint64_t end, fill how)
{
    static constinit std::array<std::byte, std::size_t{2} << 20> zeros{};  // never stored to: one page of memory
    const std::uint64_t step = how == fill::to_be_written ? 64 * 1024 : zeros.size();
    while (begin < end) {
        const std::uint64_t piece = std::min<std::uint64_t>(end - begin, step - begin % step);
        write_at(begin, std::span(zeros).first(piece));
        begin += piece;
    }
}

void file::truncate(std::uint64_t size)
{
    if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) {
        throw_errno(errno, "cannot truncate", path_);
    }
}

}  // namespace kvdb::io
