// SPDX-License-Identifier: BSL-1.0
#include "entry_filter.hpp"
#include "failure.hpp"
#include "opening.hpp"
#include "output.hpp"

namespace kvdb::app {
namespace {

int run(const invocation& call)
{
    call.expect_arguments(0, 0);
    const entry_filter chosen(call);
    const database store = open_for_reading(call);
    std::uint64_t found = 0;
    if (chosen.chooses_all()) {
        found = store.size();
    } else {
        store.for_each([&](std::string_view key, std::string_view) { found += chosen(key) ? 1U : 0U; });
    }
    output out;
    out.write(std::to_string(found) + "\n");
    out.finish();
    return exit_success;
}

}  // namespace

extern const command count_command;
const command count_command{
    "count",
    "",
    "print the number of keys",
    "At once for all keys; --prefix and --match look at each.\n",
    takes_bytes,
    entry_filter::describe,
    run,
};

}  // namespace kvdb::app
