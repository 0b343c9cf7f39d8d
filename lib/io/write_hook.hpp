// SPDX-License-Identifier: BSL-1.0
// A seam for tests of media that refuse: what stands in for the calls that write to a file and that make it longer.
// The calls themselves in ordinary builds.
#ifndef KVDB_IO_WRITE_HOOK_HPP
#define KVDB_IO_WRITE_HOOK_HPP

#include <cstddef>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

namespace kvdb::io {

#ifdef KVDB_TEST_HOOKS
/// As the system's own: -1 and errno, or how much was written.
inline ssize_t (*test_write)(int descriptor, const void* bytes, std::size_t count, off_t offset) = ::pwrite;
inline int (*test_allocate)(int descriptor, int mode, off_t offset, off_t count) = ::fallocate;
/// Can a file be made without a name?
inline bool test_nameless_files = true;

inline ssize_t write_some(int descriptor, const void* bytes, std::size_t count, off_t offset)
{
    return test_write(descriptor, bytes, count, offset);
}
inline int allocate_blocks(int descriptor, int mode, off_t offset, off_t count)
{
    return test_allocate(descriptor, mode, offset, count);
}
[[nodiscard]] inline bool nameless_files() noexcept
{
    return test_nameless_files;
}
#else
inline ssize_t write_some(int descriptor, const void* bytes, std::size_t count, off_t offset)
{
    return ::pwrite(descriptor, bytes, count, offset);
}
inline int allocate_blocks(int descriptor, int mode, off_t offset, off_t count)
{
    return ::fallocate(descriptor, mode, offset, count);
}
[[nodiscard]] constexpr bool nameless_files() noexcept
{
    return true;
}
#endif

}  // namespace kvdb::io

#endif
