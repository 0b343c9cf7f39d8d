// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "interrupt.hpp"
#include "numbers.hpp"
#include "opening.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "record_format.hpp"
#include "report.hpp"

namespace kvdb::app {
namespace {

int run(const invocation& call)
{
    call.expect_arguments(0, 1);
    const std::unique_ptr<record_format> format = chosen_format(call);
    const std::filesystem::path path = call.arguments.empty() ? "-" : call.arguments[0];
    refuse_database_file(call, path);
    const interrupt_guard guard;
    const database store = open_for_reading(call);
    output out(path);
    progress bar("exporting", progress::unit::records, call.quiet);
    const std::uint64_t total = store.size();
    std::uint64_t written = 0;
    std::string line;
    store.for_each([&](std::string_view key, std::string_view value) {
        line.clear();
        format->write(line, key, value);
        out.write(line);
        bar.update(++written, total);
        return !interrupt_guard::requested();
    });
    out.finish();
    const std::string done = "exported " + counted(written, "record", "records");
    if (interrupt_guard::requested()) {
        throw interrupted("interrupted: " + done + " of " + std::to_string(total));
    }
    note(call, done);
    return exit_success;
}

}  // namespace

extern const command export_command;
const command export_command{
    "export",
    "[PATH]",
    "write all entries to a file or to standard output",
    "In the formats that 'import' reads; any bytes survive the way there and back.\n"
    "\n"
    "  kvdb export dump.jsonl\n"
    "  kvdb export --format tsv | sort > dump.tsv\n",
    takes_bytes,
    describe_format,
    run,
};

}  // namespace kvdb::app
