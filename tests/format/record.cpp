// SPDX-License-Identifier: BSL-1.0
#include "format/record.hpp"

#include "format/validate.hpp"

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace format = kvdb::format;

BOOST_AUTO_TEST_SUITE(record)

BOOST_AUTO_TEST_CASE(the_key_begins_behind_the_flagged_fields)
{
    const struct {
        std::uint16_t flag;
        std::uint64_t bytes;
    } fields[] = {{format::meta_supersedes, 8},
                  {format::meta_expiry, 8},
                  {format::meta_previous, 8},
                  {format::meta_batch, 16},  // id and count
                  {format::meta_wide_sequence, 8}};
    for (unsigned chosen = 0; chosen < 32; ++chosen) {
        unsigned meta = static_cast<unsigned>(format::record_kind::value) | 0xab00U;
        std::uint64_t wanted = 16;
        for (unsigned i = 0; i < 5; ++i) {
            if (((chosen >> i) & 1U) != 0) {
                meta |= fields[i].flag;
                wanted += fields[i].bytes;
            }
        }
        BOOST_TEST(format::key_start(static_cast<std::uint16_t>(meta)) == wanted);
    }
}

BOOST_AUTO_TEST_CASE(a_size_is_the_next_multiple_of_four)
{
    for (std::uint64_t key = 0; key < 9; ++key) {
        for (std::uint64_t value = 0; value < 9; ++value) {
            const std::uint64_t size = format::record_size(1, key, value);
            BOOST_TEST(size % format::record_alignment == 0U);
            BOOST_TEST(size >= 16 + key + value);
            BOOST_TEST(size < 16 + key + value + format::record_alignment);
        }
    }
    BOOST_TEST(format::record_size(1, format::max_key_size, format::max_value_size) ==
               (16 + format::max_key_size + format::max_value_size + 3) / 4 * 4);
    BOOST_TEST(format::record_size(1 | format::meta_supersedes, 16, 100) == 140U);
}

BOOST_AUTO_TEST_CASE(a_wide_sequence_comes_before_the_victim)
{
    const std::uint16_t narrow = 1 | format::meta_supersedes;
    const std::uint16_t wide = narrow | format::meta_wide_sequence;
    BOOST_TEST(format::supersedes_at(narrow) == 16U);
    BOOST_TEST(format::wide_sequence_at(wide) == 16U);
    BOOST_TEST(format::supersedes_at(wide) == 24U);
}

BOOST_AUTO_TEST_CASE(a_victim_names_place_and_checksum)
{
    for (const std::uint64_t offset : {std::uint64_t{4}, std::uint64_t{12345676}, format::max_file_size - 4}) {
        const std::uint64_t victim = format::make_victim(offset, 0xfedcba98U);
        BOOST_TEST(((victim & ((std::uint64_t{1} << 40) - 1)) << 2) == offset);
        BOOST_TEST((victim >> 40) == 0xdcba98U);
    }
}

BOOST_AUTO_TEST_CASE(meta_leads_back_to_the_extent)
{
    const std::uint64_t extent = 77 * 1024;
    for (std::uint64_t offset = extent + 64; offset < extent + format::max_log_extent_size; offset += 4) {
        const std::uint64_t back = (offset - extent) / format::unit_size;
        const auto meta = static_cast<std::uint16_t>(1U | back << format::meta_back_shift);
        BOOST_REQUIRE_EQUAL(format::extent_of(offset, meta), extent);
    }
}

BOOST_AUTO_TEST_CASE(a_checksum_depends_on_every_byte_the_nonce_and_the_place)
{
    std::vector<std::byte> bytes(64, std::byte{7});
    const std::uint32_t wanted = format::record_checksum(bytes, 1, 2048);
    BOOST_TEST(format::record_checksum(bytes, 2, 2048) != wanted);
    BOOST_TEST(format::record_checksum(bytes, 1, 2052) != wanted);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        bytes[at] ^= std::byte{1};
        BOOST_TEST((format::record_checksum(bytes, 1, 2048) != wanted) == (at >= 4));  // not of itself
        bytes[at] ^= std::byte{1};
    }
    const std::span<const std::byte> head(bytes.data(), 24);
    const std::uint32_t large = format::large_checksum(head, 99, 1, 2048);
    BOOST_TEST(format::large_checksum(head, 98, 1, 2048) != large);
    BOOST_TEST(format::large_checksum(head, 99, 2, 2048) != large);
}

BOOST_AUTO_TEST_CASE(fields_that_may_stand_together)
{
    const auto plausible = [](unsigned meta, std::uint16_t key, std::uint32_t value, std::uint32_t sequence) {
        return format::plausible_meta({0, key, static_cast<std::uint16_t>(meta), value, sequence});
    };
    BOOST_TEST(plausible(1, 5, 6, 7));
    BOOST_TEST(plausible(1, 0, 0, 0));
    BOOST_TEST(plausible(0xff01, 5, 6, 7));
    BOOST_TEST(!plausible(0, 5, 6, 7));                          // no kind
    BOOST_TEST(!plausible(1 | format::meta_reserved, 5, 6, 7));  // the zero bit
    BOOST_TEST(plausible(2, 5, 0, 7));                           // tombstone
    BOOST_TEST(!plausible(2, 5, 1, 7));                          // with a value
    BOOST_TEST(plausible(3, 0, 0, 0));                           // end mark
    BOOST_TEST(plausible(0x1203, 0, 0, 0));                      // its way back
    BOOST_TEST(!plausible(3, 1, 0, 0));
    BOOST_TEST(!plausible(3, 0, 1, 0));
    BOOST_TEST(!plausible(3, 0, 0, 1));
    BOOST_TEST(!plausible(3 | format::meta_supersedes, 0, 0, 0));
    BOOST_TEST(plausible(1 | format::meta_wide_sequence, 5, 6, 0));
    BOOST_TEST(!plausible(1 | format::meta_wide_sequence, 5, 6, 7));  // one sequence only
}

BOOST_AUTO_TEST_SUITE_END()
