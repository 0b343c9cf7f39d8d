// SPDX-License-Identifier: BSL-1.0
// Bytes in JSON: a string where they are UTF-8, {"base64": "..."} where they are not.
#ifndef KVDB_APP_JSON_BYTES_HPP
#define KVDB_APP_JSON_BYTES_HPP

#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace kvdb::app {

void append_json(std::string& out, std::string_view bytes);
/// {"key": KEY, "value": VALUE}; a null pointer leaves a member out.
[[nodiscard]] std::string json_record(const std::string_view* key, const std::string_view* value);

/// False, and the reason in `why`, if it is neither a string nor {"base64": "..."}.
[[nodiscard]] bool bytes_from_json(const boost::json::value& from, std::string& out, std::string& why);

}  // namespace kvdb::app

#endif
