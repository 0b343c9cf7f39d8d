// SPDX-License-Identifier: BSL-1.0
#include <kvdb/error.hpp>

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>
#include <system_error>

BOOST_AUTO_TEST_SUITE(error)

BOOST_AUTO_TEST_CASE(every_reason_has_words_of_its_own)
{
    std::set<std::string> words;
    constexpr int last = static_cast<int>(kvdb::errc::unsupported);
    for (int code = 1; code <= last; ++code) {
        words.insert(kvdb::category().message(code));
    }
    BOOST_TEST(words.size() == static_cast<std::size_t>(last));
    BOOST_TEST(words.count("") == 0U);
    BOOST_TEST(!kvdb::category().message(-5).empty());
    BOOST_TEST(std::string(kvdb::category().name()) == "kvdb");
}

BOOST_AUTO_TEST_CASE(an_error_is_a_system_error)
{
    const kvdb::error thrown(kvdb::errc::busy, "a.kvdb: shard 3 is held by process 17");
    BOOST_TEST(std::string(thrown.what()) == "a.kvdb: shard 3 is held by process 17");
    BOOST_CHECK(thrown.reason() == kvdb::errc::busy);
    BOOST_CHECK(thrown.code() == kvdb::errc::busy);
    BOOST_CHECK(thrown.code() != kvdb::errc::closed);
    BOOST_CHECK_THROW(throw thrown, std::system_error);
    const std::error_code code = kvdb::errc::damaged;
    BOOST_CHECK(&code.category() == &kvdb::category());
}

BOOST_AUTO_TEST_SUITE_END()
