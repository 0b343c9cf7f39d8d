// SPDX-License-Identifier: BSL-1.0
#include "base/hash.hpp"

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(hash)

BOOST_AUTO_TEST_CASE(known_answers)
{
    // From XXH3's own definition: the 64-bit hash of no bytes with seed 0.
    BOOST_TEST(kvdb::hash_bytes("", 0, 0) == 0x2d06800538d394c2ULL);
    BOOST_TEST(kvdb::hash_key("", 0) == 0x2d06800538d394c2ULL);
}

BOOST_AUTO_TEST_CASE(all_forms_agree)
{
    for (std::size_t size = 0; size < 600; ++size) {
        const std::string key(size, 'k');
        std::vector<std::byte> bytes(size, std::byte{'k'});
        const std::uint64_t wanted = kvdb::hash_bytes(key.data(), size, 42);
        BOOST_TEST(kvdb::hash_bytes(bytes, 42) == wanted);
        BOOST_TEST(kvdb::hash_key(key, 42) == wanted);
    }
}

BOOST_AUTO_TEST_CASE(every_byte_and_the_seed_count)
{
    std::set<std::uint64_t> seen;
    std::string key(300, 'k');
    seen.insert(kvdb::hash_key(key, 1));
    seen.insert(kvdb::hash_key(key, 2));
    for (char& byte : key) {
        byte = 'x';
        seen.insert(kvdb::hash_key(key, 1));
        byte = 'k';
    }
    BOOST_TEST(seen.size() == key.size() + 2);
}

BOOST_AUTO_TEST_CASE(tests_can_replace_it)
{
    kvdb::test_key_hash = [](std::string_view, std::uint64_t) { return std::uint64_t{7}; };
    BOOST_TEST(kvdb::hash_key("any", 1) == 7U);
    kvdb::test_key_hash = nullptr;
    BOOST_TEST(kvdb::hash_key("any", 1) != 7U);
}

BOOST_AUTO_TEST_SUITE_END()
