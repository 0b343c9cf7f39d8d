// SPDX-License-Identifier: BSL-1.0
// Shared by the parts of the allocator: its lock, and how free runs are sorted into lists.
#ifndef KVDB_EXTENTS_ALLOCATOR_LOCK_HPP
#define KVDB_EXTENTS_ALLOCATOR_LOCK_HPP

#include "extents/allocator.hpp"
#include "io/lock_word.hpp"

#include <algorithm>
#include <bit>

namespace kvdb::extents {

/// The allocator's lock, with whatever a dead holder began carried out first.
class allocator::locked {
public:
    explicit locked(const allocator& owner) : word_(owner.memory_.superblock().locks.allocator)
    {
        // Fresh or taken over makes no difference: all that a holder does is one redo program.
        static_cast<void>(io::lock(word_, *owner.who_.self, owner.who_.timeout, "the allocator's lock"));
        try {
            owner.know_whole_file();
            allocator_program::replay(owner.memory_, owner.block().intent);
        } catch (...) {
            io::unlock(word_);
            throw;
        }
    }
    locked(const locked&) = delete;
    locked& operator=(const locked&) = delete;
    ~locked() { io::unlock(word_); }

private:
    std::uint64_t& word_;
};

inline std::uint32_t size_class_of(std::uint64_t units) noexcept
{
    return std::min<std::uint32_t>(static_cast<std::uint32_t>(std::bit_width(units)) - 1, format::size_classes - 1);
}

}  // namespace kvdb::extents

#endif
