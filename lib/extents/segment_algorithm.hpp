// SPDX-License-Identifier: BSL-1.0
// The superblock as Boost.Interprocess sees it: a memory algorithm, so that a .kvdb file is a managed mapped file of
//
//     boost::interprocess::basic_managed_mapped_file<char, segment_algorithm, segment_index>
//
// Boost constructs it in place when it creates a file; its members are bytes 16 to 4079. Objects cannot be made
// through Boost's own interface: `allocate` always declines. kvdb's records live in extents.
#ifndef KVDB_EXTENTS_SEGMENT_ALGORITHM_HPP
#define KVDB_EXTENTS_SEGMENT_ALGORITHM_HPP

#include "format/superblock.hpp"

#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/offset_ptr.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>

#include <cstddef>
#include <cstdint>

namespace kvdb::extents {

/// What is chosen when a file is made.
struct creation {
    std::uint32_t shard_count = 64;
    std::uint32_t attachment_count = 384;
};

/// Bytes before the first extent.
[[nodiscard]] std::uint64_t fixed_size(const creation& how) noexcept;

/// Writes header and tables of an empty, clean database into `size` zeroed bytes at `base`, Boost's first word and
/// stubs excepted. `size` must be at least fixed_size(how). Throws only if the system has no random numbers.
void initialise(std::byte* base, std::uint64_t size, const creation& how);

/// As above, with what Boost.Interprocess lays around the superblock, its first word excepted.
void make_segment(std::byte* base, std::uint64_t size, const creation& how);

class segment_algorithm {
public:
    using void_pointer = boost::interprocess::offset_ptr<void>;
    using mutex_family = boost::interprocess::null_mutex_family;
    using size_type = std::size_t;
    using difference_type = std::ptrdiff_t;
    struct multiallocation_chain {};
    static constexpr size_type Alignment = 16;  // places the superblock at offset 16
    static constexpr size_type PayloadPerAllocation = 0;

    /// Called by Boost at offset 16 of a new, zeroed segment. Cannot report failure: a segment too small for a
    /// database is left without magic, and kvdb refuses it.
    segment_algorithm(size_type size, size_type extra_header) noexcept;

    [[nodiscard]] static size_type get_min_size(size_type extra_header) noexcept;
    [[nodiscard]] size_type get_size() const noexcept;
    [[nodiscard]] size_type get_free_memory() const noexcept { return 0; }
    void* allocate(size_type) noexcept { return nullptr; }
    void deallocate(void*) noexcept {}
    /// Boost's offline `grow`: the space joins the file's last free run.
    void grow(size_type extra) noexcept;
    void shrink_to_fit() noexcept {}
    bool all_memory_deallocated() const noexcept { return false; }
    bool check_sanity() const noexcept { return true; }
    void zero_free_memory() noexcept {}

    [[nodiscard]] format::superblock& block() noexcept { return block_; }

private:
    format::superblock block_;
};
static_assert(sizeof(segment_algorithm) == format::superblock_size);
static_assert(std::is_standard_layout_v<segment_algorithm>);
static_assert(alignof(segment_algorithm) <= 16);

/// Eight bytes of nothing where Boost would keep names of objects.
template <class Config>
class segment_index {
public:
    struct const_iterator {};
    explicit segment_index(typename Config::segment_manager_base*) noexcept {}

private:
    [[maybe_unused]] std::uint64_t stub_ = 0;
};

}  // namespace kvdb::extents

#endif
