// SPDX-License-Identifier: BSL-1.0
#include "arguments.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <stdexcept>
#include <thread>

namespace kvdb::bench {

const char* const usage =
    "bench_race [--keys N,...] [--values BYTES,...] [--rounds N] [--slices N] [--most-bytes N] [--crowd N]\n"
    "           [--only CONTESTANT,...] [--rows ROW,...] [--dir FOLDER]\n"
    "           [--markdown FILE] [--json FILE] [--svg FILE]\n"
    "\n"
    "Each number of keys is raced with each size of values; where the two make more than --most-bytes (4 GiB),\n"
    "with fewer keys. --crowd: most processes and threads (the cores, 2 at least). A row is named by its id or by\n"
    "the beginning of it: --rows get,scan. bench/README.md explains the rows.\n";

namespace {

std::vector<std::string> split(const std::string& list)
{
    std::vector<std::string> parts;
    std::size_t at = 0;
    while (at <= list.size()) {
        const std::size_t comma = std::min(list.find(',', at), list.size());
        if (comma > at) {
            parts.push_back(list.substr(at, comma - at));
        }
        at = comma + 1;
    }
    return parts;
}

std::uint64_t number(const std::string& text)
{
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size() || value == 0) {
        throw std::runtime_error("'" + text + "' is no number above 0");
    }
    return value;
}

std::vector<std::uint64_t> numbers(const std::string& list)
{
    std::vector<std::uint64_t> values;
    for (const std::string& part : split(list)) {
        values.push_back(number(part));
    }
    if (values.empty()) {
        throw std::runtime_error("a list of numbers is empty");
    }
    return values;
}

}  // namespace

bool settings::wants(const std::string& row) const
{
    return rows.empty() || std::any_of(rows.begin(), rows.end(), [&](const std::string& wanted) {
               return row == wanted || row.starts_with(wanted + "_");
           });
}

settings parse(const std::vector<std::string>& words)
{
    settings made;
    made.crowd = std::max(std::thread::hardware_concurrency(), 2U);
    const std::map<std::string, std::function<void(const std::string&)>> options{
        {"--keys", [&](const std::string& text) { made.keys = numbers(text); }},
        {"--values", [&](const std::string& text) { made.values = numbers(text); }},
        {"--rounds", [&](const std::string& text) { made.rounds = static_cast<int>(number(text)); }},
        {"--slices", [&](const std::string& text) { made.slices = number(text); }},
        {"--most-bytes", [&](const std::string& text) { made.most_bytes = number(text); }},
        {"--crowd", [&](const std::string& text) { made.crowd = static_cast<unsigned>(number(text)); }},
        {"--only", [&](const std::string& text) { made.only = split(text); }},
        {"--rows", [&](const std::string& text) { made.rows = split(text); }},
        {"--markdown", [&](const std::string& text) { made.markdown = text; }},
        {"--json", [&](const std::string& text) { made.json = text; }},
        {"--svg", [&](const std::string& text) { made.svg = text; }},
        {"--dir", [&](const std::string& text) { made.folder = text; }},
    };
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--help" || words[i] == "-h") {
            made.help = true;
            return made;
        }
        const auto option = options.find(words[i]);
        if (option == options.end() || i + 1 == words.size()) {
            throw std::runtime_error("cannot take '" + words[i] + "'");
        }
        option->second(words[++i]);
    }
    return made;
}

}  // namespace kvdb::bench
