// SPDX-License-Identifier: BSL-1.0
// A database file for one test; when the test ends the file is checked, counted and removed.
#ifndef KVDB_TESTS_SUPPORT_FIXTURE_HPP
#define KVDB_TESTS_SUPPORT_FIXTURE_HPP

#include <kvdb/kvdb.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "support/scratch.hpp"
#include "support/values.hpp"

namespace kvdb::testing {

/// For BOOST_CHECK_EXCEPTION: an error of this reason whose message says something.
struct reason_is {
    errc wanted;

    bool operator()(const error& caught) const
    {
        if (caught.reason() != wanted) {
            BOOST_TEST_MESSAGE("reason " << caught.code() << ": " << caught.what());
        }
        return caught.reason() == wanted && caught.code() == wanted && std::string_view(caught.what()).size() > 5;
    }
};
#define KVDB_CHECK_ERROR(expression, reason) \
    BOOST_CHECK_EXCEPTION(expression, kvdb::error, kvdb::testing::reason_is{kvdb::errc::reason})

/// Has every lock taken once, so that whatever programs the dead left armed are carried out: shards' and allocator's.
void finish_for_the_dead(database& db);

/// Nothing wrong anywhere, and every way of counting agrees. Nobody may write meanwhile, nor have left a program
/// armed. Returns what `check` said.
check_report expect_whole(const database& db);
/// The same through a read-only handle and a writing one.
void expect_whole_file(const std::filesystem::path& path);

[[nodiscard]] inline options with_mode(open_mode mode, options how = {})
{
    how.mode = mode;
    return how;
}
[[nodiscard]] inline options with_shards(std::uint32_t count, options how = {})
{
    how.shard_count = count;
    return how;
}

using contents = std::map<std::string, std::string, std::less<>>;

/// All that is there. A key that comes twice is an error.
[[nodiscard]] contents contents_of(const database& db);

struct store_fixture {
    scratch_folder folder;
    std::filesystem::path file = folder / "test.kvdb";

    [[nodiscard]] database open(const options& how = {}) const { return database::open(file, how); }

    void teardown() const
    {
        if (std::filesystem::exists(file)) {
            expect_whole_file(file);
        }
    }
};

}  // namespace kvdb::testing

#endif
