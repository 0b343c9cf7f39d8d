// SPDX-License-Identifier: BSL-1.0
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "format/validate.hpp"

namespace format = kvdb::format;

namespace {

struct extent_fixture {
    format::identity_block id{};
    std::uint64_t offset = 64 * 1024;
    std::uint64_t file_size = 1 << 20;

    extent_fixture()
    {
        id.seed = 99;
        id.shard_count = 4;
    }
    [[nodiscard]] format::extent_header sealed(std::uint16_t kind, std::uint16_t shard, std::uint32_t units) const
    {
        format::extent_header header{};
        header.kind = kind;
        header.shard = shard;
        header.units = units;
        header.nonce = 7;
        header.checksum = format::extent_checksum(header, id.seed, offset);
        return header;
    }
    [[nodiscard]] bool valid(std::uint16_t kind, std::uint16_t shard, std::uint32_t units) const
    {
        return format::valid_extent(sealed(kind, shard, units), id, offset, file_size);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(extent, extent_fixture)

BOOST_AUTO_TEST_CASE(kinds_and_shards)
{
    for (std::uint16_t kind = 0; kind < 6; ++kind) {
        BOOST_TEST(valid(kind, 0, 1) == (kind >= 1 && kind <= 4));
    }
    BOOST_TEST(!valid(0xffff, 0, 1));
    BOOST_TEST(valid(1, 3, 1));
    BOOST_TEST(!valid(1, 4, 1));
    BOOST_TEST(!valid(1, 0xffff, 1));
}

BOOST_AUTO_TEST_CASE(lengths)
{
    const auto room = static_cast<std::uint32_t>((file_size - offset) / format::unit_size);
    BOOST_TEST(!valid(2, 0, 0));
    BOOST_TEST(valid(2, 0, room));
    BOOST_TEST(!valid(2, 0, room + 1));
    BOOST_TEST(!valid(3, 0, std::numeric_limits<std::uint32_t>::max()));
    constexpr std::uint32_t longest = format::max_log_extent_size / format::unit_size;
    BOOST_TEST(valid(1, 0, longest));
    BOOST_TEST(!valid(1, 0, longest + 1));
    BOOST_TEST(valid(3, 0, longest + 1));  // large values may be longer
}

BOOST_AUTO_TEST_CASE(places)
{
    offset = file_size - format::unit_size;
    BOOST_TEST(valid(1, 0, 1));
    BOOST_TEST(!valid(1, 0, 2));
    offset = file_size;
    BOOST_TEST(!valid(1, 0, 1));
    offset = file_size + 1024;
    BOOST_TEST(!valid(1, 0, 1));
    offset = std::numeric_limits<std::uint64_t>::max() - 1023;
    BOOST_TEST(!valid(1, 0, 1));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_that_is_covered_is_noticed)
{
    const format::extent_header good = sealed(1, 2, 4);
    BOOST_TEST(format::valid_extent(good, id, offset, file_size));
    for (std::size_t bit = 0; bit < 8 * sizeof good; ++bit) {
        format::extent_header bad = good;
        auto* bytes = reinterpret_cast<unsigned char*>(&bad);
        bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ (1U << (bit % 8)));
        const bool covered = bit / 8 < format::extent_checksummed_to;
        BOOST_CHECK_MESSAGE(format::valid_extent(bad, id, offset, file_size) == !covered, "bit " << bit);
    }
}

BOOST_AUTO_TEST_CASE(a_header_belongs_to_its_place_and_file)
{
    const format::extent_header good = sealed(1, 2, 4);
    BOOST_TEST(!format::valid_extent(good, id, offset + 1024, file_size));
    id.seed = 98;
    BOOST_TEST(!format::valid_extent(good, id, offset, file_size));
}

BOOST_AUTO_TEST_CASE(zeros_are_no_extent)
{
    BOOST_TEST(!format::valid_extent(format::extent_header{}, id, offset, file_size));
}

BOOST_AUTO_TEST_SUITE_END()
