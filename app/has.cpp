// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "opening.hpp"

namespace kvdb::app {
namespace {

int run(const invocation& call)
{
    call.expect_arguments(1, 1);
    const std::string key = call.decoded().front();
    return open_for_reading(call).contains(key) ? exit_success : exit_negative;
}

}  // namespace

extern const command has_command;
const command has_command{
    "has",
    "KEY",
    "tell by the exit status whether a key is there",
    "Prints nothing: 0 if it is there, 1 if not.\n"
    "\n"
    "  kvdb has greeting && echo yes\n",
    takes_bytes,
    nullptr,
    run,
};

}  // namespace kvdb::app
