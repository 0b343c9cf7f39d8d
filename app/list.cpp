// SPDX-License-Identifier: BSL-1.0
#include "entry_filter.hpp"
#include "failure.hpp"
#include "json_bytes.hpp"
#include "opening.hpp"
#include "output.hpp"

#include <algorithm>
#include <limits>

namespace kvdb::app {
namespace {

namespace po = boost::program_options;

void describe(po::options_description& own)
{
    own.add_options()("keys", po::bool_switch(), "keys alone")("values", po::bool_switch(), "values alone");
    entry_filter::describe(own);
    own.add_options()("limit", po::value<std::string>()->value_name("N"), "at most N entries")(
        ",0", po::bool_switch(), "raw bytes, a NUL behind each entry instead of a newline")(
        "sort", po::bool_switch(), "in the order of the keys' bytes; holds the entries in memory");
}

class printer {
public:
    explicit printer(const invocation& call)
        : call_(call),
          keys_(call.flag("keys") || !call.flag("values")),
          values_(call.flag("values") || !call.flag("keys")),
          raw_(call.flag("-0"))
    {
        if (raw_ && call.json) {
            throw usage_error("-0 and --json exclude each other");
        }
    }

    [[nodiscard]] bool wants_values() const noexcept { return values_; }

    void print(std::string_view key, std::string_view value)
    {
        line_.clear();
        if (call_.json) {
            line_ = json_record(keys_ ? &key : nullptr, values_ ? &value : nullptr);
        } else {
            if (keys_) {
                append(key);
            }
            if (keys_ && values_) {
                line_ += '\t';
            }
            if (values_) {
                append(value);
            }
        }
        line_ += raw_ ? '\0' : '\n';
        out_.write(line_);
    }

    void finish() { out_.finish(); }

private:
    void append(std::string_view bytes)
    {
        if (call_.bytes != encoding::raw) {
            line_ += encode(bytes, call_.bytes);
        } else if (raw_) {
            line_ += bytes;
        } else {
            append_escaped(line_, bytes);
        }
    }

    const invocation& call_;
    bool keys_;
    bool values_;
    bool raw_;
    std::string line_;
    output out_;
};

void print_unsorted(const database& store, const entry_filter& chosen, std::uint64_t limit, printer& to)
{
    std::uint64_t printed = 0;
    if (limit == 0) {
        return;
    }
    store.for_each([&](std::string_view key, std::string_view value) {
        if (chosen(key)) {
            to.print(key, value);
            ++printed;
        }
        return printed < limit;
    });
}

void print_sorted(const database& store, const entry_filter& chosen, std::uint64_t limit, printer& to)
{
    using entry = std::pair<std::string, std::string>;
    std::vector<entry> kept;  // a heap, the last key on top, while there is a limit to keep to
    store.for_each([&](std::string_view key, std::string_view value) {
        if (!chosen(key) || (kept.size() == limit && (limit == 0 || key >= kept.front().first))) {
            return;
        }
        if (kept.size() == limit) {
            std::pop_heap(kept.begin(), kept.end());
            kept.pop_back();
        }
        kept.emplace_back(key, to.wants_values() ? value : std::string_view());
        std::push_heap(kept.begin(), kept.end());
    });
    std::sort_heap(kept.begin(), kept.end());
    for (const entry& each : kept) {
        to.print(each.first, each.second);
    }
}

int run(const invocation& call)
{
    call.expect_arguments(0, 0);
    const entry_filter chosen(call);
    const std::uint64_t limit = call.number("limit").value_or(std::numeric_limits<std::uint64_t>::max());
    printer to(call);
    const database store = open_for_reading(call);
    (call.flag("sort") ? print_sorted : print_unsorted)(store, chosen, limit, to);
    to.finish();
    return exit_success;
}

}  // namespace

extern const command list_command;
const command list_command{
    "list",
    "",
    "print keys and values",
    "An entry a line, a tab between key and value, in no order unless --sort is given.\n"
    "Escapes: \\t \\n \\r \\\\, and \\xHH for other control characters and for bytes that\n"
    "are not UTF-8. With --json an object a line.\n"
    "\n"
    "  kvdb list --prefix user: --sort\n"
    "  kvdb list --keys -0 --match '*.tmp' | xargs -0 kvdb del --\n",
    takes_bytes | takes_json,
    describe,
    run,
};

}  // namespace kvdb::app
