// SPDX-License-Identifier: BSL-1.0
// What is said on standard error.
#ifndef KVDB_APP_REPORT_HPP
#define KVDB_APP_REPORT_HPP

#include <kvdb/error.hpp>

#include <filesystem>
#include <string>
#include <string_view>

namespace kvdb::app {

struct invocation;

/// "kvdb: TEXT" and a newline, in one write.
void say(std::string_view text);
/// As say, unless -q was given.
void note(const invocation& call, std::string_view text);
/// "kvdb: key not found: KEY", printable, or encoded as --hex and --base64 say.
void say_not_found(const invocation& call, std::string_view key);
/// The error, the file if the error does not name it, and what can be done about it.
void say_error(const error& problem, const std::filesystem::path& file);

}  // namespace kvdb::app

#endif
