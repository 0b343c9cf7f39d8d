// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "opening.hpp"

namespace kvdb::app {
namespace {

int run(const invocation& call)
{
    call.expect_arguments(0, 0);
    database store = open_existing(call);
    store.sync();
    store.close();
    return exit_success;
}

}  // namespace

extern const command sync_command;
const command sync_command{
    "sync",
    "",
    "make everything so far durable",
    "Returns when all that any process wrote before, with --no-sync for example,\n"
    "survives a power loss. Never creates a database.\n",
    0,
    nullptr,
    run,
};

}  // namespace kvdb::app
