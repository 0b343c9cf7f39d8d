// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_ERROR_HPP
#define KVDB_ERROR_HPP

#include <kvdb/export.hpp>

#include <string>
#include <system_error>

namespace kvdb {

/// What went wrong. A missing key is never an error.
enum class errc {
    invalid_argument = 1,  ///< an option or argument is outside its documented range
    key_too_large,         ///< the key is longer than max_key_size
    value_too_large,       ///< the value is longer than max_value_size
    no_such_file,          ///< the database, or a folder on the way to it, does not exist
    file_exists,           ///< open_mode::create_only met an existing file
    not_a_database,        ///< the file does not begin as a kvdb file does
    unsupported_version,   ///< the format version or a feature flag is unknown to this build
    damaged,               ///< bytes of the file contradict the format
    no_permission,         ///< the operating system refuses access
    read_only,             ///< a write through a read-only handle
    disk_full,             ///< no space left for the file to grow
    file_too_large,        ///< a file-size limit (RLIMIT_FSIZE, file system, format) was met
    io_failure,            ///< a read, write or flush failed
    busy,                  ///< a lock could not be had before the deadline; the message names the holder
    too_many_handles,      ///< the file's attachment table is full
    closed,                ///< the handle is closed or moved from
    poisoned,              ///< an earlier flush failed: nothing can be acknowledged as durable
    no_memory,             ///< address space or memory could not be had
    unsupported,           ///< the platform cannot do what was asked
};

KVDB_EXPORT const std::error_category& category() noexcept;

inline std::error_code make_error_code(errc code) noexcept
{
    return {static_cast<int>(code), category()};
}

/// The one exception type of kvdb. `code()` is an `errc`, or compares equal to one;
/// `what()` names the file, what was wrong and where.
class KVDB_EXPORT error : public std::system_error {
public:
    error(errc code, const std::string& message) : std::system_error(make_error_code(code)), message_(message) {}

    [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
    [[nodiscard]] errc reason() const noexcept { return static_cast<errc>(code().value()); }

private:
    std::string message_;
};

}  // namespace kvdb

template <>
struct std::is_error_code_enum<kvdb::errc> : std::true_type {
};

#endif
