// SPDX-License-Identifier: BSL-1.0
// Ways to open, and the reason given for each that fails.
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "format/validate.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

constexpr open_mode existing_modes[] = {open_mode::open_or_create, open_mode::open_only, open_mode::read_only};

/// Changes the identity and makes its checksum right again.
void forge_identity(const std::filesystem::path& path, const std::function<void(format::identity_block&)>& change)
{
    std::string bytes = read_bytes(path);
    format::identity_block id{};
    std::memcpy(&id, bytes.data() + format::superblock_offset, sizeof id);
    change(id);
    id.checksum = format::identity_checksum(id);
    std::memcpy(bytes.data() + format::superblock_offset, &id, sizeof id);
    write_bytes(path, bytes);
}

void refuse_all(const database& db, database& writable)
{
    std::string value;
    KVDB_CHECK_ERROR((void)db.get("k"), closed);
    KVDB_CHECK_ERROR((void)db.get("k", value), closed);
    KVDB_CHECK_ERROR((void)db.contains("k"), closed);
    KVDB_CHECK_ERROR((void)db.size(), closed);
    KVDB_CHECK_ERROR((void)db.stats(), closed);
    KVDB_CHECK_ERROR((void)db.check(), closed);
    KVDB_CHECK_ERROR(db.for_each([](std::string_view, std::string_view) {}), closed);
    KVDB_CHECK_ERROR(writable.set("k", "v"), closed);
    KVDB_CHECK_ERROR(writable.erase("k"), closed);
    KVDB_CHECK_ERROR(writable.sync(), closed);
    BOOST_TEST(!db.is_open());
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(modes, store_fixture)

BOOST_AUTO_TEST_CASE(a_missing_file)
{
    KVDB_CHECK_ERROR((void)open(with_mode(open_mode::open_only)), no_such_file);
    KVDB_CHECK_ERROR((void)open(with_mode(open_mode::read_only)), no_such_file);
    BOOST_TEST(!std::filesystem::exists(file));
    for (const auto mode : {open_mode::open_or_create, open_mode::create_only, open_mode::read_only}) {
        KVDB_CHECK_ERROR((void)database::open(folder.path() / "missing" / "a.kvdb", with_mode(mode)), no_such_file);
    }
    BOOST_TEST(std::filesystem::is_empty(folder.path()));
    auto made = open(with_mode(open_mode::open_or_create));
    BOOST_TEST(made.is_open());
    made.close();
    auto again = open(with_mode(open_mode::open_only));
    BOOST_TEST(again.is_open());
}

BOOST_AUTO_TEST_CASE(create_only)
{
    open(with_mode(open_mode::create_only)).set("k", "v");
    const std::string before = read_bytes(file);
    KVDB_CHECK_ERROR((void)open(with_mode(open_mode::create_only)), file_exists);
    BOOST_TEST((read_bytes(file) == before));
    write_bytes(folder / "text", "text");
    KVDB_CHECK_ERROR((void)database::open(folder / "text", with_mode(open_mode::create_only)), file_exists);
    BOOST_TEST(read_bytes(folder / "text") == "text");
}

BOOST_AUTO_TEST_CASE(creating_leaves_nothing_beside_the_file)
{
    auto db = open();
    db.set("k", "v");
    db.close();
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        BOOST_TEST(entry.path() == file);
        ++files;
    }
    BOOST_TEST(files == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_no_database_stays_as_it_is)
{
    const std::string kinds[] = {"",
                                 "x",
                                 "hello, I am a letter\n",
                                 std::string(4096, '\0'),
                                 std::string(1 << 20, '\0'),
                                 std::string("\2\0\0\0", 4) + std::string(100'000, '\0'),
                                 "SQLite format 3" + std::string(8177, '\0'),
                                 bytes_of(100'000, 1)};
    for (const std::string& bytes : kinds) {
        write_bytes(folder / "other", bytes);
        const auto before = std::filesystem::last_write_time(folder / "other");
        for (const open_mode mode : existing_modes) {
            KVDB_CHECK_ERROR((void)database::open(folder / "other", with_mode(mode)), not_a_database);
        }
        BOOST_TEST((read_bytes(folder / "other") == bytes));
        BOOST_TEST((std::filesystem::last_write_time(folder / "other") == before));
    }
}

BOOST_AUTO_TEST_CASE(a_folder_is_no_database)
{
    for (const open_mode mode : existing_modes) {
        BOOST_CHECK_THROW((void)database::open(folder.path(), with_mode(mode)), error);
    }
    BOOST_CHECK_THROW((void)database::open(""), error);
    BOOST_CHECK_THROW((void)database::open("/dev/null"), error);
}

BOOST_AUTO_TEST_CASE(arguments_out_of_range)
{
    for (const std::uint32_t shards : {0U, 3U, 5U, 63U, 257U, 512U, 0x80000000U, 0xffffffffU}) {
        KVDB_CHECK_ERROR((void)open(with_shards(shards)), invalid_argument);
    }
    for (const std::uint32_t handles : {0U, 7U, 65'001U, 0xffffffffU}) {
        options how;
        how.max_handles = handles;
        KVDB_CHECK_ERROR((void)open(how), invalid_argument);
    }
    BOOST_TEST(!std::filesystem::exists(file));
    BOOST_TEST(std::filesystem::is_empty(folder.path()));
}

BOOST_AUTO_TEST_CASE(what_was_fixed_at_creation_stays)
{
    options how = with_shards(16);
    how.max_handles = 8;
    const std::string uuid = open(how).stats().uuid;
    how.shard_count = 4;
    how.max_handles = 100;
    const statistics stats = open(how).stats();
    BOOST_TEST(stats.shard_count == 16U);
    BOOST_TEST(stats.max_handles == 8U);
    BOOST_TEST(stats.uuid == uuid);
}

BOOST_AUTO_TEST_CASE(a_read_only_handle_writes_nothing)
{
    open().set("k", "v");
    const std::string before = read_bytes(file);
    const auto written = std::filesystem::last_write_time(file);
    {
        auto db = open(with_mode(open_mode::read_only));
        KVDB_CHECK_ERROR(db.set("k", "w"), read_only);
        KVDB_CHECK_ERROR(db.erase("k"), read_only);
        KVDB_CHECK_ERROR(db.erase("absent"), read_only);
        BOOST_CHECK(db.get("k") == "v");
        BOOST_TEST(db.size() == 1U);
        BOOST_TEST(db.check().ok());
        db.close();
    }
    BOOST_TEST((read_bytes(file) == before));
    BOOST_TEST((std::filesystem::last_write_time(file) == written));
}

BOOST_AUTO_TEST_CASE(a_closed_handle)
{
    database never;
    refuse_all(never, never);
    auto db = open();
    db.set("k", "v");
    auto other = std::move(db);
    refuse_all(db, db);  // NOLINT(bugprone-use-after-move): that is the point
    BOOST_CHECK(other.get("k") == "v");
    other.close();
    other.close();
    refuse_all(other, other);
    never.close();
}

BOOST_AUTO_TEST_CASE(the_attachment_table_is_full)
{
    options how;
    how.max_handles = 8;
    std::vector<database> all;
    for (int i = 0; i < 8; ++i) {
        all.push_back(open(how));
    }
    KVDB_CHECK_ERROR((void)open(how), too_many_handles);
    all[3].set("k", "v");
    const auto reader = open(with_mode(open_mode::read_only));  // readers need no slot
    BOOST_CHECK(reader.get("k") == "v");
    all.erase(all.begin() + 3);
    all.push_back(open(how));
    BOOST_CHECK(all.back().get("k") == "v");
}

BOOST_AUTO_TEST_CASE(truncated_files_are_damaged)
{
    {
        auto db = open();
        for (std::uint64_t i = 0; i < 3'000; ++i) {
            db.set(numbered_key(i), telling_value(i, 1));
        }
    }
    const auto whole = std::filesystem::file_size(file);
    for (const auto size : {whole / 2, std::uintmax_t{30'000}, std::uintmax_t{4'096}}) {
        std::filesystem::copy_file(file, folder / "cut", std::filesystem::copy_options::overwrite_existing);
        std::filesystem::resize_file(folder / "cut", size);
        for (const open_mode mode : existing_modes) {
            KVDB_CHECK_ERROR((void)database::open(folder / "cut", with_mode(mode)), damaged);
        }
        BOOST_TEST(std::filesystem::file_size(folder / "cut") == size);
    }
}

BOOST_AUTO_TEST_CASE(versions_and_features_of_the_future)
{
    open().set("k", "v");
    const auto other = folder / "other";
    const auto fresh = [&](const std::function<void(format::identity_block&)>& change) {
        std::filesystem::copy_file(file, other, std::filesystem::copy_options::overwrite_existing);
        forge_identity(other, change);
    };
    fresh([](format::identity_block& id) { ++id.version; });
    for (const open_mode mode : existing_modes) {
        KVDB_CHECK_ERROR((void)database::open(other, with_mode(mode)), unsupported_version);
    }
    fresh([](format::identity_block& id) { id.features_incompatible = std::uint64_t{1} << 60; });
    for (const open_mode mode : existing_modes) {
        KVDB_CHECK_ERROR((void)database::open(other, with_mode(mode)), unsupported_version);
    }
    fresh([](format::identity_block& id) { id.features_read_only = 1; });
    KVDB_CHECK_ERROR((void)database::open(other), unsupported_version);
    BOOST_CHECK(database::open(other, with_mode(open_mode::read_only)).get("k") == "v");
    fresh([](format::identity_block& id) { id.features_compatible = ~std::uint64_t{0}; });
    BOOST_CHECK(database::open(other).get("k") == "v");
}

BOOST_AUTO_TEST_CASE(a_header_with_a_wrong_checksum_is_damaged)
{
    open().set("k", "v");
    std::string bytes = read_bytes(file);
    bytes[70] = static_cast<char>(bytes[70] ^ 1);
    write_bytes(folder / "other", bytes);
    for (const open_mode mode : existing_modes) {
        KVDB_CHECK_ERROR((void)database::open(folder / "other", with_mode(mode)), damaged);
    }
    BOOST_TEST((read_bytes(folder / "other") == bytes));
}

BOOST_AUTO_TEST_SUITE_END()
