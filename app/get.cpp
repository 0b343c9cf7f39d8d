// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "json_bytes.hpp"
#include "opening.hpp"
#include "output.hpp"
#include "report.hpp"

namespace kvdb::app {
namespace {

namespace po = boost::program_options;

void describe(po::options_description& own)
{
    own.add_options()(",n", po::bool_switch(), "no newline behind a value: its exact bytes")(
        "output,o", po::value<std::string>()->value_name("PATH"),
        "write the exact bytes of the value (or its JSON) to a file; one KEY only");
}

void write_value(output& out, const invocation& call, std::string_view key, std::string_view value, bool newline)
{
    if (call.json) {
        out.write(json_record(&key, &value));
    } else if (call.bytes == encoding::raw) {
        out.write(value);
    } else {
        out.write(encode(value, call.bytes));
    }
    if (newline) {
        out.write("\n");
    }
}

int get_to_file(const invocation& call, const std::string& path)
{
    call.expect_arguments(1, 1);
    refuse_database_file(call, path);
    const std::string key = call.decoded().front();
    const std::optional<std::string> value = open_for_reading(call).get(key);
    if (!value) {
        say_not_found(call, key);
        return exit_negative;
    }
    output out{std::filesystem::path(path)};
    write_value(out, call, key, *value, call.json && !call.flag("-n"));
    out.finish();
    return exit_success;
}

int run(const invocation& call)
{
    if (const std::optional<std::string> path = call.text("output")) {
        return get_to_file(call, *path);
    }
    if (call.arguments.empty()) {
        throw usage_error("too few arguments");
    }
    const std::vector<std::string> keys = call.decoded();
    const database store = open_for_reading(call);
    output out;
    std::string value;
    int status = exit_success;
    for (const std::string& key : keys) {
        if (store.get(key, value)) {
            write_value(out, call, key, value, !call.flag("-n"));
        } else {
            out.flush();  // so that the message stands in its place among the values
            say_not_found(call, key);
            status = exit_negative;
        }
    }
    out.finish();
    return status;
}

}  // namespace

extern const command get_command;
const command get_command{
    "get",
    "KEY...",
    "print the values of keys",
    "Prints each value and a newline. A key that is not there prints nothing on\n"
    "standard output, and the exit status is 1.\n"
    "\n"
    "  kvdb get greeting\n"
    "  kvdb get -n greeting | wc -c\n"
    "  kvdb get -o photo.jpg photo\n",
    takes_bytes | takes_json,
    describe,
    run,
};

}  // namespace kvdb::app
