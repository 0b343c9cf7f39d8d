// SPDX-License-Identifier: BSL-1.0
// The bytes of a .kvdb file as its format sees them: where things lie, and how to make checksums right again.
#ifndef KVDB_FUZZ_IMAGE_HPP
#define KVDB_FUZZ_IMAGE_HPP

#include "base/hash.hpp"
#include "format/index.hpp"
#include "format/journal.hpp"
#include "format/validate.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kvdb::fuzz {

/// Where something lies in the file.
struct region {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

/// Looks at bytes that somebody else owns. Nothing in them is taken for granted.
class image {
public:
    explicit image(std::span<std::uint8_t> bytes) : bytes_(bytes) {}

    [[nodiscard]] std::uint64_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] bool covers(std::uint64_t offset, std::uint64_t count) const noexcept
    {
        return offset <= size() && count <= size() - offset;
    }
    template <class Struct>
    [[nodiscard]] Struct load(std::uint64_t offset) const
    {
        Struct result{};
        if (covers(offset, sizeof result)) {
            std::memcpy(&result, bytes_.data() + offset, sizeof result);
        }
        return result;
    }
    template <class Struct>
    void store(std::uint64_t offset, const Struct& value)
    {
        if (covers(offset, sizeof value)) {
            std::memcpy(bytes_.data() + offset, &value, sizeof value);
        }
    }
    [[nodiscard]] format::superblock superblock() const
    {
        return load<format::superblock>(format::superblock_offset);
    }

    /// What looks like extents, checksums apart; run by run, as recovery finds them.
    [[nodiscard]] std::vector<region> extents() const
    {
        std::vector<region> found;
        const std::uint64_t first = superblock().identity.first_extent_offset;
        for (std::uint64_t at = first - first % format::unit_size; covers(at, format::unit_size);) {
            const auto header = load<format::extent_header>(at);
            const std::uint64_t length = std::uint64_t{header.units} * format::unit_size;
            if (header.kind >= 1 && header.kind <= 4 && length != 0 && covers(at, length)) {
                found.push_back({at, length});
                at += length;
            } else {
                at += format::unit_size;
            }
        }
        return found;
    }

    /// What looks like records in an extent, checksums apart.
    [[nodiscard]] std::vector<region> records(const region& extent) const
    {
        std::vector<region> found;
        const auto header = load<format::extent_header>(extent.offset);
        const bool large = header.kind == static_cast<std::uint16_t>(format::extent_kind::large);
        if (header.kind == static_cast<std::uint16_t>(format::extent_kind::index) || is_journal(extent)) {
            return found;
        }
        std::uint64_t at = extent.offset + format::extent_header_size;
        const std::uint64_t end = extent.offset + extent.size;
        while (at + format::record_header_size <= end) {
            const auto record = load<format::record_header>(at);
            const std::uint64_t length = format::record_size(record.meta, record.key_length, record.value_length);
            if ((record.meta & format::meta_kind_mask) == 0 || length > end - at) {
                break;
            }
            found.push_back({at, length});
            at += length;
            if (large) {
                break;
            }
        }
        return found;
    }

    [[nodiscard]] bool is_journal(const region& extent) const
    {
        return load<format::extent_header>(extent.offset).kind ==
               static_cast<std::uint16_t>(format::extent_kind::journal);
    }

    /// What looks like entries of a journal, checksums apart.
    [[nodiscard]] std::vector<region> entries(const region& journal) const
    {
        std::vector<region> found;
        const std::uint64_t end = journal.offset + journal.size;
        for (std::uint64_t at = journal.offset + format::extent_header_size; at < end;) {
            const auto entry = load<format::journal_entry>(at);
            if (entry.size < sizeof entry || entry.size > end - at) {
                break;
            }
            found.push_back({at, entry.size});
            at += entry.size;
        }
        return found;
    }

    /// Zeroes what the journals hold copies of.
    void forget_journaled()
    {
        for (const region& extent : extents()) {
            for (const region& each : is_journal(extent) ? entries(extent) : std::vector<region>{}) {
                const auto entry = load<format::journal_entry>(each.offset);
                for (std::uint64_t i = 0; i < entry.ranges; ++i) {
                    const auto range =
                        load<format::journal_range>(each.offset + sizeof entry + i * sizeof(format::journal_range));
                    if (covers(range.offset, range.length)) {
                        std::memset(bytes_.data() + range.offset, 0, range.length);
                    }
                }
            }
        }
    }

    void repair_journals()
    {
        for (const region& extent : extents()) {
            if (!is_journal(extent)) {
                continue;
            }
            const std::uint64_t nonce = load<format::extent_header>(extent.offset).nonce;
            for (const region& each : entries(extent)) {
                const std::span bytes(reinterpret_cast<const std::byte*>(bytes_.data()) + each.offset, each.size);
                store(each.offset, hash_bytes(bytes.subspan(format::journal_checksummed_from), nonce + each.offset));
            }
        }
    }

    void repair_identity()
    {
        format::superblock block = superblock();
        block.identity.checksum = format::identity_checksum(block.identity);
        block.state.file.checksum = format::file_identity_checksum(block.state.file);
        store(format::superblock_offset, block);
    }

    /// Makes the file look cleanly closed.
    void repair_clean()
    {
        format::superblock block = superblock();
        const std::uint64_t count = std::min(block.identity.shard_count, format::max_shards);
        if (count == 0 || !covers(block.identity.shard_table_offset, count * sizeof(format::shard_block))) {
            return;
        }
        std::vector<format::shard_block> shards(count);
        std::memcpy(shards.data(), bytes_.data() + block.identity.shard_table_offset,
                    count * sizeof(format::shard_block));
        block.state.clean = 1;
        block.state.clean_checksum = format::clean_checksum(block, shards.data(), static_cast<std::uint32_t>(count));
        store(format::superblock_offset, block);
    }

    void repair_checkpoints()
    {
        for (const std::uint64_t offset : superblock().identity.checkpoint_offset) {
            auto slot = load<format::checkpoint_slot>(offset);
            slot.checksum = format::checkpoint_checksum(slot);
            store(offset, slot);
        }
    }

    void repair_extents()
    {
        const std::uint64_t seed = superblock().identity.seed;
        for (const region& extent : extents()) {
            auto header = load<format::extent_header>(extent.offset);
            header.checksum = format::extent_checksum(header, seed, extent.offset);
            store(extent.offset, header);
        }
    }

    void repair_records()
    {
        for (const region& extent : extents()) {
            const auto header = load<format::extent_header>(extent.offset);
            const bool large = header.kind == static_cast<std::uint16_t>(format::extent_kind::large);
            for (const region& each : records(extent)) {
                auto record = load<format::record_header>(each.offset);
                const std::span bytes(reinterpret_cast<const std::byte*>(bytes_.data()) + each.offset, each.size);
                if (large) {
                    const std::uint64_t start = format::key_start(record.meta);
                    const std::uint64_t body = std::uint64_t{record.key_length} + record.value_length;
                    const std::uint64_t hash = hash_bytes(bytes.subspan(start, body), header.nonce);
                    record.checksum = format::large_checksum(bytes.first(start), hash, header.nonce, each.offset);
                } else {
                    record.checksum = format::record_checksum(bytes, header.nonce, each.offset);
                }
                store(each.offset, record);
            }
        }
    }

private:
    std::span<std::uint8_t> bytes_;
};

}  // namespace kvdb::fuzz

#endif
