// SPDX-License-Identifier: BSL-1.0
// Lines are parsed into a batch, and a batch is applied when it is full: so a bad line undoes nothing, and no more
// than one batch is held in memory.
#include "failure.hpp"
#include "interrupt.hpp"
#include "line_reader.hpp"
#include "numbers.hpp"
#include "opening.hpp"
#include "progress.hpp"
#include "record_format.hpp"
#include "report.hpp"

namespace kvdb::app {
namespace {

namespace po = boost::program_options;

constexpr std::size_t batch_lines = 1'000;
constexpr std::size_t batch_bytes = 16 * 1024 * 1024;

void describe(po::options_description& own)
{
    describe_format(own);
    own.add_options()("keep-going", po::bool_switch(), "skip bad lines and count them");
}

class importer {
public:
    importer(const invocation& call, line_reader& source, database& store)
        : call_(call),
          source_(source),
          store_(store),
          format_(chosen_format(call)),
          keep_going_(call.flag("keep-going"))
    {
    }

    /// False if a bad line or SIGINT ended it. What was applied stays; the batch at hand is dropped then.
    bool run()
    {
        progress bar("importing", progress::unit::bytes, call_.quiet);
        std::string_view line;
        while (source_.next(line)) {
            if (!take(line)) {
                return false;
            }
            if (batch_.size() >= batch_lines || held_ >= batch_bytes) {
                apply();
                bar.update(source_.bytes_read(), source_.total_bytes());
            }
            if (interrupt_guard::requested()) {
                break;
            }
        }
        if (interrupt_guard::requested()) {
            return false;
        }
        apply();
        return true;
    }

    [[nodiscard]] std::string summary() const
    {
        std::string text = "imported " + counted(applied_, "record", "records");
        if (skipped_ != 0) {
            text += ", skipped " + counted(skipped_, "bad line", "bad lines");
        }
        if (!batch_.empty()) {
            text += ", dropped " + counted(batch_.size(), "record", "records") + " of an unfinished batch";
        }
        return text;
    }
    [[nodiscard]] std::uint64_t skipped() const noexcept { return skipped_; }

private:
    bool take(std::string_view line)
    {
        entry& next = batch_.emplace_back();
        std::string why;
        line_kind kind = format_->read(line, next, why);
        if (kind == line_kind::record && next.key.size() > max_key_size) {
            why = "the key is " + std::to_string(next.key.size()) + " bytes long, the limit is " +
                  std::to_string(max_key_size);
            kind = line_kind::bad;
        } else if (kind == line_kind::record && next.value.size() > max_value_size) {
            why = "the value is longer than " + std::to_string(max_value_size) + " bytes";
            kind = line_kind::bad;
        }
        if (kind == line_kind::record) {
            held_ += next.key.size() + next.value.size();
            return true;
        }
        batch_.pop_back();
        if (kind == line_kind::blank) {
            return true;
        }
        say(source_.name() + ":" + std::to_string(source_.lines()) + ": " + why);
        skipped_ += keep_going_ ? 1U : 0U;
        return keep_going_;
    }

    void apply()
    {
        for (const entry& each : batch_) {
            store_.set(each.key, each.value);
            ++applied_;
        }
        batch_.clear();
        held_ = 0;
    }

    const invocation& call_;
    line_reader& source_;
    database& store_;
    std::unique_ptr<record_format> format_;
    bool keep_going_;
    std::vector<entry> batch_;
    std::size_t held_ = 0;
    std::uint64_t applied_ = 0;
    std::uint64_t skipped_ = 0;
};

int run(const invocation& call)
{
    call.expect_arguments(0, 1);
    static_cast<void>(chosen_format(call));  // a wrong one shall not create a database
    const std::string path = call.arguments.empty() ? "-" : call.arguments[0];
    refuse_database_file(call, path);
    const interrupt_guard guard;
    line_reader source(path);
    database store = open_for_writing(call);
    importer work(call, source, store);
    bool complete = false;
    try {
        complete = work.run();
    } catch (...) {
        say(work.summary());
        throw;
    }
    finish_writing(store, call);
    if (interrupt_guard::requested() && !complete) {
        throw interrupted("interrupted: " + work.summary());
    }
    if (!complete) {
        say("stopped at line " + std::to_string(source.lines()) + ": " + work.summary());
        return exit_negative;
    }
    note(call, work.summary());
    return work.skipped() == 0 ? exit_success : exit_negative;
}

}  // namespace

extern const command import_command;
const command import_command{
    "import",
    "[PATH]",
    "store the entries of a file or of standard input",
    "jsonl: {\"key\": \"...\", \"value\": \"...\"} a line; {\"base64\": \"...\"} in the place of\n"
    "a string that is not UTF-8. tsv: key, tab, value a line, escaped as 'list' does.\n"
    "A later line with the same key wins. Lines are applied in batches of 1000 (or 16\n"
    "MiB); at a bad line its number and fault are told, the batch at hand is dropped,\n"
    "what was applied before stays, and the exit status is 1. With --keep-going bad\n"
    "lines alone are left out; the exit status is 1 if there were any.\n"
    "\n"
    "  kvdb import dump.jsonl\n"
    "  printf 'a\\t1\\nb\\t2\\n' | kvdb import --format tsv\n",
    takes_bytes | writes,
    describe,
    run,
};

}  // namespace kvdb::app
