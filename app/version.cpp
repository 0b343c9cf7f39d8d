// SPDX-License-Identifier: BSL-1.0
#include "command.hpp"
#include "failure.hpp"
#include "output.hpp"

#include <kvdb/version.hpp>

namespace kvdb::app {
namespace {

int run(const invocation& call)
{
    call.expect_arguments(0, 0);
    output out;
    out.write("kvdb " KVDB_VERSION_STRING "\n");
    out.finish();
    return exit_success;
}

}  // namespace

extern const command version_command;
const command version_command{
    "version", "", "print the version", "The same as 'kvdb --version'.\n", 0, nullptr, run,
};

}  // namespace kvdb::app
