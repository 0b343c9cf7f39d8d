// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_TOUCH_MEMORY_HPP
#define KVDB_BENCH_TOUCH_MEMORY_HPP

#include <cstddef>
#include <cstring>

#include <sys/mman.h>

namespace kvdb::bench {

/// Leaves the system with free memory that was touched a moment ago. In a virtual machine the first touch of a page
/// costs more than anything that is measured here, and whoever comes first after a while pays it.
inline void touch_memory(std::size_t bytes)
{
    void* const address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address != MAP_FAILED) {
        static_cast<void>(::madvise(address, bytes, MADV_HUGEPAGE));
        std::memset(address, 1, bytes);
        ::munmap(address, bytes);
    }
}

}  // namespace kvdb::bench

#endif
