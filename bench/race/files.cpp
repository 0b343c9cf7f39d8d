// SPDX-License-Identifier: BSL-1.0
#include "files.hpp"

#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace kvdb::bench {
namespace {

std::string processor()
{
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
        const auto colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) {
            return line.substr(colon + 2);
        }
    }
    return "unknown processor";
}

std::string file_system(const std::filesystem::path& folder)
{
    struct statfs found {};
    if (::statfs(folder.c_str(), &found) != 0) {
        return "unknown file system";
    }
    switch (static_cast<std::uint64_t>(found.f_type)) {
        case EXT4_SUPER_MAGIC: return "ext4";
        case TMPFS_MAGIC: return "tmpfs";
        case XFS_SUPER_MAGIC: return "xfs";
        case BTRFS_SUPER_MAGIC: return "btrfs";
        case OVERLAYFS_SUPER_MAGIC: return "overlayfs";
        default: return "another file system";
    }
}

}  // namespace

std::uint64_t disk_bytes(const std::filesystem::path& folder)
{
    std::uint64_t bytes = 0;
    for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
        struct stat found {};
        if (::lstat(file.path().c_str(), &found) == 0 && S_ISREG(found.st_mode)) {
            bytes += static_cast<std::uint64_t>(found.st_blocks) * 512;
        }
    }
    return bytes;
}

scratch_folder::scratch_folder(const std::filesystem::path& parent)
{
    std::string name = (parent / "bench-race.XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::system_error(errno, std::generic_category(), "cannot make " + name);
    }
    path_ = name;
}

scratch_folder::~scratch_folder()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string machine(const std::filesystem::path& folder)
{
    utsname system{};
    ::uname(&system);
    const long pages = ::sysconf(_SC_PHYS_PAGES);
    const long gib = pages / ((1L << 30) / ::sysconf(_SC_PAGESIZE));
    return processor() + ", " + std::to_string(std::thread::hardware_concurrency()) + " threads of hardware, " +
           std::to_string(gib) + " GiB, " + system.sysname + " " + system.release + ", " + file_system(folder);
}

}  // namespace kvdb::bench
