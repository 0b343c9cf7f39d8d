// SPDX-License-Identifier: BSL-1.0
// XXH3 of the xxHash library, inlined: short keys hash in a few nanoseconds.
#ifndef KVDB_BASE_HASH_HPP
#define KVDB_BASE_HASH_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace kvdb {

[[nodiscard]] inline std::uint64_t hash_bytes(const void* data, std::size_t size, std::uint64_t seed) noexcept
{
    return XXH3_64bits_withSeed(data, size, seed);
}
[[nodiscard]] inline std::uint64_t hash_bytes(std::span<const std::byte> bytes, std::uint64_t seed) noexcept
{
    return hash_bytes(bytes.data(), bytes.size(), seed);
}

#ifdef KVDB_TEST_HOOKS
/// Tests make keys collide: when set, it stands in for the key hash of the whole process.
using key_hash_override = std::uint64_t (*)(std::string_view key, std::uint64_t seed);
inline key_hash_override test_key_hash = nullptr;
#endif

[[nodiscard]] inline std::uint64_t hash_key(std::string_view key, std::uint64_t seed) noexcept
{
#ifdef KVDB_TEST_HOOKS
    if (test_key_hash != nullptr) {
        return test_key_hash(key, seed);
    }
#endif
    return hash_bytes(key.data(), key.size(), seed);
}

}  // namespace kvdb

#endif
