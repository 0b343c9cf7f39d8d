// SPDX-License-Identifier: BSL-1.0
// Changes the bytes of a .kvdb file where it may hurt, then makes some of its checksums right again.
#ifndef KVDB_FUZZ_FILE_MUTATOR_HPP
#define KVDB_FUZZ_FILE_MUTATOR_HPP

#include "image.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <vector>

namespace kvdb::fuzz {

class file_mutator {
public:
    /// `bytes` is the whole buffer, of which the first `size` bytes are the file.
    file_mutator(std::span<std::uint8_t> bytes, std::size_t size, unsigned seed)
        : bytes_(bytes), size_(size), state_(seed * 0x9e3779b97f4a7c15U + 1)
    {
    }

    /// Returns the new size.
    std::size_t run()
    {
        const std::uint64_t changes = 1 + below(4);
        for (std::uint64_t i = 0; i < changes && size_ >= format::header_size; ++i) {
            change();
        }
        if (size_ >= format::header_size) {
            repair();
        }
        return size_;
    }

private:
    std::uint64_t next() noexcept
    {
        // splitmix64
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    std::uint64_t below(std::uint64_t limit) noexcept { return limit == 0 ? 0 : next() % limit; }
    bool chance(std::uint64_t percent) noexcept { return below(100) < percent; }

    [[nodiscard]] image seen() { return image(bytes_.first(size_)); }

    /// A random element of what was found, or nothing much if nothing was.
    region pick(const std::vector<region>& from) { return from.empty() ? region{} : from[below(from.size())]; }
    region pick_extent() { return pick(seen().extents()); }
    region pick_record() { return pick(seen().records(pick_extent())); }

    std::uint64_t some_offset()
    {
        const std::uint64_t first = seen().superblock().identity.first_extent_offset;
        switch (below(8)) {
            case 0: return below(size_ / format::unit_size + 1) * format::unit_size;
            case 1: return size_ - std::min<std::uint64_t>(size_, below(70));
            case 2: return size_ + below(70);
            case 3: return first + below(5) * 64;
            case 4: return pick_extent().offset;
            case 5: return pick_extent().offset + format::extent_header_size + 64 * below(70);
            case 6: return pick_record().offset;
            default: return below(size_ / 8) * 8;
        }
    }

    std::uint64_t some_word(std::uint64_t old)
    {
        switch (below(16)) {
            case 0: return 0;
            case 1: return 1;
            case 2: return ~std::uint64_t{0};
            case 3: return std::uint64_t{1} << below(64);
            case 4: return (std::uint64_t{1} << below(64)) - 1;
            case 5: return old ^ (std::uint64_t{1} << below(64));
            case 6: return old + below(33) - 16;
            case 7: return (below(4) << 32) | (some_offset() / format::unit_size);  // a run handed over
            case 8: return (below(24) << format::depth_shift) | (some_offset() >> 6);
            case 9: return format::make_slot(some_offset(), below(format::tag_mask + 1)) | (below(4) << 62);
            case 10: return (below(4) << format::ordinal_shift) | (some_offset() >> 6);
            case 11: return (below(3) << 32) | (below(2) << 31) | below(9);  // an owner word of a lock
            case 12: return below(300);
            default: return some_offset();
        }
    }

    void change_word(std::uint64_t from, std::uint64_t size)
    {
        image now = seen();
        const std::uint64_t at = from + below(size / 8) * 8;
        now.store(at, some_word(now.load<std::uint64_t>(at)));
    }
    void change_half(std::uint64_t at)
    {
        image now = seen();
        now.store(at, static_cast<std::uint32_t>(some_word(now.load<std::uint32_t>(at))));
    }
    void change_short(std::uint64_t at)
    {
        image now = seen();
        now.store(at, static_cast<std::uint16_t>(some_word(now.load<std::uint16_t>(at))));
    }

    void change()
    {
        const format::identity_block id = seen().superblock().identity;
        const std::uint64_t shards = id.shard_table_offset;
        const std::uint64_t shard_bytes = std::uint64_t{id.shard_count} * sizeof(format::shard_block);
        const std::uint64_t slots = id.attachment_table_offset;
        switch (below(17)) {
            case 0: change_word(format::superblock_offset, sizeof(format::identity_block)); break;
            case 1: change_word(256, sizeof(format::state_block) + sizeof(format::lock_block)); break;
            case 2: change_word(512, sizeof(format::allocator_block)); break;
            case 3: change_word(512, 5 * 8 + 24); break;
            case 4:
            case 5: change_word(shards, shard_bytes); break;
            case 6: change_word(shards + below(4) * sizeof(format::shard_block), 256); break;
            case 7: change_word(slots, std::uint64_t{id.attachment_count} * sizeof(format::attachment_slot)); break;
            case 8: change_word(id.checkpoint_offset[below(2)], 64 + 8 * std::uint64_t{id.shard_count}); break;
            case 9: change_extent(); break;
            case 10: change_record(); break;
            case 11: change_index(); break;
            case 12: move_units(); break;
            case 13: resize(); break;
            case 14: write_program(); break;
            case 15: change_journal(); break;
            default: make_free_run(); break;
        }
    }

    void change_extent()
    {
        const std::uint64_t at = pick_extent().offset;
        switch (below(4)) {
            case 0: change_short(at + offsetof(format::extent_header, kind)); break;
            case 1: change_short(at + offsetof(format::extent_header, shard)); break;
            case 2: change_half(at + offsetof(format::extent_header, units)); break;
            default: change_word(at + offsetof(format::extent_header, order), 24); break;
        }
    }

    void change_record()
    {
        const region record = pick_record();
        switch (below(6)) {
            case 0: change_short(record.offset + offsetof(format::record_header, key_length)); break;
            case 1: change_short(record.offset + offsetof(format::record_header, meta)); break;
            case 2: change_half(record.offset + offsetof(format::record_header, value_length)); break;
            case 3: change_half(record.offset + offsetof(format::record_header, sequence)); break;
            case 4: change_word(record.offset + format::record_header_size, 32); break;
            default: copy(pick_record(), record.offset); break;
        }
    }

    void change_journal()
    {
        const std::vector<region> extents = seen().extents();
        const auto found = std::find_if(extents.begin(), extents.end(),
                                        [&](const region& extent) { return seen().is_journal(extent); });
        if (found == extents.end() || chance(15)) {
            change_word(format::superblock_offset + offsetof(format::superblock, journal), 16);
            return;
        }
        const region entry = pick(seen().entries(*found));
        const std::uint64_t ranges = entry.offset + sizeof(format::journal_entry);
        const std::uint64_t range = ranges + below(1 + seen().load<format::journal_entry>(entry.offset).ranges) *
                                                 sizeof(format::journal_range);
        switch (below(6)) {
            case 0: change_half(entry.offset + offsetof(format::journal_entry, lap)); break;
            case 1: change_half(entry.offset + offsetof(format::journal_entry, ranges)); break;
            case 2: change_word(entry.offset + offsetof(format::journal_entry, size), 8); break;
            case 3: change_word(range, sizeof(format::journal_range)); break;
            case 4: change_word(entry.offset, entry.size); break;
            default: copy(pick(seen().entries(*found)), entry.offset); break;
        }
    }

    void change_index()
    {
        for (int tries = 0; tries < 8; ++tries) {
            const region extent = pick_extent();
            const auto header = seen().load<format::extent_header>(extent.offset);
            if (header.kind == static_cast<std::uint16_t>(format::extent_kind::index)) {
                const std::uint64_t from = extent.offset + format::extent_header_size;
                const std::uint64_t size = extent.size - format::extent_header_size;
                switch (below(4)) {
                    case 0: change_word(from, 64); break;       // first directory
                    case 1: change_word(from + 64, 64); break;  // overflow link of the first segment
                    case 2: change_word(from + 64 * below(size / 64), 64); break;
                    default: copy({from + 64 * below(size / 64), 64}, from + 64 * below(size / 64)); break;
                }
                return;
            }
        }
    }

    void copy(const region& from, std::uint64_t to)
    {
        const image now = seen();
        const std::uint64_t length = std::min(from.size, to < size_ ? size_ - to : 0);
        if (now.covers(from.offset, length)) {
            std::memmove(bytes_.data() + to, bytes_.data() + from.offset, length);
        }
    }

    void move_units()
    {
        const std::uint64_t units = size_ / format::unit_size;
        const std::uint64_t count = 1 + below(8);
        const std::uint64_t one = below(units) * format::unit_size;
        const std::uint64_t other = below(units) * format::unit_size;
        const std::uint64_t length = std::min(count * format::unit_size, std::uint64_t{size_} - std::max(one, other));
        if (chance(50)) {
            copy({one, length}, other);
        } else if (one + length <= other || other + length <= one) {
            std::swap_ranges(bytes_.begin() + static_cast<std::ptrdiff_t>(one),
                             bytes_.begin() + static_cast<std::ptrdiff_t>(one + length),
                             bytes_.begin() + static_cast<std::ptrdiff_t>(other));
        }
    }

    void resize()
    {
        std::uint64_t wanted = size_;
        switch (below(4)) {
            case 0: wanted = below(size_); break;
            case 1: wanted = below(size_ / format::unit_size) * format::unit_size; break;
            case 2: wanted = size_ + (1 + below(16)) * format::unit_size; break;
            default: wanted = size_ + below(2'000); break;
        }
        wanted = std::min<std::uint64_t>(wanted, bytes_.size());
        if (wanted > size_) {
            std::memset(bytes_.data() + size_, 0, wanted - size_);
        }
        size_ = wanted;
        if (chance(50)) {
            seen().store(256, std::uint64_t{size_ / format::unit_size * format::unit_size});
        }
    }

    /// An armed redo program, well formed or nearly so.
    void write_program()
    {
        const format::identity_block id = seen().superblock().identity;
        const bool of_allocator = chance(30);
        const std::uint64_t at = of_allocator
                                     ? 512 + offsetof(format::allocator_block, intent)
                                     : id.shard_table_offset + below(id.shard_count) * sizeof(format::shard_block) +
                                           offsetof(format::shard_block, intent);
        const std::uint64_t capacity = of_allocator ? 47 : 15;
        std::uint64_t words = 0;
        const auto put = [&](std::uint64_t word) { seen().store(at + 8 * ++words, word); };
        const std::uint64_t instructions = 1 + below(5);
        for (std::uint64_t i = 0; i < instructions && words + 3 <= capacity; ++i) {
            const std::uint64_t op = 1 + below(3);
            put((op << format::intent_op_shift) | program_target(id, at));
            if (op != 3) {
                put(some_word(0));
            }
            if (op == 2) {
                put(below(chance(90) ? 600 : size_));
            }
        }
        seen().store(at, chance(95) ? words : some_word(words));
    }
    std::uint64_t program_target(const format::identity_block& id, std::uint64_t program)
    {
        switch (below(6)) {
            case 0: return 16 + 8 * below(30);       // identity
            case 1: return 256 + 8 * below(24);      // state
            case 2: return 512 + 8 * below(80);      // allocator
            case 3: return program + 8 * below(16);  // itself
            case 4: return id.shard_table_offset + 8 * below(id.shard_count * sizeof(format::shard_block) / 8);
            default: return below(size_) / 8 * 8;
        }
    }

    /// A free run over whatever is there, at the head of a list.
    void make_free_run()
    {
        image now = seen();
        const std::uint64_t at = some_offset() / format::unit_size * format::unit_size;
        const std::uint64_t run_class = below(format::run_classes);
        const std::uint64_t size_class = below(chance(80) ? 6 : format::size_classes);
        const std::uint64_t head =
            512 + offsetof(format::allocator_block, free_lists) + 8 * (run_class * format::size_classes + size_class);
        const std::uint64_t size = chance(80)
                                       ? format::make_free_size(std::uint64_t{1} << size_class,
                                                                static_cast<std::uint32_t>(run_class), chance(10))
                                       : some_word(1);
        const std::uint64_t seed = now.load<format::superblock>(format::superblock_offset).identity.seed;
        const format::free_run run{size, chance(50) ? now.load<std::uint64_t>(head) : some_offset(),
                                   chance(80) ? 0 : some_offset(), format::free_run_check(size, seed, at)};
        now.store(at + format::free_run_offset, run);
        now.store(head, at);
    }

    void repair()
    {
        image now = seen();
        if (chance(92)) {
            now.repair_extents();
        }
        if (chance(85)) {
            now.repair_records();
        }
        if (chance(85)) {
            now.repair_journals();
        }
        if (chance(50)) {
            now.repair_checkpoints();
        }
        if (chance(95)) {
            now.repair_identity();
        }
        if (chance(75)) {
            now.repair_clean();
        }
    }

    std::span<std::uint8_t> bytes_;
    std::size_t size_;
    std::uint64_t state_;
};

}  // namespace kvdb::fuzz

#endif
