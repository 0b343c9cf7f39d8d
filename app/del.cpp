// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "interrupt.hpp"
#include "numbers.hpp"
#include "opening.hpp"
#include "report.hpp"

namespace kvdb::app {
namespace {

namespace po = boost::program_options;

void describe(po::options_description& own)
{
    own.add_options()("prefix", po::value<std::string>()->value_name("P"), "remove all keys that begin with P");
}

std::uint64_t erase_keys(database& store, const invocation& call, const std::vector<std::string>& keys)
{
    std::uint64_t erased = 0;
    for (const std::string& key : keys) {
        if (store.erase(key)) {
            ++erased;
        } else {
            say_not_found(call, key);
        }
    }
    return erased;
}

std::uint64_t erase_prefix(database& store, std::string_view prefix)
{
    std::uint64_t erased = 0;
    std::string copy;
    store.for_each([&](std::string_view key, std::string_view) {
        if (key.starts_with(prefix)) {
            copy = key;  // the view points into the database, which erase() changes
            erased += store.erase(copy) ? 1U : 0U;
        }
        return !interrupt_guard::requested();
    });
    return erased;
}

int run(const invocation& call)
{
    const std::optional<std::string> prefix = call.key_option("prefix");
    const std::vector<std::string> keys = call.decoded();
    if (prefix && !keys.empty()) {
        throw usage_error("give keys or --prefix, not both");
    }
    if (!prefix && keys.empty()) {
        throw usage_error("too few arguments");
    }
    const interrupt_guard guard;
    database store = open_for_writing(call);
    const std::uint64_t erased = prefix ? erase_prefix(store, *prefix) : erase_keys(store, call, keys);
    finish_writing(store, call);
    if (prefix) {
        const bool stopped = interrupt_guard::requested();
        const std::string done = "removed " + counted(erased, "key", "keys");
        if (stopped) {
            throw interrupted("interrupted: " + done);
        }
        note(call, done);
    }
    return erased == 0 ? exit_negative : exit_success;
}

}  // namespace

extern const command del_command;
const command del_command{
    "del",
    "KEY... | --prefix P",
    "remove keys",
    "Exit status 1 if none of them was there.\n"
    "\n"
    "  kvdb del greeting\n"
    "  kvdb del --prefix session:\n",
    takes_bytes | writes,
    describe,
    run,
};

}  // namespace kvdb::app
