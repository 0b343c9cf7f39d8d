// SPDX-License-Identifier: BSL-1.0
// KEY tab VALUE a line, both with the escapes of `list`, or both hex or base64.
#include "record_format.hpp"

namespace kvdb::app {
namespace {

class tsv_format final : public record_format {
public:
    explicit tsv_format(encoding bytes) : bytes_(bytes) {}

    void write(std::string& out, std::string_view key, std::string_view value) const override
    {
        append_field(out, key);
        out += '\t';
        append_field(out, value);
        out += '\n';
    }

    line_kind read(std::string_view line, entry& out, std::string& why) const override
    {
        if (line.ends_with('\r')) {
            line.remove_suffix(1);  // a line end of DOS: within a value it would be \r
        }
        const std::size_t tab = line.find('\t');
        if (tab == std::string_view::npos) {
            why = "no tab between key and value";
            return line_kind::bad;
        }
        if (line.find('\t', tab + 1) != std::string_view::npos) {
            why = "more than one tab: within a key or value it is written \\t";
            return line_kind::bad;
        }
        const bool good = take_field(line.substr(0, tab), "key", out.key, why) &&
                          take_field(line.substr(tab + 1), "value", out.value, why);
        return good ? line_kind::record : line_kind::bad;
    }

private:
    void append_field(std::string& out, std::string_view bytes) const
    {
        if (bytes_ == encoding::raw) {
            append_escaped(out, bytes);
        } else {
            out += encode(bytes, bytes_);
        }
    }

    bool take_field(std::string_view text, const char* name, std::string& out, std::string& why) const
    {
        if (bytes_ == encoding::raw) {
            if (unescape(text, out, why)) {
                return true;
            }
            why = std::string(name) + ": " + why;
            return false;
        }
        std::optional<std::string> bytes = decode(text, bytes_);
        if (!bytes) {
            why = std::string(name) + ": not " + (bytes_ == encoding::hex ? "hex" : "base64");
            return false;
        }
        out = *std::move(bytes);
        return true;
    }

    encoding bytes_;
};

}  // namespace

std::unique_ptr<record_format> make_tsv_format(encoding bytes)
{
    return std::make_unique<tsv_format>(bytes);
}

}  // namespace kvdb::app
