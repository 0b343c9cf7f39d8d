// SPDX-License-Identifier: BSL-1.0
// Media, folders and files that must not be written: refused for writing in clear words, read to the last byte, and
// left as they were.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <filesystem>
#include <string>

#include "space/rig.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct store {
    std::filesystem::path file;
    ledger& known;

    /// Left clean, or as a writer that was killed leaves it.
    store(std::filesystem::path where, ledger& contents, bool clean, std::uint64_t seed)
        : file(std::move(where)), known(contents)
    {
        const int end = in_child([&] {
            user me(file, known, 0, {100'000, true, {}}, seed);
            auto db = database::open(file, with_shards(2));
            for (int i = 0; i < 200; ++i) {
                me.step(db);
            }
            if (!clean) {
                ::raise(SIGKILL);
            }
            return 0;
        });
        demand(end == (clean ? 0 : -SIGKILL), "the writer ended with " + std::to_string(end));
    }
};

void expect_refused(const std::filesystem::path& file, open_mode mode, errc reason)
{
    try {
        const auto db = database::open(file, with_mode(mode));
    } catch (const error& caught) {
        expect_sensible(caught, file, {reason});
        return;
    }
    demand(false, "opened for writing: " + file.string());
}

void expect_reading_alone(const store& kept, errc reason)
{
    struct stat before {};
    demand(::stat(kept.file.c_str(), &before) == 0, "stat");
    const std::string bytes = read_bytes(kept.file);
    for (int i = 0; i < 2; ++i) {
        for (const bool distrust : {false, true}) {
            for (const bool verify : {false, true}) {
                options how = with_mode(open_mode::read_only);
                how.distrust = distrust;
                how.verify_reads = verify;
                auto db = database::open(kept.file, how);
                ++totals().reopenings;
                expect_all(db, kept.known);
                for (const auto& change : {std::function<void()>([&] { db.set("key", "value"); }),
                                           std::function<void()>([&] { db.erase(ledger::key(0)); }),
                                           std::function<void()>([&] { db.sync(); })}) {
                    try {
                        change();
                        demand(false, "changed through a reading handle");
                    } catch (const error& caught) {
                        expect_sensible(caught, kept.file, {errc::read_only});
                    }
                }
            }
        }
        expect_refused(kept.file, open_mode::open_or_create, reason);
        expect_refused(kept.file, open_mode::open_only, reason);
    }
    struct stat after {};
    demand(::stat(kept.file.c_str(), &after) == 0, "stat");
    demand(read_bytes(kept.file) == bytes, "bytes changed");
    demand(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec &&
               before.st_blocks == after.st_blocks,
           "the file was written to");
}

std::uint64_t names_in(const std::filesystem::path& folder)
{
    std::uint64_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator(folder)) {
        count += each.exists() ? 1U : 0U;
    }
    return count;
}

/// Whom file modes bind.
bool become_nobody()
{
    return ::geteuid() == 0 && ::setresuid(65'534, 65'534, 65'534) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(read_only)

BOOST_AUTO_TEST_CASE(a_mount)
{
    const scratch_folder folder;
    expect_done(in_small_file_system(folder.path(), 32 << 20, [&] {
        const shared<ledger> first;
        const shared<ledger> second;
        const store clean(folder / "clean.kvdb", *first, true, seed_of_run());
        const store unclean(folder / "unclean.kvdb", *second, false, seed_of_run() + 1);
        demand(::mount("tmpfs", folder.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, nullptr) == 0, "remount");
        expect_reading_alone(clean, errc::read_only);
        expect_reading_alone(unclean, errc::read_only);
        for (const open_mode mode : {open_mode::open_or_create, open_mode::create_only}) {
            expect_refused(folder / "new.kvdb", mode, errc::read_only);
        }
        demand(names_in(folder.path()) == 2, "something was left behind");
        demand(::mount("tmpfs", folder.path().c_str(), "tmpfs", MS_REMOUNT, nullptr) == 0, "remount");
        expect_all_reopened(clean.file, *first);
        expect_all_reopened(unclean.file, *second);
        return 0;
    }));
}

BOOST_AUTO_TEST_CASE(a_folder_and_a_file)
{
    const scratch_folder folder(fast_parent());
    const shared<ledger> known;
    const store kept(folder / "kept.kvdb", *known, true, seed_of_run());
    ::chmod(folder.path().c_str(), 0555);
    ::chmod(kept.file.c_str(), 0444);
    expect_done(in_child([&] {
        if (!become_nobody()) {
            return skipped;
        }
        expect_reading_alone(kept, errc::no_permission);
        for (const open_mode mode : {open_mode::open_or_create, open_mode::create_only}) {
            expect_refused(folder / "new.kvdb", mode, errc::no_permission);
        }
        demand(names_in(folder.path()) == 1, "something was left behind");
        return 0;
    }));
    // A folder that takes no new names does not keep anybody from the file.
    ::chmod(kept.file.c_str(), 0666);
    expect_done(in_child([&] {
        if (!become_nobody()) {
            return skipped;
        }
        user me(kept.file, *known, 0, {100'000, true, {}}, seed_of_run());
        auto db = database::open(kept.file);
        for (int i = 0; i < 50; ++i) {
            me.step(db);
        }
        return 0;
    }));
    ::chmod(folder.path().c_str(), 0755);
    expect_all_reopened(kept.file, *known);
}

BOOST_AUTO_TEST_SUITE_END()
