// SPDX-License-Identifier: BSL-1.0
#include "support/fixture.hpp"

namespace kvdb::testing {

void finish_for_the_dead(database& db)
{
    // Erasing what is not there locks a shard and does nothing else; a large value asks the allocator for a run.
    constexpr std::uint64_t never_set = 2'000'000;
    for (std::uint64_t i = 0; i < 100; ++i) {
        BOOST_TEST(!db.erase(numbered_key(never_set + i)));
    }
    db.set(numbered_key(never_set), std::string(40'000, 'f'));
    BOOST_TEST(db.erase(numbered_key(never_set)));
}

check_report expect_whole(const database& db)
{
    const check_report report = db.check();
    for (const check_fault& fault : report.faults) {
        BOOST_ERROR("check: at " << fault.offset << ": " << fault.what);
    }
    std::uint64_t walked = 0;
    db.for_each([&](std::string_view, std::string_view) { ++walked; });
    BOOST_TEST(db.size() == walked);
    BOOST_TEST(report.entries == walked);
    const statistics stats = db.stats();
    BOOST_TEST(stats.entries == walked);
    BOOST_TEST(report.records >= report.entries);
    if (!stats.private_index) {
        // Nothing leaks: each unit behind the tables is an extent's or free.
        const std::uint64_t tables = 3 * 4'096 + 448ULL * stats.shard_count + 64ULL * stats.max_handles;
        const std::uint64_t first_extent = (tables + 1'023) / 1'024 * 1'024;
        BOOST_TEST(report.bytes <= stats.log_bytes);  // runs that are being filled with large values are not examined
        BOOST_TEST(stats.file_size ==
                   first_extent + stats.log_bytes + stats.index_bytes + stats.journal_bytes + stats.free_bytes);
    }
    BOOST_TEST(stats.log_bytes >= stats.live_bytes);
    BOOST_TEST(!stats.poisoned);
    return report;
}

void expect_whole_file(const std::filesystem::path& path)
{
    {
        const auto reader = database::open(path, with_mode(open_mode::read_only));
        expect_whole(reader);
    }
    auto writer = database::open(path, with_mode(open_mode::open_only));
    const std::uint64_t examined = expect_whole(writer).bytes + writer.stats().limbo_bytes;
    BOOST_TEST(examined == writer.stats().log_bytes);  // what the dead were filling is free again
    writer.close();
}

contents contents_of(const database& db)
{
    contents all;
    db.for_each([&](std::string_view key, std::string_view value) {
        const bool fresh = all.emplace(key, value).second;
        BOOST_CHECK_MESSAGE(fresh, "for_each visited a key twice");
    });
    return all;
}

}  // namespace kvdb::testing
