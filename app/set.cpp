// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "interrupt.hpp"
#include "line_reader.hpp"
#include "opening.hpp"

namespace kvdb::app {
namespace {

namespace po = boost::program_options;

void describe(po::options_description& own)
{
    own.add_options()("stdin", po::bool_switch(), "take the value from standard input, byte for byte")(
        "from-file", po::value<std::string>()->value_name("PATH"), "take the value from a file, byte for byte");
}

std::string value_from(const std::filesystem::path& path)
{
    const interrupt_guard guard;
    line_reader source(path);
    std::string value;
    if (!source.rest(value, max_value_size)) {
        if (interrupt_guard::requested()) {
            throw interrupted("interrupted; nothing was stored");
        }
        throw error(errc::value_too_large, source.name() + ": too long for a value");
    }
    return value;
}

std::string chosen_value(const invocation& call)
{
    const std::optional<std::string> path = call.text("from-file");
    const bool from_stdin = call.flag("stdin");
    if (path && from_stdin) {
        throw usage_error("--stdin and --from-file exclude each other");
    }
    const std::size_t wanted = path || from_stdin ? 1 : 2;
    call.expect_arguments(wanted, wanted);
    return wanted == 1 ? value_from(path.value_or("-")) : decode_argument(call.arguments[1], call.bytes);
}

int run(const invocation& call)
{
    const std::string value = chosen_value(call);
    const std::string key = decode_argument(call.arguments[0], call.bytes);
    database store = open_for_writing(call);
    store.set(key, value);
    finish_writing(store, call);
    return exit_success;
}

}  // namespace

extern const command set_command;
const command set_command{
    "set",
    "KEY VALUE",
    "store a value under a key",
    "Replaces what was there. Says nothing; the value is on disk when the command is\n"
    "done. With --stdin or --from-file there is no VALUE argument, and --hex and\n"
    "--base64 apply to the key alone.\n"
    "\n"
    "  kvdb set greeting 'hello world'\n"
    "  kvdb set photo --from-file photo.jpg\n"
    "  kvdb set -- -5 minus-five\n",
    takes_bytes | writes,
    describe,
    run,
};

}  // namespace kvdb::app
