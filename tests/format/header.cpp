// SPDX-License-Identifier: BSL-1.0
// The header is judged before anything else of a file is believed.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "format/index.hpp"
#include "format/validate.hpp"

namespace format = kvdb::format;

namespace {

format::identity_block good_identity(std::uint32_t shards, std::uint32_t attachments)
{
    format::identity_block id{};
    id.magic = format::magic;
    id.version = format::version;
    id.header_size = format::header_size;
    id.seed = 0x0123456789abcdefULL;
    id.hash_id = format::hash_xxh3_64;
    id.shard_count = shards;
    id.unit_size = format::unit_size;
    id.attachment_count = attachments;
    id.checkpoint_offset[0] = 4096;
    id.checkpoint_offset[1] = 8192;
    id.shard_table_offset = 12288;
    id.attachment_table_offset = id.shard_table_offset + std::uint64_t{shards} * sizeof(format::shard_block);
    const std::uint64_t end = id.attachment_table_offset + std::uint64_t{attachments} * 64;
    id.first_extent_offset = (end + 1023) / 1024 * 1024;
    id.checkpoint_slot_size = format::checkpoint_slot_size;
    id.shard_block_size = sizeof(format::shard_block);
    id.attachment_slot_size = sizeof(format::attachment_slot);
    id.segment_size = sizeof(format::segment);
    return id;
}

std::vector<std::byte> header_of(format::identity_block id)
{
    id.checksum = format::identity_checksum(id);
    std::vector<std::byte> bytes(format::header_size);
    const std::uint32_t two = format::boost_initialised;
    std::memcpy(bytes.data(), &two, sizeof two);
    std::memcpy(bytes.data() + format::superblock_offset, &id, sizeof id);
    return bytes;
}

constexpr std::uint64_t enough = 1 << 20;

format::verdict judged_after(const std::function<void(format::identity_block&)>& change)
{
    format::identity_block id = good_identity(64, 384);
    change(id);
    return format::judge_header(header_of(id), enough);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(header)

BOOST_AUTO_TEST_CASE(the_magic_reads_kvdb)
{
    char text[9] = {};
    std::memcpy(text, &format::magic, 8);
    BOOST_TEST(std::string(text) == "kvdb\n\r\x1a\n");
}

BOOST_AUTO_TEST_CASE(good_ones_of_every_geometry)
{
    for (std::uint32_t shards = 1; shards <= 256; shards *= 2) {
        for (const std::uint32_t attachments : {8U, 9U, 384U, 65'000U}) {
            const auto id = good_identity(shards, attachments);
            const auto bytes = header_of(id);
            BOOST_CHECK(format::judge_header(bytes, id.first_extent_offset) == format::verdict::good);
            BOOST_CHECK(format::judge_header(bytes, id.first_extent_offset - 1) == format::verdict::wrong_geometry);
        }
    }
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_of_the_identity_is_noticed)
{
    auto bytes = header_of(good_identity(64, 384));
    for (std::size_t at = 0; at < 256; ++at) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            const auto flip = static_cast<std::byte>(1U << bit);
            bytes[at] ^= flip;
            const bool covered = at < 4 || at >= format::superblock_offset;
            BOOST_CHECK_MESSAGE((format::judge_header(bytes, enough) != format::verdict::good) == covered,
                                "byte " << at << ", bit " << bit);
            bytes[at] ^= flip;
        }
    }
}

BOOST_AUTO_TEST_CASE(too_short_is_said_first)
{
    const auto bytes = header_of(good_identity(64, 384));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const std::span<const std::byte> part(bytes.data(), size);
        BOOST_REQUIRE(format::judge_header(part, enough) == format::verdict::too_short);
    }
    BOOST_CHECK(format::judge_header(bytes, 4095) == format::verdict::too_short);
}

BOOST_AUTO_TEST_CASE(each_verdict)
{
    using block = format::identity_block;
    using format::verdict;
    BOOST_CHECK(judged_after([](block&) {}) == verdict::good);
    BOOST_CHECK(judged_after([](block& id) { id.magic ^= 1; }) == verdict::wrong_magic);
    BOOST_CHECK(judged_after([](block& id) { id.version = 2; }) == verdict::unknown_version);
    BOOST_CHECK(judged_after([](block& id) { id.features_incompatible = 1; }) == verdict::unknown_feature);
    BOOST_CHECK(judged_after([](block& id) { id.features_read_only = 1; }) == verdict::write_forbidden);
    BOOST_CHECK(judged_after([](block& id) { id.features_compatible = ~0ULL; }) == verdict::good);

    auto bytes = header_of(good_identity(64, 384));
    bytes[0] = std::byte{1};
    BOOST_CHECK(format::judge_header(bytes, enough) == verdict::not_initialised);
    bytes[0] = std::byte{2};
    bytes[70] ^= std::byte{1};
    BOOST_CHECK(format::judge_header(bytes, enough) == verdict::wrong_checksum);
}

BOOST_AUTO_TEST_CASE(geometry_that_contradicts_itself)
{
    using block = format::identity_block;
    const std::function<void(block&)> changes[] = {
        [](block& id) { id.header_size = 8192; },
        [](block& id) { id.hash_id = 2; },
        [](block& id) { id.unit_size = 512; },
        [](block& id) { id.shard_count = 0; },
        [](block& id) { id.shard_count = 3; },
        [](block& id) { id.shard_count = 128; },
        [](block& id) { id.shard_count = 512; },
        [](block& id) { id.shard_count = 0x80000000U; },
        [](block& id) { id.attachment_count = 7; },
        [](block& id) { id.attachment_count = 65'001; },
        [](block& id) { id.attachment_count = ~0U; },
        [](block& id) { id.checkpoint_offset[0] = 0; },
        [](block& id) { id.checkpoint_offset[1] = 4096; },
        [](block& id) { id.shard_table_offset = ~0ULL; },
        [](block& id) { id.attachment_table_offset -= 64; },
        [](block& id) { id.first_extent_offset += 1024; },
        [](block& id) { id.first_extent_offset = 0; },
        [](block& id) { id.checkpoint_slot_size = 512; },
        [](block& id) { id.shard_block_size = 256; },
        [](block& id) { id.attachment_slot_size = 0; },
        [](block& id) { id.segment_size = 4096; },
    };
    for (const auto& change : changes) {
        BOOST_CHECK(judged_after(change) == format::verdict::wrong_geometry);
    }
}

BOOST_AUTO_TEST_CASE(every_verdict_has_words)
{
    for (unsigned i = 0; i <= static_cast<unsigned>(format::verdict::wrong_geometry); ++i) {
        const std::string words = format::describe(static_cast<format::verdict>(i));
        BOOST_TEST(!words.empty());
        BOOST_TEST(words != "unknown");
    }
}

BOOST_AUTO_TEST_SUITE_END()
