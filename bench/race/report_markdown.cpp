// SPDX-License-Identifier: BSL-1.0
#include "bars.hpp"
#include "results.hpp"

#include <algorithm>

namespace kvdb::bench {
namespace {

std::string heading(const results& heat)
{
    return std::to_string(heat.keys()) + " keys, values of " + std::to_string(heat.value_size()) + " bytes";
}

/// The contestants that have a figure in the heat.
std::vector<description> present(const report& all, const results& heat)
{
    std::vector<description> found;
    for (const description& one : all.contestants) {
        if (std::any_of(heat.rows().begin(), heat.rows().end(),
                        [&](const row& line) { return heat.median(line.id, one.id).has_value(); })) {
            found.push_back(one);
        }
    }
    return found;
}

std::string header_of(const std::vector<description>& columns)
{
    std::string names = "| |";
    std::string line = "|---|";
    for (const description& one : columns) {
        names += " " + one.name + " |";
        line += "---|";
    }
    return names + "\n" + line + "\n";
}

/// Medians, and behind those of others how many times as good kvdb is.
std::string table_of(const report& all, const results& heat)
{
    const auto columns = present(all, heat);
    std::string text = header_of(columns);
    for (const row& line : heat.rows()) {
        text += "| " + line.title + ", " + name_of(line.measured) + " |";
        for (const description& one : columns) {
            const auto value = heat.median(line.id, one.id);
            text += value ? " " + rounded(*value) : " –";
            const auto ratio = heat.ratio(line, "kvdb", one.id);
            if (ratio && one.id != "kvdb") {
                text += " (" + rounded(*ratio) + "x)";
            }
            text += " |";
        }
        text += "\n";
    }
    return text;
}

/// The rows of all heats by size, kvdb and the raw limit beside each other.
std::string sizes_table(const report& all)
{
    std::string text = "\n## Cost against size\n\nkvdb, and in brackets the raw limit.\n\n| |";
    std::string line = "|---|";
    for (const results& heat : all.heats) {
        text += " " + heading(heat) + " |";
        line += "---|";
    }
    text += "\n" + line + "\n";
    for (const row& wanted : all.heats.front().rows()) {
        text += "| " + wanted.title + ", " + name_of(wanted.measured) + " |";
        for (const results& heat : all.heats) {
            const auto ours = heat.median(wanted.id, "kvdb");
            const auto raw = heat.median(wanted.id, "raw");
            text += (ours ? " " + rounded(*ours) : " –") + (raw ? " (" + rounded(*raw) + ") |" : " |");
        }
        text += "\n";
    }
    return text;
}

std::string bars_table(const results& heat)
{
    const auto judged = judge(heat);
    if (judged.empty()) {
        return {};
    }
    std::string text = "\n| bar | wanted | measured | |\n|---|---|---|---|\n";
    for (const bar& one : judged) {
        text += "| " + one.what + " | " + (one.at_least ? ">= " : "<= ") + rounded(one.wanted) + " | " +
                rounded(one.measured) + " | " + (one.met() ? "met" : "missed") + " |\n";
    }
    return text;
}

}  // namespace

std::string to_markdown(const report& all)
{
    std::string text = "# Race\n\n" + all.machine + "; " + all.build + ". Keys of 16 bytes, medians of " +
                       std::to_string(all.rounds) +
                       " rounds. In brackets how many times as good kvdb is: above 1 it is ahead.\n\n";
    for (const description& one : all.contestants) {
        text += "- **" + one.name + "** " + one.version + (one.version.empty() ? "" : ": ") + one.settings + "\n";
    }
    for (const results& heat : all.heats) {
        text += "\n## " + heading(heat) + "\n\n" + table_of(all, heat) + bars_table(heat);
    }
    if (all.heats.size() > 1) {
        text += sizes_table(all);
    }
    return text;
}

}  // namespace kvdb::bench
