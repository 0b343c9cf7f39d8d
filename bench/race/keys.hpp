// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_KEYS_HPP
#define KVDB_BENCH_RACE_KEYS_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace kvdb::bench {

inline constexpr std::size_t key_size = 16;

/// Keys in the order of their use, as one block of bytes: the timed loops read it straight through, so that the cache
/// misses that are measured are the stores' own.
struct key_span {
    const char* bytes = nullptr;
    std::size_t count = 0;

    [[nodiscard]] std::string_view operator[](std::size_t i) const { return {bytes + i * key_size, key_size}; }
    [[nodiscard]] key_span part(std::size_t first, std::size_t size) const
    {
        return {bytes + first * key_size, size};
    }
};

/// Entries in the order of their use: keys, and what their values begin with. The link of a key is another key; by
/// way of the links all keys are one cycle in no order that a store could know, which the dependent gets walk.
class deck {
public:
    deck(const std::vector<std::uint32_t>& order, std::uint64_t all);

    /// `count` keys that no store has.
    static deck absent(std::uint64_t all, std::size_t count);

    [[nodiscard]] std::size_t size() const { return keys_.size() / key_size; }
    [[nodiscard]] key_span keys() const { return {keys_.data(), size()}; }
    [[nodiscard]] key_span links() const { return {links_.data(), size()}; }

private:
    deck() = default;

    std::string keys_;
    std::string links_;
};

/// 0 to `count` - 1 in random order.
std::vector<std::uint32_t> shuffled(std::size_t count, std::mt19937_64& random);

/// `draws` numbers below `count`, drawn by Zipf's law with exponent 0.99; which are the frequent ones is random.
std::vector<std::uint32_t> zipf(std::size_t count, std::size_t draws, std::mt19937_64& random);

/// Makes values: the link, a mark, then bytes that do not compress; in values of 16 bytes and less the mark is the
/// last byte. No two writes of a key may have the same mark: some stores notice that nothing changes, and write
/// nothing.
class value_maker {
public:
    value_maker(std::size_t size, std::size_t longest);

    void next_mark() { ++mark_; }
    std::string_view operator()(std::string_view link) { return sized(link, size_); }
    std::string_view sized(std::string_view link, std::size_t size)
    {
        std::memcpy(bytes_.data(), link.data(), key_size);
        bytes_[mark_at_] = mark_;
        return {bytes_.data(), size};
    }
    [[nodiscard]] std::size_t size() const { return size_; }

private:
    std::size_t size_;
    std::size_t mark_at_;
    char mark_ = 'a';
    std::string bytes_;
};

}  // namespace kvdb::bench

#endif
