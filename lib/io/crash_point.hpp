// SPDX-License-Identifier: BSL-1.0
// Named places where a test may kill the process. Nothing at all in ordinary builds.
#ifndef KVDB_IO_CRASH_POINT_HPP
#define KVDB_IO_CRASH_POINT_HPP

namespace kvdb {

#ifdef KVDB_TEST_HOOKS
using crash_hook = void (*)(const char* point);
inline crash_hook test_crash_hook = nullptr;

inline void crash_point(const char* point) noexcept
{
    if (test_crash_hook != nullptr) {
        test_crash_hook(point);
    }
}
#else
inline void crash_point(const char*) noexcept {}
#endif

}  // namespace kvdb

#endif
