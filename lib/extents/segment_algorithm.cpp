// SPDX-License-Identifier: BSL-1.0
#include "extents/segment_algorithm.hpp"

#include "format/extent.hpp"
#include "format/index.hpp"
#include "format/validate.hpp"
#include "io/file.hpp"

#include <boost/interprocess/managed_external_buffer.hpp>

#include <cstring>

namespace kvdb::extents {
namespace {

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) noexcept
{
    return (value + step - 1) / step * step;
}

constexpr creation smallest{format::min_shards, format::min_attachments};

void fill_identity(format::identity_block& id, const creation& how)
{
    id = {};
    id.magic = format::magic;
    id.version = format::version;
    id.header_size = format::header_size;
    io::fill_random(std::as_writable_bytes(std::span(id.uuid)));
    id.uuid[6] = static_cast<std::uint8_t>((id.uuid[6] & 0x0fU) | 0x40U);  // RFC 4122: version 4, random
    id.uuid[8] = static_cast<std::uint8_t>((id.uuid[8] & 0x3fU) | 0x80U);
    id.seed = io::random_word();
    id.hash_id = format::hash_xxh3_64;
    id.shard_count = how.shard_count;
    id.unit_size = format::unit_size;
    id.attachment_count = how.attachment_count;
    id.checkpoint_offset[0] = format::header_size;
    id.checkpoint_offset[1] = format::header_size + format::checkpoint_slot_size;
    id.shard_table_offset = format::header_size + 2 * format::checkpoint_slot_size;
    id.attachment_table_offset = id.shard_table_offset + std::uint64_t{how.shard_count} * sizeof(format::shard_block);
    id.first_extent_offset = fixed_size(how);
    id.created_unix_ms = io::unix_milliseconds();
    id.checkpoint_slot_size = format::checkpoint_slot_size;
    id.shard_block_size = sizeof(format::shard_block);
    id.attachment_slot_size = sizeof(format::attachment_slot);
    id.segment_size = sizeof(format::segment);
    id.checksum = format::identity_checksum(id);
}

}  // namespace

std::uint64_t fixed_size(const creation& how) noexcept
{
    return round_up(format::header_size + 2 * format::checkpoint_slot_size +
                        std::uint64_t{how.shard_count} * sizeof(format::shard_block) +
                        std::uint64_t{how.attachment_count} * sizeof(format::attachment_slot),
                    format::unit_size);
}

void initialise(std::byte* base, std::uint64_t size, const creation& how)
{
    auto& block = *reinterpret_cast<format::superblock*>(base + format::superblock_offset);
    std::memset(&block, 0, sizeof block);
    fill_identity(block.identity, how);
    block.state.file_size = size / format::unit_size * format::unit_size;
    block.state.volatile_layout = format::volatile_layout;
    block.state.incarnation = 1;
    block.allocator.next_order = 1;
    block.allocator.frontiers[0] = {block.identity.first_extent_offset, block.state.file_size};

    std::byte* tables = base + format::header_size;
    std::memset(tables, 0, block.identity.first_extent_offset - format::header_size);
    auto* shards = reinterpret_cast<format::shard_block*>(base + block.identity.shard_table_offset);
    for (std::uint32_t i = 0; i < how.shard_count; ++i) {
        shards[i].next_sequence = (std::uint64_t{1} << format::sequence_bits) + 1;
    }
    block.state.clean = 1;
    block.state.clean_checksum = format::clean_checksum(block, shards, how.shard_count);
}

void make_segment(std::byte* base, std::uint64_t size, const creation& how)
{
    using managed = boost::interprocess::basic_managed_external_buffer<char, segment_algorithm, segment_index>;
    // Boost lays out its segment manager behind the superblock, as it would in a managed mapped file.
    const managed segment(boost::interprocess::create_only, base + format::superblock_offset,
                          size - format::superblock_offset);
    initialise(base, size, how);
}

segment_algorithm::segment_algorithm(size_type size, size_type) noexcept
{
    const std::uint64_t whole = size + format::superblock_offset;
    const creation chosen = whole >= fixed_size({}) ? creation{} : smallest;
    std::memset(&block_, 0, sizeof block_);
    if (whole >= fixed_size(chosen)) {
        try {
            initialise(reinterpret_cast<std::byte*>(this) - format::superblock_offset, whole, chosen);
        } catch (const error&) {
            block_.identity.magic = 0;  // no random numbers: refused when it is opened
        }
    }
}

segment_algorithm::size_type segment_algorithm::get_min_size(size_type) noexcept
{
    return static_cast<size_type>(fixed_size(smallest) - format::superblock_offset);
}

segment_algorithm::size_type segment_algorithm::get_size() const noexcept
{
    return static_cast<size_type>(block_.state.file_size - format::superblock_offset);
}

void segment_algorithm::grow(size_type extra) noexcept
{
    const auto* base = reinterpret_cast<const std::byte*>(this) - format::superblock_offset;
    const auto* shards = reinterpret_cast<const format::shard_block*>(base + block_.identity.shard_table_offset);
    const std::uint64_t before = block_.state.file_size;
    const std::uint64_t after = (before + extra) / format::unit_size * format::unit_size;
    auto& tail = block_.allocator.frontiers[0];
    if (tail.end == before) {
        tail.end = after;
    }
    block_.state.file_size = after;
    if (block_.state.clean == 1) {
        block_.state.clean_checksum = format::clean_checksum(block_, shards, block_.identity.shard_count);
    }
}

}  // namespace kvdb::extents
