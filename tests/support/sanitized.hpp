// SPDX-License-Identifier: BSL-1.0
// Is this program built with a sanitizer, whose runtime changes what memory and processes can do and takes its time?
#ifndef KVDB_TESTS_SUPPORT_SANITIZED_HPP
#define KVDB_TESTS_SUPPORT_SANITIZED_HPP

#if defined(__has_feature)
#define KVDB_TEST_FEATURE(name) __has_feature(name)
#else
#define KVDB_TEST_FEATURE(name) 0
#endif

namespace kvdb::testing {

#if defined(__SANITIZE_THREAD__) || KVDB_TEST_FEATURE(thread_sanitizer)
inline constexpr bool thread_sanitized = true;
#else
inline constexpr bool thread_sanitized = false;
#endif

#if defined(__SANITIZE_ADDRESS__) || KVDB_TEST_FEATURE(address_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = thread_sanitized;
#endif

}  // namespace kvdb::testing

#undef KVDB_TEST_FEATURE

#endif
