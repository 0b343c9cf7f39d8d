// SPDX-License-Identifier: BSL-1.0
// Sizes: from nothing to the limits and one beyond.
#include <sys/mman.h>

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "format/record.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

/// Addresses without memory: whoever touches them dies.
class untouchable {
public:
    explicit untouchable(std::size_t size)
        : memory_(::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)), size_(size)
    {
    }
    untouchable(const untouchable&) = delete;
    untouchable& operator=(const untouchable&) = delete;
    ~untouchable()
    {
        if (there()) {
            ::munmap(memory_, size_);
        }
    }
    [[nodiscard]] bool there() const noexcept { return memory_ != MAP_FAILED; }
    [[nodiscard]] std::string_view view() const noexcept { return {static_cast<const char*>(memory_), size_}; }

private:
    void* memory_;
    std::size_t size_;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(limits, store_fixture)

BOOST_AUTO_TEST_CASE(a_key_without_an_address_is_the_empty_key)
{
    auto db = open();
    const std::string_view none;
    BOOST_TEST(none.data() == nullptr);
    BOOST_TEST(!db.contains(none));
    db.set(none, "value");
    BOOST_CHECK(db.get("") == "value");
    BOOST_CHECK(db.get(none) == "value");
    db.set("", std::string(50'000, 'l'));
    db.set(none, std::string(50'000, 'm'), durability::sync);
    BOOST_CHECK(db.get(none) == std::string(50'000, 'm'));
    BOOST_TEST(db.erase(none));
    BOOST_TEST(!db.contains(""));
}

BOOST_AUTO_TEST_CASE(keys_of_every_length)
{
    auto db = open();
    const auto all = [](const auto& visit) {
        for (std::size_t length = 0; length < 200; ++length) {
            visit(length);
        }
        for (std::size_t length = 200; length < 65'535; length += 1'117) {
            visit(length);
        }
        for (const std::size_t length : {32'767U, 32'768U, 65'533U, 65'534U, 65'535U}) {
            visit(length);
        }
    };
    all([&](std::size_t length) { db.set(bytes_of(length, length), bytes_of(length % 50, ~length)); });
    const auto verify = [&](const database& store) {
        all([&](std::size_t length) {
            BOOST_CHECK_MESSAGE(store.get(bytes_of(length, length)) == bytes_of(length % 50, ~length),
                                "key of " << length << " bytes");
        });
    };
    verify(db);
    db.close();
    options suspicious;
    suspicious.distrust = true;
    db = open(suspicious);
    verify(db);
    all([&](std::size_t length) { BOOST_CHECK(db.erase(bytes_of(length, length))); });
    BOOST_TEST(db.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_key_too_long)
{
    auto db = open();
    for (const std::size_t length : {65'536U, 65'537U, 131'072U + 5U}) {
        const std::string key(length, 'k');
        std::string value = "unchanged";
        KVDB_CHECK_ERROR(db.set(key, "v"), key_too_large);
        // No such key can be there; asking for it is an error or says so.
        for (const auto& ask : {std::function<bool()>([&] { return db.contains(key); }),
                                std::function<bool()>([&] { return db.get(key, value); }),
                                std::function<bool()>([&] { return db.erase(key); })}) {
            try {
                BOOST_TEST(!ask());
            } catch (const error& caught) {
                BOOST_CHECK(caught.reason() == errc::key_too_large);
            }
        }
        BOOST_TEST(value == "unchanged");
    }
    // The lengths above must not be cut down to 16 bits.
    db.set("", "empty");
    db.set("k", "one");
    KVDB_CHECK_ERROR(db.set(std::string(65'536, 'k'), "wrong"), key_too_large);
    KVDB_CHECK_ERROR(db.set(std::string(65'537, 'k'), "wrong"), key_too_large);
    BOOST_CHECK(db.get("") == "empty");
    BOOST_CHECK(db.get("k") == "one");
}

BOOST_AUTO_TEST_CASE(values_around_the_size_that_gets_an_extent_of_its_own)
{
    options how = with_shards(4);
    how.verify_reads = true;
    auto db = open(how);
    const std::size_t middle = format::large_record_size - 32;
    for (std::size_t size = middle - 40; size < middle + 60; ++size) {
        db.set("v" + std::to_string(size), bytes_of(size, size));
    }
    const auto verify = [&](const database& store) {
        for (std::size_t size = middle - 40; size < middle + 60; ++size) {
            BOOST_CHECK_MESSAGE(store.get("v" + std::to_string(size)) == bytes_of(size, size), size << " bytes");
        }
    };
    verify(db);
    for (std::size_t size = middle - 40; size < middle + 60; ++size) {  // smaller by larger and back
        db.set("v" + std::to_string(size), "small");
        db.set("v" + std::to_string(size), bytes_of(size, size));
    }
    verify(db);
    db.close();
    how.distrust = true;
    verify(open(how));
}

BOOST_AUTO_TEST_CASE(values_up_to_eight_mebibytes)
{
    options how;
    how.verify_reads = true;
    auto db = open(how);
    const std::size_t sizes[] = {
        0,       1,       3,         4,       1023,          1024,      1025,    65'535,        65'536, 262'080,
        262'144, 262'145, 1'000'000, 1 << 20, (1 << 20) + 1, 3'333'333, 1 << 22, (1 << 23) - 1, 1 << 23};
    for (const std::size_t size : sizes) {
        db.set("v" + std::to_string(size), bytes_of(size, size));
        db.set("w" + std::to_string(size), bytes_of(size, size + 1));
        BOOST_TEST(db.erase("w" + std::to_string(size)));
    }
    const auto verify = [&](const database& store) {
        for (const std::size_t size : sizes) {
            BOOST_CHECK_MESSAGE(store.get("v" + std::to_string(size)) == bytes_of(size, size), size << " bytes");
            BOOST_TEST(!store.contains("w" + std::to_string(size)));
        }
        store.for_each([&](std::string_view key, std::string_view value) {
            BOOST_CHECK(std::to_string(value.size()) == key.substr(1));
            BOOST_CHECK(value == bytes_of(value.size(), value.size()));
        });
    };
    verify(db);
    db.close();
    verify(open(with_mode(open_mode::read_only, how)));
    how.distrust = true;
    verify(open(how));
}

BOOST_AUTO_TEST_CASE(a_long_key_with_a_large_value)
{
    auto db = open();
    const std::string key = bytes_of(65'535, 1);
    db.set(key, bytes_of(300'000, 2));
    BOOST_CHECK(db.get(key) == bytes_of(300'000, 2));
    BOOST_TEST(db.erase(key));
    BOOST_CHECK(!db.get(key));
}

BOOST_AUTO_TEST_CASE(a_value_too_large_is_refused_untouched)
{
    const untouchable memory(max_value_size + 1);
    if (!memory.there()) {
        BOOST_TEST_MESSAGE("skipped: no 4 GiB of addresses");
        return;
    }
    auto db = open();
    db.set("key", "before");
    const std::uint64_t before = db.stats().file_size;
    KVDB_CHECK_ERROR(db.set("key", memory.view()), value_too_large);
    KVDB_CHECK_ERROR(db.set("other", memory.view()), value_too_large);
    KVDB_CHECK_ERROR(db.set(memory.view(), "v"), key_too_large);
    BOOST_CHECK(db.get("key") == "before");
    BOOST_TEST(db.size() == 1U);
    BOOST_TEST(db.stats().file_size == before);
}

BOOST_AUTO_TEST_SUITE_END()
