// SPDX-License-Identifier: BSL-1.0
#include "json_bytes.hpp"

#include "encoding.hpp"

#include <boost/json/serialize.hpp>

namespace kvdb::app {

void append_json(std::string& out, std::string_view bytes)
{
    if (is_utf8(bytes)) {
        out += boost::json::serialize(boost::json::string_view(bytes.data(), bytes.size()));
    } else {
        out += R"({"base64":")";
        out += to_base64(bytes);
        out += "\"}";
    }
}

std::string json_record(const std::string_view* key, const std::string_view* value)
{
    std::string out = "{";
    if (key != nullptr) {
        out += R"("key":)";
        append_json(out, *key);
    }
    if (value != nullptr) {
        out += key != nullptr ? R"(,"value":)" : R"("value":)";
        append_json(out, *value);
    }
    out += '}';
    return out;
}

bool bytes_from_json(const boost::json::value& from, std::string& out, std::string& why)
{
    if (const boost::json::string* text = from.if_string(); text != nullptr) {
        out.assign(text->data(), text->size());
        return true;
    }
    const boost::json::object* object = from.if_object();
    const boost::json::value* member =
        object != nullptr && object->size() == 1 ? object->if_contains("base64") : nullptr;
    const boost::json::string* text = member != nullptr ? member->if_string() : nullptr;
    if (text == nullptr) {
        why = R"(is neither a string nor {"base64": "..."})";
        return false;
    }
    std::optional<std::string> bytes = from_base64(std::string_view(text->data(), text->size()));
    if (!bytes) {
        why = "holds text that is not base64";
        return false;
    }
    out = *std::move(bytes);
    return true;
}

}  // namespace kvdb::app
