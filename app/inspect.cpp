// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "opening.hpp"
#include "output.hpp"
#include "report.hpp"

#include <kvdb/inspect.hpp>

#include <algorithm>
#include <array>

namespace kvdb::app {
namespace {

namespace po = boost::program_options;

void describe(po::options_description& own)
{
    own.add_options()("at", po::value<std::string>()->value_name("OFFSET"), "what lies there (decimal or 0x...)")(
        "key", po::value<std::string>()->value_name("KEY"), "the way from the key's hash to its record");
}

using row = std::array<std::string, 5>;

std::string as_table(const std::vector<inspected_field>& fields)
{
    std::vector<row> rows{{"OFFSET", "SIZE", "NAME", "VALUE", "MEANING"}};
    for (const inspected_field& field : fields) {
        rows.push_back({std::to_string(field.offset), std::to_string(field.size), escaped(field.name),
                        escaped(field.value), escaped(field.meaning)});
    }
    std::array<std::size_t, 4> widths{};
    for (const row& each : rows) {
        for (std::size_t column = 0; column < widths.size(); ++column) {
            // a value as long as a checksum is aligned, one as long as a record is not
            widths[column] = std::max(widths[column], std::min<std::size_t>(each[column].size(), 36));
        }
    }
    std::string text;
    for (const row& each : rows) {
        for (std::size_t column = 0; column < each.size(); ++column) {
            const std::string& cell = each[column];
            const std::size_t width = column < widths.size() ? widths[column] : 0;
            const std::string padding(cell.size() < width ? width - cell.size() : 0, ' ');
            text += column < 2 ? padding + cell : cell + padding;
            text += column + 1 < each.size() ? "  " : "";
        }
        text.erase(text.find_last_not_of(' ') + 1);
        text += '\n';
    }
    return text;
}

int run(const invocation& call)
{
    call.expect_arguments(0, 0);
    const std::optional<std::uint64_t> offset = call.number("at");
    const std::optional<std::string> key = call.key_option("key");
    if (offset && key) {
        throw usage_error("--at and --key exclude each other");
    }
    const std::vector<inspected_field> fields = offset ? inspect_at(call.file, *offset)
                                                : key  ? inspect_key(call.file, *key)
                                                       : inspect_header(call.file);
    output out;
    out.write(as_table(fields));
    out.finish();
    if (key && !fields.empty() && fields.back().name == "absent") {
        say_not_found(call, *key);
        return exit_negative;
    }
    return exit_success;
}

}  // namespace

extern const command inspect_command;
const command inspect_command{
    "inspect",
    "",
    "show the bytes of the file and what they mean",
    "Without options the fields of the header. Reads the file as it lies on disk and\n"
    "changes nothing; works on damaged files as far as their header can be read.\n"
    "\n"
    "  kvdb inspect --at 0x1000\n"
    "  kvdb inspect --key greeting\n",
    takes_bytes,
    describe,
    run,
};

}  // namespace kvdb::app
