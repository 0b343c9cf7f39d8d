// SPDX-License-Identifier: BSL-1.0
#include <kvdb/error.hpp>

namespace kvdb {
namespace {

class kvdb_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "kvdb"; }

    [[nodiscard]] std::string message(int value) const override
    {
        switch (static_cast<errc>(value)) {
            case errc::invalid_argument: return "invalid argument";
            case errc::key_too_large: return "key too large";
            case errc::value_too_large: return "value too large";
            case errc::no_such_file: return "no such file";
            case errc::file_exists: return "file exists";
            case errc::not_a_database: return "not a kvdb database";
            case errc::unsupported_version: return "unsupported format version or feature";
            case errc::damaged: return "damaged";
            case errc::no_permission: return "permission denied";
            case errc::read_only: return "read-only";
            case errc::disk_full: return "disk full";
            case errc::file_too_large: return "file too large";
            case errc::io_failure: return "input/output failure";
            case errc::busy: return "busy";
            case errc::too_many_handles: return "too many handles";
            case errc::closed: return "closed";
            case errc::poisoned: return "an earlier flush failed";
            case errc::no_memory: return "out of memory";
            case errc::unsupported: return "not supported here";
        }
        return "unknown error";
    }
};

}  // namespace

const std::error_category& category() noexcept
{
    static const kvdb_category instance;
    return instance;
}

}  // namespace kvdb
