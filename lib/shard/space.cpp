// SPDX-License-Identifier: BSL-1.0
// A writer's room: for records in the log, for segments and directories in the index extents.
#include "extents/redo.hpp"
#include "shard/writer.hpp"

#include <algorithm>
#include <bit>
#include <string>

namespace kvdb::shard {
namespace {

constexpr extents::program_points log_points{"accept-log.armed", "accept-log.step", "accept-log.disarmed"};
constexpr extents::program_points index_points{"accept-index.armed", "accept-index.step", "accept-index.disarmed"};

constexpr std::uint64_t log_extent_share = 16;  // a new log extent is this part of the shard's log
constexpr std::uint64_t index_extent_share = 4;
constexpr std::uint64_t largest_index_extent = 64 * 1024;

std::uint64_t units_for(std::uint64_t bytes) noexcept
{
    return (bytes + format::unit_size - 1) / format::unit_size;
}

}  // namespace

void require_log_place(const context& all, std::uint32_t shard)
{
    const format::shard_block& block = all.block(shard);
    const std::uint64_t begin = block.log_extent;
    const std::uint64_t tail = block.log_tail;
    const std::uint64_t end = block.log_end;
    if (begin % format::unit_size != 0 || tail <= begin || tail % format::record_alignment != 0 || tail > end ||
        end - tail < format::record_header_size || end % format::unit_size != 0 ||
        end - begin > format::max_log_extent_size || !all.in_extents(begin, end - begin)) {
        throw error(errc::damaged, "the log tail of shard " + std::to_string(shard) + " lies outside its extent");
    }
}

format::extent_header writer::incoming_header(std::uint64_t word, format::extent_kind kind) const
{
    const std::uint64_t offset = extents::allocator::offset_of(word);
    const auto found = extents::extent_at(all_.memory, offset);
    if (!found || found->kind != static_cast<std::uint16_t>(kind) || found->shard != shard_) {
        throw error(errc::damaged, "shard " + std::to_string(shard_) + " was handed the run at offset " +
                                       std::to_string(offset) + ", which is no extent for it");
    }
    return *found;
}

writer::progress writer::make_log_room(locked_shard& lock, std::uint64_t bytes)
{
    for (;;) {
        format::shard_block& mine = block();
        if (mine.log_extent != 0) {
            // W2: an end mark must still fit behind the record.
            const std::uint64_t wanted = bytes + format::record_header_size;
            require_log_place(all_, shard_);
            if (wanted <= mine.log_end - mine.log_tail) {
                return progress::ready;
            }
        }
        const std::uint64_t incoming = load_acquire(mine.incoming_log);
        if (incoming != mine.accepted_log) {
            accept_log(incoming);
            continue;
        }
        const std::uint64_t least = format::extent_header_size + bytes + format::record_header_size;
        const std::uint64_t share = std::bit_floor(load_relaxed(mine.log_bytes) / log_extent_share);
        const std::uint64_t size =
            std::max(least, std::clamp<std::uint64_t>(share, format::unit_size, format::max_log_extent_size));
        // Copies of older records shall do without a field of their own for the number.
        constexpr std::uint64_t behind = std::uint64_t{1} << 31;
        const std::uint64_t counter = mine.next_sequence & ((std::uint64_t{1} << format::sequence_bits) - 1);
        const std::uint64_t base = mine.next_sequence - std::min(counter, behind);
        lock.unlock();
        const std::uint64_t fewest = std::max(least, size / 8);
        all_.allocator.supply(shard_, format::extent_kind::log, {units_for(size), units_for(fewest)}, base);
        lock.relock();
        return progress::look_again;
    }
}

void writer::accept_log(std::uint64_t word)
{
    all_.allocator.settle();
    const format::extent_header header = incoming_header(word, format::extent_kind::log);
    const std::uint64_t offset = extents::allocator::offset_of(word);
    format::shard_block& mine = block();
    seal(all_, shard_);
    extents::shard_program steps(all_.memory, mine.intent);
    steps.store(offset_of(mine.log_extent), offset);
    steps.store(offset_of(mine.log_tail), offset + format::extent_header_size);
    steps.store(offset_of(mine.log_end), offset + format::bytes_of(header));
    steps.store(offset_of(mine.base_sequence), header.base_sequence);
    steps.store(offset_of(mine.nonce), header.nonce);
    steps.store(offset_of(mine.accepted_log), word);
    // Both words: nothing wanted of the new extent, nothing of it durable, its header neither.
    static_assert(offsetof(format::shard_block, log_durable) == offsetof(format::shard_block, log_wanted) + 8);
    steps.fill(offset_of(mine.log_wanted), offset, 2);
    steps.run(log_points);
}

writer::progress writer::reserve_index(locked_shard& lock, std::uint64_t bytes)
{
    for (;;) {
        format::shard_block& mine = block();
        if (mine.index_tail != 0) {
            if (mine.index_tail % 64 != 0 || mine.index_tail > mine.index_end ||
                !all_.in_extents(mine.index_tail, mine.index_end - mine.index_tail)) {
                throw error(errc::damaged,
                            "the index space of shard " + std::to_string(shard_) + " lies outside the file");
            }
            if (bytes <= mine.index_end - mine.index_tail) {
                return progress::ready;
            }
        }
        const std::uint64_t incoming = load_acquire(mine.incoming_index);
        if (incoming != mine.accepted_index) {
            accept_index(incoming);
            continue;
        }
        const std::uint64_t share =
            std::min(load_relaxed(mine.index_bytes) / index_extent_share, largest_index_extent);
        const std::uint64_t size = format::extent_header_size + std::max(bytes, share);
        lock.unlock();
        const std::uint64_t fewest = format::extent_header_size + bytes;
        all_.allocator.supply(shard_, format::extent_kind::index, {units_for(size), units_for(fewest)}, 0);
        lock.relock();
        return progress::look_again;
    }
}

void writer::accept_index(std::uint64_t word)
{
    all_.allocator.settle();
    const format::extent_header header = incoming_header(word, format::extent_kind::index);
    const std::uint64_t offset = extents::allocator::offset_of(word);
    format::shard_block& mine = block();
    extents::shard_program steps(all_.memory, mine.intent);
    steps.store(offset_of(mine.index_tail), offset + format::extent_header_size);
    steps.store(offset_of(mine.index_end), offset + format::bytes_of(header));
    steps.store(offset_of(mine.accepted_index), word);
    const auto& listed = all_.memory.at<format::extent_header>(offset);
    steps.store(offset_of(listed.link), format::make_link(0, mine.index_extents));
    steps.store(offset_of(mine.index_extents), offset);
    steps.run(index_points);
}

}  // namespace kvdb::shard
