// SPDX-License-Identifier: BSL-1.0
#include "keys.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvdb::bench {
namespace {

/// The finalizer of SplitMix64: one to one, so that no two numbers share a key.
std::uint64_t mixed(std::uint64_t x)
{
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31U);
}

void write_key(std::uint64_t number, char* to)
{
    std::uint64_t word = mixed(number);
    for (std::size_t i = 0; i < key_size; ++i) {
        to[i] = "0123456789abcdef"[word & 15U];
        word >>= 4U;
    }
}

/// A step that walks through all of 0 to `all` - 1 before it comes back.
std::uint64_t step_through(std::uint64_t all)
{
    auto step = static_cast<std::uint64_t>(static_cast<double>(all) * 0.618);
    while (std::gcd(std::max<std::uint64_t>(step, 1), all) != 1) {
        ++step;
    }
    return std::max<std::uint64_t>(step, 1);
}

}  // namespace

deck::deck(const std::vector<std::uint32_t>& order, std::uint64_t all)
    : keys_(order.size() * key_size, '0'), links_(keys_)
{
    const std::uint64_t step = step_through(all);
    for (std::size_t i = 0; i < order.size(); ++i) {
        write_key(order[i], keys_.data() + i * key_size);
        write_key((order[i] + step) % all, links_.data() + i * key_size);
    }
}

deck deck::absent(std::uint64_t all, std::size_t count)
{
    deck made;
    made.keys_.resize(count * key_size);
    made.links_.resize(count * key_size, '0');
    for (std::size_t i = 0; i < count; ++i) {
        write_key(all + i, made.keys_.data() + i * key_size);
    }
    return made;
}

std::vector<std::uint32_t> shuffled(std::size_t count, std::mt19937_64& random)
{
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0U);
    std::shuffle(order.begin(), order.end(), random);
    return order;
}

std::vector<std::uint32_t> zipf(std::size_t count, std::size_t draws, std::mt19937_64& random)
{
    // Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD 1994.
    constexpr double theta = 0.99;
    const auto all = static_cast<double>(count);
    double zeta = 0;
    for (std::size_t i = 1; i <= count; ++i) {
        zeta += std::pow(static_cast<double>(i), -theta);
    }
    const double zeta2 = 1 + std::pow(2.0, -theta);
    const double eta = (1 - std::pow(2 / all, 1 - theta)) / (1 - zeta2 / zeta);
    const std::vector<std::uint32_t> of_rank = shuffled(count, random);
    std::uniform_real_distribution<double> uniform;
    std::vector<std::uint32_t> drawn(draws);
    for (std::uint32_t& number : drawn) {
        const double u = uniform(random);
        double rank = u * zeta < 1 ? 0 : 1;
        if (u * zeta >= zeta2) {
            rank = all * std::pow(eta * u - eta + 1, 1 / (1 - theta));
        }
        number = of_rank[std::min(static_cast<std::size_t>(rank), count - 1)];
    }
    return drawn;
}

value_maker::value_maker(std::size_t size, std::size_t longest)
    : size_(size), mark_at_(std::min(size - 1, key_size)), bytes_(std::max({size, longest, key_size + 1}), '\0')
{
    std::minstd_rand random(7);
    std::generate(bytes_.begin(), bytes_.end(), [&] { return static_cast<char>(random() >> 8U); });
}

}  // namespace kvdb::bench
