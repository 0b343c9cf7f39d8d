// SPDX-License-Identifier: BSL-1.0
#include "results.hpp"

#include <cstdio>

namespace kvdb::bench {
namespace {

std::string quoted(const std::string& text)
{
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + '"';
}

std::string number(double value)
{
    char text[40];
    std::snprintf(text, sizeof text, "%.6g", value);
    return text;
}

template <class Range, class Function>
std::string joined(const Range& range, Function&& text_of)
{
    std::string out;
    for (const auto& one : range) {
        const std::string text = text_of(one);
        if (!text.empty()) {
            out += (out.empty() ? "" : ", ") + text;
        }
    }
    return out;
}

std::string of_contestant(const description& one)
{
    return "{\"id\": " + quoted(one.id) + ", \"name\": " + quoted(one.name) +
           ", \"version\": " + quoted(one.version) + ", \"settings\": " + quoted(one.settings) + "}";
}

std::string of_row(const report& all, const results& heat, const row& line)
{
    const auto figures = joined(all.contestants, [&](const description& one) -> std::string {
        const auto median = heat.median(line.id, one.id);
        if (!median) {
            return {};
        }
        return quoted(one.id) + ": {\"median\": " + number(*median) + ", \"samples\": [" +
               joined(heat.samples(line.id, one.id), number) + "]}";
    });
    return "\n      {\"id\": " + quoted(line.id) + ", \"title\": " + quoted(line.title) +
           ", \"unit\": " + quoted(name_of(line.measured)) + ", \"contestants\": {" + figures + "}}";
}

std::string of_heat(const report& all, const results& heat)
{
    return "\n    {\"keys\": " + std::to_string(heat.keys()) +
           ", \"value_size\": " + std::to_string(heat.value_size()) + ", \"rows\": [" +
           joined(heat.rows(), [&](const row& line) { return of_row(all, heat, line); }) + "]}";
}

}  // namespace

std::string to_json(const report& all)
{
    return "{\"machine\": " + quoted(all.machine) + ", \"build\": " + quoted(all.build) +
           ", \"rounds\": " + std::to_string(all.rounds) + ",\n  \"contestants\": [" +
           joined(all.contestants, of_contestant) + "],\n  \"heats\": [" +
           joined(all.heats, [&](const results& heat) { return of_heat(all, heat); }) + "]}\n";
}

}  // namespace kvdb::bench
