// SPDX-License-Identifier: BSL-1.0
// A seam for tests that model the medium: told of every flush, before the system is. Nothing at all in ordinary
// builds.
#ifndef KVDB_IO_FLUSH_HOOK_HPP
#define KVDB_IO_FLUSH_HOOK_HPP

#include <cstdint>
#include <span>

namespace kvdb::io {

/// Bytes of the file, [begin, end).
struct byte_range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

#ifdef KVDB_TEST_HOOKS
/// No ranges: the whole file. False: the flush is to fail.
using flush_hook = bool (*)(int descriptor, std::span<const byte_range> ranges);
inline flush_hook test_flush_hook = nullptr;

[[nodiscard]] inline bool flush_may_begin(int descriptor, std::span<const byte_range> ranges = {})
{
    return test_flush_hook == nullptr || test_flush_hook(descriptor, ranges);
}
#else
[[nodiscard]] inline bool flush_may_begin(int, std::span<const byte_range> = {}) noexcept
{
    return true;
}
#endif

}  // namespace kvdb::io

#endif
