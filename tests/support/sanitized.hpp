// SPDX-License-Identifier: BSL-1.0
// Is this program built with a sanitizer, whose runtime changes what memory and processes can do and takes its time?
#ifndef KVDB_TESTS_SUPPORT_SANITIZED_HPP
#define KVDB_TESTS_SUPPORT_SANITIZED_HPP

namespace kvdb::testing {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool thread_sanitized = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool thread_sanitized = true;
#else
inline constexpr bool thread_sanitized = false;
#endif
#else
inline constexpr bool thread_sanitized = false;
#endif

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = thread_sanitized;
#endif
#else
inline constexpr bool sanitized = thread_sanitized;
#endif

}  // namespace kvdb::testing

#endif
