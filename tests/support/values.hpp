// SPDX-License-Identifier: BSL-1.0
// Keys, values that prove themselves whole, and a small seeded source of chance.
#ifndef KVDB_TESTS_SUPPORT_VALUES_HPP
#define KVDB_TESTS_SUPPORT_VALUES_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace kvdb::testing {

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers everywhere for the same seed.
class chance {
public:
    explicit chance(std::uint64_t seed) noexcept : state_(seed) {}

    [[nodiscard]] std::uint64_t next() noexcept
    {
        state_ += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }
    /// 0 to bound - 1.
    [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }

private:
    std::uint64_t state_;
};

/// 16 bytes, different for each number.
[[nodiscard]] inline std::string numbered_key(std::uint64_t number)
{
    std::string key = "key-000000000000";
    for (std::size_t at = key.size(); number != 0; number /= 10) {
        key[--at] = static_cast<char>('0' + number % 10);
    }
    return key;
}

/// Bytes of any size that follow from a seed.
[[nodiscard]] inline std::string bytes_of(std::size_t size, std::uint64_t seed)
{
    chance source(seed);
    std::string bytes(size, '\0');
    std::size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        const std::uint64_t word = source.next();
        std::memcpy(&bytes[at], &word, 8);
    }
    for (; at < size; ++at) {
        bytes[at] = static_cast<char>(source.next());
    }
    return bytes;
}

/// A value that names its key and version; everything behind follows from the two, so a torn or mixed one is noticed.
[[nodiscard]] inline std::string telling_value(std::uint64_t key, std::uint64_t version, std::size_t size = 100)
{
    std::string value(16, '\0');
    std::memcpy(value.data(), &key, 8);
    std::memcpy(value.data() + 8, &version, 8);
    return value + bytes_of(size > 16 ? size - 16 : 0, key * 0x100000001b3ULL + version);
}

/// The version that a value tells, or nothing if it is not the whole value of that key.
[[nodiscard]] inline std::optional<std::uint64_t> told_version(std::uint64_t key, std::string_view value)
{
    if (value.size() < 16) {
        return std::nullopt;
    }
    std::uint64_t version = 0;
    std::memcpy(&version, value.data() + 8, 8);
    if (telling_value(key, version, value.size()) != value) {
        return std::nullopt;
    }
    return version;
}

}  // namespace kvdb::testing

#endif
