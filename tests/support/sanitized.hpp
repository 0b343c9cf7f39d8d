// SPDX-License-Identifier: BSL-1.0
// Is this program built with a sanitizer whose runtime changes what memory and processes can do?
#ifndef KVDB_TESTS_SUPPORT_SANITIZED_HPP
#define KVDB_TESTS_SUPPORT_SANITIZED_HPP

namespace kvdb::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace kvdb::testing

#endif
