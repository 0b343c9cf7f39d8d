// SPDX-License-Identifier: BSL-1.0
// The lower layers over one file, without gate, recovery or session: for tests that look at a layer alone.
#ifndef KVDB_TESTS_EXTENTS_RAW_STORE_HPP
#define KVDB_TESTS_EXTENTS_RAW_STORE_HPP

#include "extents/allocator.hpp"
#include "extents/segment_algorithm.hpp"
#include "format/validate.hpp"
#include "io/attachment.hpp"
#include "io/file.hpp"
#include "io/memory.hpp"
#include "shard/context.hpp"
#include "support/scratch.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace kvdb::testing {

/// Writes an empty, clean database with `spare` bytes behind its tables.
inline void make_raw_file(const std::filesystem::path& path, const extents::creation& how = {1, 8},
                          std::uint64_t spare = 0)
{
    std::vector<std::uint64_t> words((extents::fixed_size(how) + spare) / 8);
    auto* base = reinterpret_cast<std::byte*>(words.data());
    std::memcpy(base, &format::boost_initialised, sizeof format::boost_initialised);
    extents::initialise(base, words.size() * 8, how);
    write_bytes(path, {reinterpret_cast<const char*>(base), words.size() * 8});
}

[[nodiscard]] inline std::uint64_t published_size(const io::file& data)
{
    std::uint64_t size = 0;
    constexpr std::uint64_t at = format::superblock_offset + offsetof(format::superblock, state);
    static_cast<void>(data.read_at(at, std::as_writable_bytes(std::span(&size, 1))));
    return size;
}

struct raw_store {
    io::file data;
    io::memory memory;
    io::attachment self;
    extents::party who;
    extents::allocator allocator;
    shard::context all;

    explicit raw_store(const std::filesystem::path& path)
        : data(io::file::open(path, io::access::write)),
          memory(data, io::mapping_kind::shared, published_size(data)),
          self(io::attachment::claim(data, memory)),
          who{&self, std::chrono::milliseconds(20'000)},
          allocator(memory, data, who),
          all{memory,
              allocator,
              who,
              id().seed,
              id().shard_table_offset,
              static_cast<std::uint32_t>(std::countr_zero(id().shard_count)),
              true}
    {
        store_release(memory.superblock().state.clean, std::uint32_t{0});
    }
    raw_store(const raw_store&) = delete;
    raw_store& operator=(const raw_store&) = delete;
    ~raw_store() { self.detach(); }

    [[nodiscard]] const format::identity_block& id() const { return memory.superblock().identity; }
    [[nodiscard]] format::superblock& block() { return memory.superblock(); }
    [[nodiscard]] format::shard_block& shard(std::uint32_t number) const { return all.block(number); }
    [[nodiscard]] format::attachment_slot& slot(std::uint32_t number) { return memory.attachment(number); }

    /// What the last to close does: afterwards the index is trusted as it stands.
    void mark_clean()
    {
        for (std::uint32_t slot = 0; slot < id().attachment_count; ++slot) {
            for (std::uint32_t i = 0; i < std::size(memory.attachment(slot).staged); ++i) {
                allocator.unstage(slot, i);
            }
        }
        allocator.repair_locks();
        block().state.clean = 1;
        block().state.clean_checksum = format::clean_checksum(block(), &shard(0), id().shard_count);
    }
};

}  // namespace kvdb::testing

#endif
