// SPDX-License-Identifier: BSL-1.0
// The file as it stands at every step of an operation, taken over by somebody else: the operation has happened or has
// not, and repairing once more, from any step of a repair, changes nothing.
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "shard_store.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct snapshot {
    std::string point;
    std::string bytes;
};
/// As read_bytes, without a stream: some ten thousand of them are read.
std::string image_of(const std::filesystem::path& file)
{
    const io::file opened = io::file::open(file, io::access::read);
    std::string bytes(opened.size(), '\0');
    static_cast<void>(opened.read_at(0, std::as_writable_bytes(std::span(bytes))));
    return bytes;
}

std::vector<snapshot> snapshots;
std::filesystem::path watched;

bool wanted_point(const std::string& point)
{
    // In between, locks of the allocator come and go; growth itself is tested with the allocator.
    return !point.starts_with("growth.");
}
void take_snapshot(const char* point)
{
    if (wanted_point(point)) {
        snapshots.push_back({point, image_of(watched)});
    }
}

struct crash_fixture : shard_fixture {
    /// The images of the file at each crash point of `work`.
    std::vector<snapshot> images_of(const std::filesystem::path& file, const std::function<void()>& work) const
    {
        snapshots.clear();
        watched = file;
        test_crash_hook = take_snapshot;
        work();
        test_crash_hook = nullptr;
        return std::move(snapshots);
    }

    /// Somebody else takes the shard's lock over, as after a death at that moment.
    void survive(const snapshot& image, const model& before, const model& after, int deaths)
    {
        const auto copy = folder.path() / ("copy" + std::to_string(deaths));
        write_bytes(copy, image.bytes);
        std::vector<snapshot> again;
        {
            raw_store heir(copy);
            again = images_of(copy, [&] { const shard::locked_shard repaired(heir.all, 0); });
            const bool old_state = holds(heir, before);
            const bool new_state = holds(heir, after);
            BOOST_TEST((old_state || new_state));
            if (image.point.ends_with(".disarmed")) {
                BOOST_TEST(heir.shard(0).intent.armed == 0U);
            }
            // A program that was armed is carried out; a second repair finds nothing to do.
            BOOST_TEST(heir.shard(0).intent.armed == 0U);
            const std::string settled = image_of(copy);
            {
                const shard::locked_shard repaired(heir.all, 0);
            }
            BOOST_TEST((image_of(copy) == settled));
            model content_now = new_state ? after : before;
            if (deaths == 0) {
                const std::string key = key_with_hash(0x5555, "next");
                set(heir, key, "goes on");
                content_now[key] = "goes on";
                BOOST_TEST(holds(heir, content_now));
                heir.mark_clean();
                const auto db = database::open(copy, with_mode(open_mode::read_only));
                for (const check_fault& fault : db.check().faults) {
                    BOOST_ERROR("check: at " << fault.offset << ": " << fault.what);
                }
            }
        }
        std::filesystem::remove(copy);
        if (deaths < 1) {
            for (const snapshot& next : again) {
                BOOST_TEST_CONTEXT("then again at " << next.point)
                {
                    survive(next, before, after, deaths + 1);
                }
            }
        }
    }

    /// `operation` on a shard that holds `content`; it makes `after` of it, by way of `point`.
    void live_through(raw_store& store, const std::function<void()>& operation, const model& after,
                      const std::string& point)
    {
        const std::vector<snapshot> images = images_of(path, operation);
        BOOST_TEST(holds(store, after));
        bool met = false;
        for (const snapshot& image : images) {
            met = met || image.point == point;
            BOOST_TEST_CONTEXT("death at " << image.point)
            {
                survive(image, content, after, 0);
            }
        }
        BOOST_TEST(met, point << " was not passed");
        content = after;
    }
    void live_through_set(raw_store& store, const std::string& key, const std::string& value,
                          const std::string& point)
    {
        model after = content;
        after[key] = value;
        live_through(
            store, [&] { set(store, key, value); }, after, point);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(crash_images, crash_fixture)

BOOST_AUTO_TEST_CASE(first_set_overwrite_and_erase)
{
    raw_store store(path);
    live_through_set(store, key_with_hash(1, "a"), "first", "create-index.armed");
    live_through_set(store, key_with_hash(2, "b"), "second", "set.step");
    live_through_set(store, key_with_hash(1, "a"), "another value", "set.disarmed");
    model after = content;
    after.erase(key_with_hash(2, "b"));
    live_through(
        store, [&] { erase(store, key_with_hash(2, "b")); }, after, "erase.step");
    live_through_set(store, key_with_hash(3, "c"), std::string(3'000, 'c'), "accept-log.step");
}

BOOST_AUTO_TEST_CASE(large_values)
{
    raw_store store(path);
    put(store, key_with_hash(1), "small");
    const auto large = [&](const std::string& key, const std::string& value) {
        model after = content;
        after[key] = value;
        live_through(
            store, [&] { shard::writer(store.all, 0).set_large(hash_in_key(key, 0), key, value, 1); }, after,
            "set-large.step");
    };
    large(key_with_hash(1), bytes_of(40'000, 1));
    large(key_with_hash(2), bytes_of(33'000, 2));
    large(key_with_hash(2), bytes_of(34'000, 3));
    live_through_set(store, key_with_hash(2), "small again", "set.step");
}

BOOST_AUTO_TEST_CASE(moves)
{
    raw_store store(path);
    for (std::uint64_t i = 0; i < 8; ++i) {
        put(store, key_with_hash(make_hash(2 * i + 2, 0)), "first");
        put(store, key_with_hash(make_hash(2 * i + 2, 1)), "second");
    }
    live_through_set(store, key_with_hash(make_hash(0, 0)), "third", "move.step");
    live_through_set(store, key_with_hash(make_hash(0, 1)), "fourth", "move.step");
}

BOOST_AUTO_TEST_CASE(overflow_blocks)
{
    raw_store store(path);
    for (int i = 0; i < 16; ++i) {
        put(store, key_with_hash(77, std::to_string(i)), "crowd");
    }
    live_through_set(store, key_with_hash(77, "one more"), "chained", "overflow.step");
    for (int i = 16; i < 22; ++i) {
        put(store, key_with_hash(77, std::to_string(i)), "crowd");
    }
    live_through_set(store, key_with_hash(77, "next block"), "chained", "overflow.step");
}

BOOST_AUTO_TEST_CASE(splits_and_doubling)
{
    raw_store store(path);
    chance source(setting("KVDB_TEST_SEED", 1));
    for (int splits = 0; splits < 2;) {
        // Find the set that splits on a copy of the key sequence: ask before, on a store that is thrown away.
        const std::string key = key_with_hash(source.next());
        const auto trial = folder / "trial";
        std::filesystem::copy_file(path, trial, std::filesystem::copy_options::overwrite_existing);
        bool splitting = false;
        if (content.size() > 440) {
            raw_store other(trial);
            passed.clear();
            test_crash_hook = [](const char* point) { ++passed[point]; };
            set(other, key, "v");
            test_crash_hook = nullptr;
            splitting = passed["split.armed"] > 0;
        }
        if (splitting) {
            ++splits;
            live_through_set(store, key, "v", "split.step");
        } else {
            put(store, key, "v");
        }
    }
    BOOST_TEST(store.shard(0).segments >= 3U);
}

BOOST_AUTO_TEST_CASE(a_log_left_by_a_dead_writer_is_sealed)
{
    raw_store store(path);
    put(store, key_with_hash(1), "there");
    const std::uint64_t extent = store.shard(0).log_extent;
    const std::uint64_t tail = store.shard(0).log_tail;
    const auto images = images_of(path, [&] { set(store, key_with_hash(2), "half written"); });
    for (const snapshot& image : images) {
        if (image.point != "set.record-written") {
            continue;
        }
        const auto copy = folder / "sealed";
        write_bytes(copy, image.bytes);
        raw_store heir(copy);
        {
            const shard::locked_shard repaired(heir.all, 0);
        }
        BOOST_TEST(heir.shard(0).log_extent == 0U);
        BOOST_CHECK(format::kind_of(heir.memory.at<format::record_header>(tail).meta) == format::record_kind::end);
        BOOST_TEST(!get(heir, key_with_hash(2)).has_value());
        set(heir, key_with_hash(3), "in a new extent");
        BOOST_TEST(heir.shard(0).log_extent != extent);
        BOOST_TEST(heir.shard(0).next_sequence >= store.shard(0).next_sequence);
        heir.mark_clean();
        options how;
        how.distrust = true;
        const contents all = contents_of(database::open(copy, how));
        BOOST_TEST(all.size() == 2U);
        BOOST_TEST(all.count(key_with_hash(2)) == 0U);  // it does not come alive later
        return;
    }
    BOOST_ERROR("no image with a half-born record");
}

BOOST_AUTO_TEST_SUITE_END()
