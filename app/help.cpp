// SPDX-License-Identifier: BSL-1.0
#include "arguments.hpp"
#include "failure.hpp"
#include "output.hpp"

#include <sstream>

namespace kvdb::app {
namespace {

std::string overview()
{
    std::ostringstream text;
    text << "kvdb: a key-value store in one file that many processes share\n\n"
            "usage: kvdb [-f FILE] COMMAND [ARGUMENTS]\n\n"
            "Commands:\n";
    for (const command* each : commands()) {
        text << "  " << each->name << std::string(each->name.size() < 10 ? 10 - each->name.size() : 1, ' ')
             << each->summary << "\n";
    }
    text << "\n"
         << describe_common() << "\n"
         << "What begins with '-' and is no option goes after '--'. Exit status: 0 done, found;\n"
            "1 not found, or damage found by 'check'; 2 wrong usage; 3 a file cannot be opened,\n"
            "read or written. 'kvdb help COMMAND' says more.\n";
    return text.str();
}

std::string about(const command& which)
{
    const option_help options = describe_options(which);
    std::ostringstream text;
    text << "kvdb " << which.name << ": " << which.summary << "\n\n"
         << "usage: kvdb [-f FILE] " << which.name << (options.own.options().empty() ? "" : " [OPTIONS]")
         << (which.arguments.empty() ? "" : " ") << which.arguments << "\n\n"
         << which.details << "\n";
    if (!options.own.options().empty()) {
        text << options.own << "\n";
    }
    text << options.shared;
    return text.str();
}

int run(const invocation& call)
{
    call.expect_arguments(0, 1);
    std::string text;
    if (call.arguments.empty()) {
        text = overview();
    } else if (const command* which = find_command(call.arguments[0]); which != nullptr) {
        text = about(*which);
    } else {
        throw usage_error("unknown command '" + escaped(call.arguments[0]) + "'");
    }
    output out;
    out.write(text);
    out.finish();
    return exit_success;
}

}  // namespace

extern const command help_command;
const command help_command{
    "help", "[COMMAND]", "explain kvdb or a command", "The same as 'kvdb COMMAND --help'.\n", 0, nullptr, run,
};

}  // namespace kvdb::app
