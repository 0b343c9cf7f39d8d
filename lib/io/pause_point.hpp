// SPDX-License-Identifier: BSL-1.0
// Named places of a search at which a test may hold it up while others go on. Nothing at all in ordinary builds.
#ifndef KVDB_IO_PAUSE_POINT_HPP
#define KVDB_IO_PAUSE_POINT_HPP

namespace kvdb {

#ifdef KVDB_TEST_HOOKS
using pause_hook = void (*)(const char* point) noexcept;
inline pause_hook test_pause_hook = nullptr;

inline void pause_point(const char* point) noexcept
{
    if (test_pause_hook != nullptr) {
        test_pause_hook(point);
    }
}
#else
inline void pause_point(const char*) noexcept {}
#endif

}  // namespace kvdb

#endif
