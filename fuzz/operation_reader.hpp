// SPDX-License-Identifier: BSL-1.0
// Decodes an input of fuzz_operations.
//
//   byte 0   bits 0-1  shards: 1, 2, 4, 64
//            bits 2-3  hash of the keys: real, crowded into a quarter of the buckets, few different ones, one for all
//            bits 4-5  durability: relaxed, relaxed, none, sync
//            bit  6    verify_reads
//            bit  7    the database is compared before it is closed, not when it was opened again
//   then operations, one byte each with their arguments behind it; the end of the input reads as zeros. Half of all
//   bytes are one of four cheap operations: to open the file again takes a hundred times as long.
#ifndef KVDB_FUZZ_OPERATION_READER_HPP
#define KVDB_FUZZ_OPERATION_READER_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace kvdb::fuzz {

enum class operation : std::uint8_t {
    set_small,        // key, length, fill
    set_medium,       // key, length * 16, fill
    set_large,        // key, 32,700 + length * 16, fill: on both sides of what has an extent of its own
    erase,            // key
    get,              // key
    contains,         // key
    size,             //
    walk,             //
    sync,             //
    reopen,           //
    reopen_distrust,  //
    look_read_only,   //
    second_handle,    // key, length, fill: set through another handle, erase when the length is 0
    lose_process,     // goes on with a copy of the bytes as they are: nobody closed the file
    fill,             // first key, count: many small sets; a quarter where hashes collide or sets are durable
    erase_many,       // first key, count
    multi_get,        // count, that many keys
    multi_set,        // count, that many times key, length, fill
    count
};

class operation_reader {
public:
    explicit operation_reader(std::span<const std::uint8_t> bytes) noexcept : bytes_(bytes) {}

    [[nodiscard]] bool at_end() const noexcept { return bytes_.empty(); }
    std::uint8_t byte() noexcept
    {
        if (bytes_.empty()) {
            return 0;
        }
        const std::uint8_t first = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return first;
    }
    operation next() noexcept
    {
        constexpr std::array cheap{operation::set_small, operation::set_medium, operation::erase, operation::get};
        const auto code = static_cast<std::uint8_t>(byte() % (2 * operations));
        return code < operations ? static_cast<operation>(code) : cheap[code % cheap.size()];
    }

    /// Key number `n`: the empty one, short ones, and some that are long.
    [[nodiscard]] static std::string key_of(std::uint32_t n)
    {
        std::string key;
        if (n != 0) {
            key = "k" + std::to_string(n);
        }
        if (n % 64 == 63) {
            key.resize(n == 255 ? 33'000 : n * 5, 'x');
        }
        return key;
    }
    std::string key() { return key_of(byte()); }

private:
    static constexpr auto operations = static_cast<std::uint8_t>(operation::count);

    std::span<const std::uint8_t> bytes_;
};

}  // namespace kvdb::fuzz

#endif
