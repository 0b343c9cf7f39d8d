// SPDX-License-Identifier: BSL-1.0
// {"key": "...", "value": "..."} a line, with {"base64": "..."} for bytes that are not UTF-8. Blank lines are
// allowed, members of other names are not: they may mean something to whoever wrote them.
#include "json_bytes.hpp"
#include "record_format.hpp"

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parser.hpp>

#include <array>

namespace kvdb::app {
namespace {

namespace json = boost::json;
constexpr std::string_view blanks = " \t\r";

bool take_members(const json::value& document, entry& out, std::string& why)
{
    const json::object* object = document.if_object();
    if (object == nullptr) {
        why = "not a JSON object";
        return false;
    }
    for (const json::key_value_pair& member : *object) {
        if (member.key() != "key" && member.key() != "value") {
            const json::string_view name = member.key();
            why = "unknown member \"" + escaped(std::string_view(name.data(), name.size())) + "\"";
            return false;
        }
    }
    const auto take = [&](const char* name, std::string& target) {
        const json::value* member = object->if_contains(name);
        if (member == nullptr) {
            why = "no member \"" + std::string(name) + "\"";
            return false;
        }
        if (!bytes_from_json(*member, target, why)) {
            why = "\"" + std::string(name) + "\" " + why;
            return false;
        }
        return true;
    };
    return take("key", out.key) && take("value", out.value);
}

class jsonl_format final : public record_format {
public:
    void write(std::string& out, std::string_view key, std::string_view value) const override
    {
        out += json_record(&key, &value);
        out += '\n';
    }

    line_kind read(std::string_view line, entry& out, std::string& why) const override
    {
        if (line.find_first_not_of(blanks) == std::string_view::npos) {
            return line_kind::blank;
        }
        std::array<unsigned char, 8192> space;
        json::monotonic_resource memory(space.data(), space.size());
        json::parser parser;
        parser.reset(&memory);
        json::error_code problem;
        const std::size_t used = parser.write_some(line.data(), line.size(), problem);
        if (problem) {
            why = "not JSON: " + problem.message() + " at column " + std::to_string(used + 1);
            return line_kind::bad;
        }
        if (const std::size_t more = line.find_first_not_of(blanks, used); more != std::string_view::npos) {
            why = "not JSON: more text after the object, at column " + std::to_string(more + 1);
            return line_kind::bad;
        }
        return take_members(parser.release(), out, why) ? line_kind::record : line_kind::bad;
    }
};

}  // namespace

std::unique_ptr<record_format> make_jsonl_format()
{
    return std::make_unique<jsonl_format>();
}

}  // namespace kvdb::app
