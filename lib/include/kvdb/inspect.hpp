// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_INSPECT_HPP
#define KVDB_INSPECT_HPP

#include <kvdb/export.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kvdb {

/// A field of the file as a person would want it explained.
struct inspected_field {
    std::uint64_t offset = 0;  ///< in the file
    std::uint64_t size = 0;    ///< in bytes
    std::string name;          ///< as format-spec/format.md calls it
    std::string value;         ///< decoded
    std::string meaning;
};

/// The header's fields in file order. Reads with plain file reads and changes nothing; works on damaged files
/// as long as the header can be read at all. Throws kvdb::error (no_such_file, no_permission, not_a_database…).
[[nodiscard]] KVDB_EXPORT std::vector<inspected_field> inspect_header(const std::filesystem::path& path);

/// What lies at a file offset: the region it belongs to and the structure around it, field by field.
[[nodiscard]] KVDB_EXPORT std::vector<inspected_field> inspect_at(const std::filesystem::path& path,
                                                                  std::uint64_t offset);

/// The way from a key's hash to its record: hash, shard, directory entry, segment, bucket, slot, record.
/// The last field is named "record" when the key is there and "absent" when it is not.
[[nodiscard]] KVDB_EXPORT std::vector<inspected_field> inspect_key(const std::filesystem::path& path,
                                                                   std::string_view key);

}  // namespace kvdb

#endif
