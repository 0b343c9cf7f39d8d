// SPDX-License-Identifier: BSL-1.0
#include "format/validate.hpp"

#include "base/hash.hpp"
#include "format/index.hpp"

#include <bit>
#include <cstring>

namespace kvdb::format {

const char* describe(verdict what) noexcept
{
    switch (what) {
        case verdict::good: return "whole";
        case verdict::too_short: return "shorter than a kvdb header";
        case verdict::not_initialised: return "the first word is not 2, as it is in an initialised file";
        case verdict::wrong_magic: return "the magic number at offset 16 is not kvdb's";
        case verdict::wrong_checksum: return "the header's checksum at offset 248 does not match";
        case verdict::unknown_version: return "a format version that this build does not know";
        case verdict::unknown_feature: return "an incompatible feature that this build does not know";
        case verdict::write_forbidden: return "a feature that this build must not write; open it read-only";
        case verdict::wrong_geometry:
            return "sizes or offsets in the header contradict each other or the file's size";
    }
    return "unknown";
}

std::uint64_t identity_checksum(const identity_block& block) noexcept
{
    return hash_bytes(&block, offsetof(identity_block, checksum), superblock_offset);
}

std::uint64_t file_identity_checksum(const file_identity& identity) noexcept
{
    return hash_bytes(&identity, offsetof(file_identity, checksum), 0);
}

std::uint64_t checkpoint_checksum(const checkpoint_slot& slot) noexcept
{
    return hash_bytes(reinterpret_cast<const std::byte*>(&slot) + offsetof(checkpoint_slot, number),
                      offsetof(checkpoint_slot, padding) - offsetof(checkpoint_slot, number), 0);
}

std::uint64_t clean_checksum(const superblock& block, const shard_block* shards, std::uint32_t count) noexcept
{
    superblock copy = block;
    copy.state.clean = 0;
    copy.state.clean_checksum = 0;
    const std::uint64_t head = hash_bytes(&copy, sizeof copy, 0);
    return hash_bytes(shards, sizeof(shard_block) * count, head);
}

std::uint64_t extent_checksum(const extent_header& header, std::uint64_t seed, std::uint64_t offset) noexcept
{
    return hash_bytes(reinterpret_cast<const std::byte*>(&header) + extent_checksummed_from,
                      extent_checksummed_to - extent_checksummed_from, seed + offset);
}

std::uint64_t free_run_check(std::uint64_t size, std::uint64_t seed, std::uint64_t offset) noexcept
{
    return hash_bytes(&size, sizeof size, seed ^ offset);
}

bool valid_extent(const extent_header& header, const identity_block& identity, std::uint64_t offset,
                  std::uint64_t file_size) noexcept
{
    if (header.kind < 1 || header.kind > 4 || header.shard >= identity.shard_count || header.units == 0) {
        return false;
    }
    if (offset > file_size || bytes_of(header) > file_size - offset) {
        return false;
    }
    const std::uint64_t size = bytes_of(header);
    if ((header.kind == static_cast<std::uint16_t>(extent_kind::log) && size > max_log_extent_size) ||
        (header.kind == static_cast<std::uint16_t>(extent_kind::journal) && size > max_journal_size)) {
        return false;
    }
    return header.checksum == extent_checksum(header, identity.seed, offset);
}

std::uint32_t record_checksum(std::span<const std::byte> bytes, std::uint64_t nonce, std::uint64_t offset) noexcept
{
    return static_cast<std::uint32_t>(hash_bytes(bytes.subspan(4), nonce + offset));
}

std::uint32_t large_checksum(std::span<const std::byte> head, std::uint64_t body_hash, std::uint64_t nonce,
                             std::uint64_t offset) noexcept
{
    std::byte buffer[80];
    const std::size_t size = head.size() - 4;
    std::memcpy(buffer, head.data() + 4, size);
    std::memcpy(buffer + size, &body_hash, sizeof body_hash);
    return static_cast<std::uint32_t>(hash_bytes(buffer, size + sizeof body_hash, nonce + offset));
}

bool plausible_meta(const record_header& header) noexcept
{
    if ((header.meta & meta_reserved) != 0) {
        return false;
    }
    switch (kind_of(header.meta)) {
        case record_kind::value: break;
        case record_kind::tombstone:
            if (header.value_length != 0) {
                return false;
            }
            break;
        case record_kind::end:
            return (header.meta & 0xfc) == 0 && header.key_length == 0 && header.value_length == 0 &&
                   header.sequence == 0;
        default: return false;
    }
    return (header.meta & meta_wide_sequence) == 0 || header.sequence == 0;
}

namespace {

bool sane_geometry(const identity_block& id, std::uint64_t file_size) noexcept
{
    if (id.header_size != header_size || id.unit_size != unit_size || id.hash_id != hash_xxh3_64 ||
        id.checkpoint_slot_size != checkpoint_slot_size || id.shard_block_size != sizeof(shard_block) ||
        id.attachment_slot_size != sizeof(attachment_slot) || id.segment_size != sizeof(segment)) {
        return false;
    }
    if (id.shard_count < min_shards || id.shard_count > max_shards || !std::has_single_bit(id.shard_count) ||
        id.attachment_count < min_attachments || id.attachment_count > max_attachments) {
        return false;
    }
    // The tables lie one behind the other in this order; nothing else is written by anybody.
    std::uint64_t at = header_size;
    for (const std::uint64_t slot : id.checkpoint_offset) {
        if (slot != at) {
            return false;
        }
        at += checkpoint_slot_size;
    }
    if (id.shard_table_offset != at) {
        return false;
    }
    at += std::uint64_t{id.shard_count} * sizeof(shard_block);
    if (id.attachment_table_offset != at) {
        return false;
    }
    at += std::uint64_t{id.attachment_count} * sizeof(attachment_slot);
    at = (at + unit_size - 1) / unit_size * unit_size;
    return id.first_extent_offset == at && at <= file_size;
}

}  // namespace

verdict judge_header(std::span<const std::byte> bytes, std::uint64_t file_size) noexcept
{
    if (bytes.size() < header_size || file_size < header_size) {
        return verdict::too_short;
    }
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    if (word != boost_initialised) {
        return verdict::not_initialised;
    }
    identity_block id;
    std::memcpy(&id, bytes.data() + superblock_offset, sizeof id);
    if (id.magic != magic) {
        return verdict::wrong_magic;
    }
    if (id.checksum != identity_checksum(id)) {
        return verdict::wrong_checksum;
    }
    if (id.version != version) {
        return verdict::unknown_version;
    }
    if ((id.features_incompatible & ~features_incompatible_known) != 0) {
        return verdict::unknown_feature;
    }
    if (!sane_geometry(id, file_size)) {
        return verdict::wrong_geometry;
    }
    return (id.features_read_only & ~features_read_only_known) != 0 ? verdict::write_forbidden : verdict::good;
}

}  // namespace kvdb::format
