// SPDX-License-Identifier: BSL-1.0
#include "shard/record_view.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace kvdb;

BOOST_AUTO_TEST_SUITE(record_view)

BOOST_AUTO_TEST_CASE(copies_of_every_size_are_exact)
{
    std::string source(700, '\0');
    for (std::size_t i = 0; i < source.size(); ++i) {
        source[i] = static_cast<char>(i * 31 + i / 256);
    }
    for (std::size_t size = 0; size <= 600; ++size) {
        std::string target(size + 64, '#');
        shard::racing_copy(target.data() + 32, source.data() + 1, size);
        BOOST_TEST_REQUIRE((target.substr(32, size) == source.substr(1, size)), "size " << size);
        BOOST_TEST_REQUIRE((target.substr(0, 32) == std::string(32, '#')), "before size " << size);
        BOOST_TEST_REQUIRE((target.substr(32 + size) == std::string(32, '#')), "behind size " << size);
    }
}

BOOST_AUTO_TEST_CASE(every_byte_counts_in_a_comparison_and_none_beyond)
{
    for (std::size_t size = 0; size <= 150; ++size) {
        std::string one(size + 1, 'k');
        std::string other(size + 1, 'k');
        other[size] = 'x';
        BOOST_TEST_REQUIRE(shard::equal_bytes(one.data(), other.data(), size));
        for (std::size_t i = 0; i < size; ++i) {
            other[i] ^= 1;
            BOOST_TEST_REQUIRE(!shard::equal_bytes(one.data(), other.data(), size), "size " << size << " byte " << i);
            other[i] ^= 1;
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
