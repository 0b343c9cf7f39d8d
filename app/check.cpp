// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "interrupt.hpp"
#include "json_bytes.hpp"
#include "numbers.hpp"
#include "opening.hpp"
#include "output.hpp"
#include "progress.hpp"

namespace kvdb::app {
namespace {

namespace po = boost::program_options;

void describe(po::options_description& own)
{
    own.add_options()("fast", po::bool_switch(), "skip the values and their checksums");
}

check_report examine(const invocation& call)
{
    const interrupt_guard guard;
    const database store = open_for_reading(call);
    progress bar("checking", progress::unit::bytes, call.quiet);
    check_options how;
    how.checksums = !call.flag("fast");
    const auto watch = [&bar](std::uint64_t done, std::uint64_t total) {
        if (interrupt_guard::requested()) {
            const std::string text = "interrupted: checked " + human_size(done) + " of " + human_size(total);
            interrupt_guard::leave(text.c_str());
        }
        bar.update(done, total);
    };
    check_report report = store.check(how, watch);
    if (interrupt_guard::requested()) {
        throw interrupted("interrupted: checked " + human_size(report.bytes));
    }
    return report;
}

std::string as_text(const check_report& report)
{
    std::string text;
    for (const check_fault& fault : report.faults) {
        text += "offset " + std::to_string(fault.offset) + ": " + escaped(fault.what) + "\n";
    }
    text += report.ok() ? "ok" : counted(report.faults.size(), "fault", "faults");
    return text + ": " + counted(report.entries, "entry", "entries") + ", " +
           counted(report.records, "record", "records") + ", " + counted(report.extents, "extent", "extents") + ", " +
           human_size(report.bytes) + " examined\n";
}

std::string as_json(const check_report& report)
{
    std::string text = std::string("{\"ok\":") + (report.ok() ? "true" : "false") + ",\"faults\":[";
    const char* separator = "";
    for (const check_fault& fault : report.faults) {
        text += separator;
        text += "{\"offset\":" + std::to_string(fault.offset) + ",\"what\":";
        append_json(text, escaped(fault.what));
        text += '}';
        separator = ",";
    }
    return text + "],\"entries\":" + std::to_string(report.entries) +
           ",\"records\":" + std::to_string(report.records) + ",\"extents\":" + std::to_string(report.extents) +
           ",\"bytes\":" + std::to_string(report.bytes) + "}\n";
}

int run(const invocation& call)
{
    call.expect_arguments(0, 0);
    const check_report report = examine(call);
    output out;
    out.write(call.json ? as_json(report) : as_text(report));
    out.finish();
    return report.ok() ? exit_success : exit_negative;
}

}  // namespace

extern const command check_command;
const command check_command{
    "check",
    "",
    "verify every structure, checksum and count",
    "Others may write meanwhile. Prints each fault with its offset in the file, then a\n"
    "summary. Exit status 1 if there is damage, 3 if the file cannot be opened at all.\n",
    takes_json,
    describe,
    run,
};

}  // namespace kvdb::app
