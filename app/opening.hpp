// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_APP_OPENING_HPP
#define KVDB_APP_OPENING_HPP

#include "command.hpp"

#include <kvdb/database.hpp>

namespace kvdb::app {

/// Read-only: works on media and with rights that forbid writing.
[[nodiscard]] database open_for_reading(const invocation& call);
/// Creates a missing file unless --no-create was given.
[[nodiscard]] database open_for_writing(const invocation& call);
/// For commands that make no sense without a file.
[[nodiscard]] database open_existing(const invocation& call);

/// Makes all durable unless --no-sync was given, and detaches, so that whatever fails does so before success is
/// reported.
void finish_writing(database& store, const invocation& call);

/// usage_error if the path is the database itself under whatever name: `export kv.kvdb` would destroy it.
void refuse_database_file(const invocation& call, const std::filesystem::path& path);

}  // namespace kvdb::app

#endif
