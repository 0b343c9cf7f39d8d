// SPDX-License-Identifier: BSL-1.0
// Decodes an input of fuzz_operations.
//
//   byte 0   bits 0-1  shards: 1, 2, 4, 64
//            bits 2-3  hash of the keys: real, real, few different ones, one for all
//            bits 4-5  durability: relaxed, relaxed, none, sync
//            bit  6    verify_reads
//   then operations, one byte each (modulo operation::count) with their arguments behind it; the end of the input
//   reads as zeros
#ifndef KVDB_FUZZ_OPERATION_READER_HPP
#define KVDB_FUZZ_OPERATION_READER_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace kvdb::fuzz {

enum class operation : std::uint8_t {
    set_small,        // key, length, fill
    set_medium,       // key, length * 16, fill
    set_large,        // key, 32,000 + length * 128, fill
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
    fill,             // first key, count: many small sets
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
    operation next() noexcept { return static_cast<operation>(byte() % static_cast<std::uint8_t>(operation::count)); }

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
    std::span<const std::uint8_t> bytes_;
};

}  // namespace kvdb::fuzz

#endif
