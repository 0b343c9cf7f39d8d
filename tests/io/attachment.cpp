// SPDX-License-Identifier: BSL-1.0
// Places in the attachment table: claimed, full, reused, and who lives in them.
#include "io/attachment.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "extents/raw_store.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct attachment_fixture {
    scratch_folder folder{fast_parent()};
    std::filesystem::path path = folder / "raw.kvdb";

    attachment_fixture() { make_raw_file(path); }

    static std::uint32_t generation(raw_store& store, std::uint32_t slot) { return store.slot(slot).generation; }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(attachment, attachment_fixture)

BOOST_AUTO_TEST_CASE(each_claim_gets_a_slot_of_its_own)
{
    std::vector<std::unique_ptr<raw_store>> stores;
    std::set<std::uint32_t> slots;
    for (std::uint32_t i = 0; i < format::min_attachments; ++i) {
        stores.push_back(std::make_unique<raw_store>(path));
        raw_store& store = *stores.back();
        BOOST_TEST(slots.insert(store.self.slot()).second);
        const format::attachment_slot& slot = store.slot(store.self.slot());
        BOOST_TEST(slot.pid == static_cast<std::uint32_t>(::getpid()));
        BOOST_TEST(slot.since_unix_ms > 1'600'000'000'000U);
        BOOST_TEST(store.self.lock_word() == ((std::uint64_t{slot.generation} << 32) | (store.self.slot() + 1)));
        BOOST_TEST((store.self.lock_word() & format::lock_waiters) == 0U);
    }
    KVDB_CHECK_ERROR(static_cast<void>(std::make_unique<raw_store>(path)), too_many_handles);
    raw_store& first = *stores.front();
    for (std::uint32_t i = 0; i < format::min_attachments; ++i) {
        BOOST_TEST(first.self.slot_is_live(i));
    }
    // Room again, with a higher generation.
    const std::uint32_t left = stores[3]->self.slot();
    const std::uint64_t word = stores[3]->self.lock_word();
    stores[3].reset();
    BOOST_TEST(!first.self.slot_is_live(left));
    BOOST_TEST(first.slot(left).pid == 0U);
    BOOST_TEST(first.self.holder_is_dead(word));
    stores[3] = std::make_unique<raw_store>(path);
    BOOST_TEST(stores[3]->self.slot() == left);
    BOOST_TEST(stores[3]->self.lock_word() == word + (std::uint64_t{1} << 32));
    BOOST_TEST(first.self.holder_is_dead(word));
    BOOST_TEST(!first.self.holder_is_dead(stores[3]->self.lock_word()));
}

BOOST_AUTO_TEST_CASE(the_slot_of_a_dead_process_comes_last)
{
    raw_store store(path);
    shared<std::atomic<std::uint64_t>> word;
    child process([&] {
        raw_store mine(path);
        *word = mine.self.lock_word();
        for (;;) {
            ::pause();
        }
        return 0;
    });
    BOOST_REQUIRE(eventually([&] { return *word != 0; }));
    const auto slot = static_cast<std::uint32_t>((*word & format::lock_slot_mask) - 1);
    BOOST_TEST(store.self.slot_is_live(slot));
    BOOST_TEST(!store.self.holder_is_dead(*word));
    BOOST_TEST(store.self.describe(*word).find(std::to_string(process.pid())) != std::string::npos);
    process.kill();
    BOOST_TEST(!store.self.slot_is_live(slot));
    BOOST_TEST(store.self.holder_is_dead(*word));
    BOOST_TEST(store.slot(slot).pid != 0U);  // it had no time to leave
    const std::uint32_t before = generation(store, slot);
    std::vector<std::unique_ptr<raw_store>> stores;
    for (std::uint32_t i = 0; i < format::min_attachments - 2; ++i) {
        stores.push_back(std::make_unique<raw_store>(path));
        BOOST_TEST(stores.back()->self.slot() != slot);
    }
    stores.push_back(std::make_unique<raw_store>(path));
    BOOST_TEST(stores.back()->self.slot() == slot);
    BOOST_TEST(generation(store, slot) == before + 1);
    BOOST_TEST(store.self.holder_is_dead(*word));
}

BOOST_AUTO_TEST_CASE(a_child_that_abandons_leaves_its_parent_alive)
{
    raw_store store(path);
    raw_store witness(path);
    BOOST_TEST(in_child([&] {
                   store.self.abandon();
                   demand(!witness.self.holder_is_dead(store.self.lock_word()), "the parent counts as dead");
                   return 0;
               }) == 0);
    BOOST_TEST(!witness.self.holder_is_dead(store.self.lock_word()));
    BOOST_TEST(store.slot(store.self.slot()).pid == static_cast<std::uint32_t>(::getpid()));
}

BOOST_AUTO_TEST_CASE(a_solitary_one_takes_others_for_alive)
{
    raw_store store(path);
    const io::attachment alone = io::attachment::solitary(store.memory);
    BOOST_TEST(!alone.is_attached());
    BOOST_TEST(!alone.holder_is_dead(store.self.lock_word() ^ (std::uint64_t{1} << 40)));
    BOOST_TEST(alone.slot_is_live(5));
    BOOST_TEST(alone.lock_word() != 0U);
}

BOOST_AUTO_TEST_SUITE_END()
