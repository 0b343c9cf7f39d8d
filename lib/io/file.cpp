// SPDX-License-Identifier: BSL-1.0
#include "io/file.hpp"

#include "base/seeded_fault.hpp"
#include "format/validate.hpp"
#include "io/crash_point.hpp"
#include "io/flush_hook.hpp"
#include "io/write_hook.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace kvdb::io {
namespace {

errc reason_of(int number) noexcept
{
    switch (number) {
        case ENOENT:
        case ENOTDIR: return errc::no_such_file;
        case EEXIST: return errc::file_exists;
        case EACCES:
        case EPERM: return errc::no_permission;
        case EROFS: return errc::read_only;
        case ENOSPC:
        case EDQUOT: return errc::disk_full;
        case EFBIG: return errc::file_too_large;
        case ENOMEM: return errc::no_memory;
        case EISDIR:
        case ENXIO: return errc::not_a_database;
        default: return errc::io_failure;
    }
}

struct stat status_of(const file& opened)
{
    struct stat status {};
    if (::fstat(opened.descriptor(), &status) != 0) {
        throw_errno(errno, "cannot examine", opened.path());
    }
    return status;
}

}  // namespace

void throw_errno(int number, const std::string& action, const std::filesystem::path& path)
{
    throw error(reason_of(number), action + " '" + path.string() + "': " + std::generic_category().message(number));
}

file file::open(const std::filesystem::path& path, access how)
{
    const int mode = how == access::write ? O_RDWR : O_RDONLY;
    const int descriptor = ::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0) {
        throw_errno(errno, "cannot open", path);
    }
    file opened(descriptor, path);
    if (!S_ISREG(status_of(opened).st_mode)) {
        throw error(errc::not_a_database, "cannot open '" + path.string() + "': not a regular file");
    }
    return opened;
}

file file::create_for(const std::filesystem::path& final_name)
{
    const std::filesystem::path folder = final_name.has_parent_path() ? final_name.parent_path() : ".";
    if (nameless_files()) {
        const int descriptor = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
        if (descriptor >= 0) {
            file made(descriptor, final_name);
            made.nameless_ = true;
            return made;
        }
        if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
            throw_errno(errno, "cannot create", final_name);
        }
    }
    std::filesystem::path name = final_name;
    name += "." + std::to_string(random_word()) + ".new";
    const int named = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
    if (named < 0) {
        throw_errno(errno, "cannot create", name);
    }
    file made(named, name);
    made.temporary_ = true;
    return made;
}

file file::reopen(access how) const
{
    const int mode = (how == access::write ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    const std::string link = "/proc/self/fd/" + std::to_string(descriptor_);
    int descriptor = ::open(link.c_str(), mode);
    if (descriptor < 0) {
        descriptor = ::open(path_.c_str(), mode);  // no /proc here
    }
    if (descriptor < 0) {
        throw_errno(errno, "cannot open again", path_);
    }
    file opened(descriptor, path_);
    if (!opened.same_file(*this)) {
        throw error(errc::io_failure, "'" + path_.string() + "' was replaced by another file while it was opened");
    }
    return opened;
}

file::file(file&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      nameless_(other.nameless_),
      temporary_(std::exchange(other.temporary_, false)),
      path_(std::move(other.path_)),
      patches_(std::move(other.patches_))
{
}

file& file::operator=(file&& other) noexcept
{
    if (this != &other) {
        close();
        descriptor_ = std::exchange(other.descriptor_, -1);
        nameless_ = other.nameless_;
        temporary_ = std::exchange(other.temporary_, false);
        path_ = std::move(other.path_);
        patches_ = std::move(other.patches_);
    }
    return *this;
}

file::~file()
{
    close();
}

void file::close() noexcept
{
    if (std::exchange(temporary_, false) && !seeded_fault("half-made-file-kept")) {
        ::unlink(path_.c_str());
    }
    if (descriptor_ >= 0) {
        ::close(std::exchange(descriptor_, -1));
    }
}

std::uint64_t file::size() const
{
    return static_cast<std::uint64_t>(status_of(*this).st_size);
}

std::uint64_t file::disk_bytes() const
{
    return static_cast<std::uint64_t>(status_of(*this).st_blocks) * 512;
}

bool file::same_file(const file& other) const
{
    const struct stat mine = status_of(*this);
    const struct stat theirs = status_of(other);
    return mine.st_dev == theirs.st_dev && mine.st_ino == theirs.st_ino;
}

bool file::identify(format::file_identity& identity) const noexcept
{
    constexpr unsigned unique_mount_id = 0x4000;  // STATX_MNT_ID_UNIQUE, Linux 6.8; older headers lack the name
    struct statx status {};
    const unsigned wanted = STATX_INO | STATX_BTIME | unique_mount_id;
    if (::statx(descriptor_, "", AT_EMPTY_PATH, wanted, &status) != 0 || (status.stx_mask & wanted) != wanted) {
        return false;
    }
    const int boot = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (boot < 0) {
        return false;
    }
    char text[36];
    const bool whole = ::read(boot, text, sizeof text) == static_cast<ssize_t>(sizeof text);
    ::close(boot);
    if (!whole) {
        return false;
    }
    identity = {};
    std::size_t digits = 0;
    for (const char c : text) {
        const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (value >= 0 && digits < 32) {
            auto& byte = identity.boot_id[digits / 2];
            byte = static_cast<std::uint8_t>((byte << 4) | value);
            ++digits;
        }
    }
    identity.device = (std::uint64_t{status.stx_dev_major} << 32) | status.stx_dev_minor;
    identity.inode = status.stx_ino;
    identity.birth_ns =
        static_cast<std::uint64_t>(status.stx_btime.tv_sec) * 1'000'000'000U + status.stx_btime.tv_nsec;
    identity.mount_id = status.stx_mnt_id;
    identity.checksum = format::file_identity_checksum(identity);
    return digits == 32;
}

std::size_t file::read_at(std::uint64_t offset, std::span<std::byte> bytes) const
{
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got =
            ::pread(descriptor_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            throw_errno(errno, "cannot read at offset " + std::to_string(offset + done) + " of", path_);
        }
        if (got == 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    const auto touched = std::partition_point(patches_.begin(), patches_.end(), [&](const patch& each) {
        return each.offset + each.bytes.size() <= offset;
    });
    for (auto each = touched; each != patches_.end() && each->offset < offset + done; ++each) {
        const std::uint64_t from = std::max(each->offset, offset);
        const std::uint64_t to = std::min(each->offset + each->bytes.size(), offset + done);
        std::memcpy(bytes.data() + (from - offset), each->bytes.data() + (from - each->offset), to - from);
    }
    return bytes.size() - done;
}

bool file::ranges_flush_together() const noexcept
{
    constexpr auto ext4 = 0xef53;
    constexpr auto xfs = 0x58465342;
    constexpr auto tmpfs = 0x01021994;
    struct statfs status {};
    return ::fstatfs(descriptor_, &status) == 0 &&
           (status.f_type == ext4 || status.f_type == xfs || status.f_type == tmpfs);
}

namespace {

void write_back(const file& data, std::uint64_t begin, std::uint64_t end, unsigned how)
{
    while (::sync_file_range(data.descriptor(), static_cast<off_t>(begin), static_cast<off_t>(end - begin), how) !=
           0) {
        if (errno != EINTR) {
            throw_errno(errno, "cannot write back", data.path());
        }
    }
}

}  // namespace

void file::begin_write_back(std::uint64_t begin, std::uint64_t end) const
{
    write_back(*this, begin, end, SYNC_FILE_RANGE_WRITE);
}

void file::finish_write_back(std::uint64_t begin, std::uint64_t end) const
{
    write_back(*this, begin, end, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

void file::sync() const
{
    crash_point("file.sync");
    if (!flush_may_begin(descriptor_)) {
        throw_errno(EIO, "cannot flush", path_);
    }
    while (::fdatasync(descriptor_) != 0) {
        if (errno != EINTR) {
            throw_errno(errno, "cannot flush", path_);
        }
    }
}

namespace {

struct flock range_of(lock_kind kind, std::uint64_t first, std::uint64_t count) noexcept
{
    struct flock range {};
    range.l_type = kind == lock_kind::none ? F_UNLCK : kind == lock_kind::shared ? F_RDLCK : F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(first);
    range.l_len = static_cast<off_t>(count);
    return range;
}

}  // namespace

bool file::try_lock(lock_kind kind, std::uint64_t first, std::uint64_t count) const
{
    struct flock range = range_of(kind, first, count);
    while (::fcntl(descriptor_, F_OFD_SETLK, &range) != 0) {
        if (errno == EAGAIN || errno == EACCES) {
            return false;
        }
        if (errno != EINTR) {
            throw_errno(errno, "cannot lock", path_);
        }
    }
    return true;
}

bool file::locked_by_other(std::uint64_t first, std::uint64_t count) const
{
    struct flock range = range_of(lock_kind::exclusive, first, count);
    if (::fcntl(descriptor_, F_OFD_GETLK, &range) != 0) {
        throw_errno(errno, "cannot ask for locks of", path_);
    }
    return range.l_type != F_UNLCK;
}

}  // namespace kvdb::io
