// SPDX-License-Identifier: BSL-1.0
// The seam to the operating system's files.
#include "io/file.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "format/tables.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;
using io::access;
using io::file;
using io::lock_kind;

namespace {

struct file_fixture {
    scratch_folder folder;
    std::filesystem::path path = folder / "some.file";

    [[nodiscard]] file make(const std::string& bytes) const
    {
        write_bytes(path, bytes);
        return file::open(path, access::write);
    }
    [[nodiscard]] std::size_t count() const
    {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator()));
    }
};

std::span<const std::byte> bytes_in(const std::string& text)
{
    return std::as_bytes(std::span(text));
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(files, file_fixture)

BOOST_AUTO_TEST_CASE(what_cannot_be_opened_says_why)
{
    KVDB_CHECK_ERROR(static_cast<void>(file::open(path, access::read)), no_such_file);
    write_bytes(path, "x");
    KVDB_CHECK_ERROR(static_cast<void>(file::open(path / "below", access::read)), no_such_file);
    KVDB_CHECK_ERROR(static_cast<void>(file::open(folder.path(), access::read)), not_a_database);
    KVDB_CHECK_ERROR(static_cast<void>(file::open(folder.path(), access::write)), not_a_database);
    KVDB_CHECK_ERROR(static_cast<void>(file::open("/dev/null", access::read)), not_a_database);
    const auto pipe = folder / "pipe";
    BOOST_REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    KVDB_CHECK_ERROR(static_cast<void>(file::open(pipe, access::read)), not_a_database);  // and does not wait
    KVDB_CHECK_ERROR(static_cast<void>(file::open(pipe, access::write)), not_a_database);
    try {
        io::throw_errno(ENOSPC, "cannot do this to", "/a/b");
    } catch (const error& caught) {
        BOOST_CHECK(caught.reason() == errc::disk_full);
        BOOST_TEST(std::string(caught.what()).find("cannot do this to '/a/b': No space left") == 0U);
    }
}

BOOST_AUTO_TEST_CASE(reading_and_writing_in_place)
{
    file one = make("0123456789");
    one.write_at(4, bytes_in("xyz"));
    std::string buffer(20, '-');
    BOOST_TEST(one.read_at(2, std::as_writable_bytes(std::span(buffer))) == 12U);
    BOOST_TEST(buffer.substr(0, 8) == "23xyz789");
    BOOST_TEST(one.read_at(10, std::as_writable_bytes(std::span(buffer))) == 20U);
    BOOST_TEST(one.read_at(1'000, std::as_writable_bytes(std::span(buffer))) == 20U);
    BOOST_TEST(one.read_at(0, {}) == 0U);
    one.truncate(3);
    BOOST_TEST(one.size() == 3U);
    file moved = std::move(one);
    BOOST_TEST(!one.is_open());  // NOLINT: that is what is tested
    BOOST_TEST(moved.size() == 3U);
    file reader = file::open(path, access::read);
    KVDB_CHECK_ERROR(reader.write_at(0, bytes_in("x")), io_failure);
}

BOOST_AUTO_TEST_CASE(allocated_space_is_zero_and_there)
{
    file one = make("begin");
    one.allocate(5, 100'000);
    BOOST_TEST(one.size() == 100'000U);
    BOOST_TEST(one.disk_bytes() >= 96'000U);
    const std::string bytes = read_bytes(path);
    BOOST_TEST(bytes.substr(0, 5) == "begin");
    BOOST_TEST(bytes.find_first_not_of('\0', 5) == std::string::npos);
    one.allocate(50'000, 60'000);  // never shorter
    BOOST_TEST(one.size() == 100'000U);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_allocated_leaves_the_length)
{
    file one = make("begin");
    BOOST_TEST(in_child([&] {
                   const rlimit limit{50'000, RLIM_INFINITY};
                   demand(::setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
                   for (const std::uint64_t end : {50'001U, 100'000U, 1U << 30}) {
                       try {
                           one.allocate(5, end);
                           return 2;
                       } catch (const error& caught) {
                           demand(caught.reason() == errc::file_too_large, caught.what());
                       }
                       demand(one.size() == 5, "another length");
                   }
                   one.allocate(5, 50'000);
                   try {
                       one.write_at(50'000, bytes_in("x"));  // an error too, no signal
                       return 3;
                   } catch (const error& caught) {
                       demand(caught.reason() == errc::file_too_large, caught.what());
                   }
                   return 0;
               }) == 0);
    BOOST_TEST(one.size() == 50'000U);
    BOOST_CHECK_THROW(one.allocate(50'000, std::uint64_t{1} << 62), error);  // no file system is that large
    BOOST_TEST(one.size() == 50'000U);
}

BOOST_AUTO_TEST_CASE(locks_belong_to_descriptions)
{
    const file one = make("x");
    const file other = one.reopen(access::write);
    const std::uint64_t place = format::attachment_bytes;
    BOOST_TEST(one.same_file(other));
    BOOST_TEST(one.try_lock(lock_kind::exclusive, place + 3));
    BOOST_TEST(one.try_lock(lock_kind::exclusive, place + 3));  // again by the same one
    BOOST_TEST(!other.try_lock(lock_kind::exclusive, place + 3));
    BOOST_TEST(!other.try_lock(lock_kind::shared, place + 3));
    BOOST_TEST(other.try_lock(lock_kind::exclusive, place + 2));
    BOOST_TEST(other.try_lock(lock_kind::exclusive, place + 4));
    BOOST_TEST(!other.try_lock(lock_kind::exclusive, place, 10));
    BOOST_TEST(other.locked_by_other(place + 3));
    BOOST_TEST(!one.locked_by_other(place + 3));
    BOOST_TEST(one.locked_by_other(place, 10));
    BOOST_TEST(one.try_lock(lock_kind::none, place + 3));
    BOOST_TEST(!other.locked_by_other(place + 3));
    BOOST_TEST(one.try_lock(lock_kind::shared, place + 3));
    BOOST_TEST(other.try_lock(lock_kind::shared, place + 3));
    BOOST_TEST(other.locked_by_other(place + 3));
    BOOST_TEST(!one.try_lock(lock_kind::exclusive, place + 3));
    // Another description of the same file, opened and closed, takes no lock with it (as POSIX locks would).
    {
        const file third = file::open(path, access::read);
    }
    BOOST_TEST(other.locked_by_other(place + 3));
}

BOOST_AUTO_TEST_CASE(locks_end_with_the_process)
{
    const file one = make("x");
    shared<std::atomic<bool>> ready;
    child process([&] {
        const file mine = file::open(path, access::write);
        demand(mine.try_lock(lock_kind::exclusive, 7), "lock");
        *ready = true;
        for (;;) {
            ::pause();
        }
        return 0;
    });
    BOOST_REQUIRE(eventually([&] { return ready->load(); }));
    BOOST_TEST(one.locked_by_other(7));
    process.kill();
    BOOST_TEST(!one.locked_by_other(7));
}

BOOST_AUTO_TEST_CASE(a_file_is_known_again)
{
    const file one = make("content");
    format::file_identity first{};
    if (!one.identify(first)) {
        BOOST_TEST_MESSAGE("skipped: this system cannot tell all that identifies a file");
        return;
    }
    const auto same = [&](const file& other) {
        format::file_identity now{};
        return other.identify(now) && std::memcmp(&first, &now, sizeof now) == 0;
    };
    BOOST_TEST(same(one));
    BOOST_TEST(same(one.reopen(access::read)));
    write_bytes(path, "other content, same file");
    BOOST_TEST(same(file::open(path, access::read)));
    const auto moved = folder / "moved";
    std::filesystem::rename(path, moved);
    BOOST_TEST(same(file::open(moved, access::read)));
    std::filesystem::copy_file(moved, path);
    BOOST_TEST(!same(file::open(path, access::read)));
    // A copy over a deleted file, which may get its inode.
    std::filesystem::remove(moved);
    std::filesystem::copy_file(path, moved);
    BOOST_TEST(!same(file::open(moved, access::read)));
}

BOOST_AUTO_TEST_CASE(a_new_file_appears_whole_or_not_at_all)
{
    {
        file made = file::create_for(path);
        made.write_at(0, bytes_in("whole"));
        BOOST_TEST(!std::filesystem::exists(path));
    }
    BOOST_TEST(count() == 0U);  // nobody linked it
    file made = file::create_for(path);
    made.write_at(0, bytes_in("whole"));
    BOOST_TEST(io::link_into_place(made, path));
    BOOST_TEST(read_bytes(path) == "whole");
    file late = file::create_for(path);
    late.write_at(0, bytes_in("late"));
    BOOST_TEST(!io::link_into_place(late, path));
    BOOST_TEST(read_bytes(path) == "whole");
    late.close();
    BOOST_TEST(count() == 1U);
    KVDB_CHECK_ERROR(static_cast<void>(file::create_for(folder / "no/such")), no_such_file);
    io::sync_folder_of(path);
}

BOOST_AUTO_TEST_CASE(opening_again_finds_the_same_file)
{
    const file one = make("first");
    std::filesystem::rename(path, folder / "moved");
    write_bytes(path, "second");
    BOOST_TEST(one.reopen(access::read).same_file(one));
    BOOST_TEST(!file::open(path, access::read).same_file(one));
}

BOOST_AUTO_TEST_CASE(random_words_differ)
{
    BOOST_TEST(io::random_word() != io::random_word());
    BOOST_TEST(io::process_id() == static_cast<std::uint32_t>(::getpid()));
}

BOOST_AUTO_TEST_SUITE_END()
