// SPDX-License-Identifier: BSL-1.0
#include "results.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace kvdb::bench {
namespace {

// A line for each row of time, a dot for each contestant, the time along a logarithmic axis.
constexpr double left = 230;
constexpr double right = 925;
constexpr double top = 84;
constexpr double line_height = 26;
constexpr double width = 960;
constexpr std::array colours{"#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2",
                             "#7f7f7f", "#bcbd22", "#17becf", "#393b79", "#637939", "#843c39"};

struct axis {
    double lowest;
    double highest;

    [[nodiscard]] double place(double value) const
    {
        return left + (right - left) * std::log(value / lowest) / std::log(highest / lowest);
    }
};

double in_nanoseconds(const row& line, double value)
{
    return line.measured == unit::microseconds ? value * 1'000 : value;
}

bool is_time(const row& line)
{
    return line.measured == unit::nanoseconds || line.measured == unit::microseconds;
}

axis axis_of(const report& all, const results& heat)
{
    double lowest = 1e12;
    double highest = 1;
    for (const row& line : heat.rows()) {
        for (const description& one : all.contestants) {
            const auto value = is_time(line) ? heat.median(line.id, one.id) : std::nullopt;
            if (value && *value > 0) {
                lowest = std::min(lowest, in_nanoseconds(line, *value));
                highest = std::max(highest, in_nanoseconds(line, *value));
            }
        }
    }
    return {std::pow(10, std::floor(std::log10(std::min(lowest, highest)))),
            std::pow(10, std::floor(std::log10(highest)) + 1)};
}

std::string text_at(double x, double y, const std::string& anchor, const std::string& text)
{
    return "<text x=\"" + rounded(x) + "\" y=\"" + rounded(y) + "\" text-anchor=\"" + anchor + "\">" + text +
           "</text>\n";
}

/// The raw limit is black, kvdb larger than the rest.
std::string dot(double x, double y, const report& all, std::size_t contestant, const std::string& title)
{
    const description& one = all.contestants[contestant];
    const bool ours = one.id == "kvdb";
    return "<circle cx=\"" + rounded(x) + "\" cy=\"" + rounded(y) + "\" r=\"" + (ours ? "6.5" : "4.5") +
           "\" fill=\"" + (one.limit ? "black" : colours[contestant % colours.size()]) +
           "\" stroke=\"white\"><title>" + title + "</title></circle>\n";
}

std::string named(double nanoseconds)
{
    if (nanoseconds < 1e3) {
        return std::to_string(std::lround(nanoseconds)) + " ns";
    }
    return nanoseconds < 1e6 ? std::to_string(std::lround(nanoseconds / 1e3)) + " us"
                             : std::to_string(std::lround(nanoseconds / 1e6)) + " ms";
}

std::string grid(const axis& scale, double bottom)
{
    std::string text;
    for (double value = scale.lowest; value <= scale.highest * 1.001; value *= 10) {
        const std::string x = rounded(scale.place(value));
        text += "<line x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" + rounded(top - 8) + "\" y2=\"" + rounded(bottom) +
                "\" stroke=\"#ddd\"/>\n" + text_at(scale.place(value), bottom + 16, "middle", named(value));
    }
    return text;
}

std::string legend(const report& all)
{
    std::string text;
    for (std::size_t i = 0; i < all.contestants.size(); ++i) {
        const double x = 24 + static_cast<double>(i % 5) * 186;
        const double y = 38 + static_cast<double>(i / 5) * 16;
        text += dot(x, y - 4, all, i, all.contestants[i].name) + text_at(x + 10, y, "start", all.contestants[i].name);
    }
    return text;
}

/// kvdb last, so that it lies above the others.
std::string line_of(const report& all, const results& heat, const row& line, const axis& scale, double y)
{
    std::string text = text_at(left - 14, y + 4, "end", line.title) + "<line x1=\"" + rounded(left) + "\" x2=\"" +
                       rounded(right) + "\" y1=\"" + rounded(y) + "\" y2=\"" + rounded(y) + "\" stroke=\"#eee\"/>\n";
    for (std::size_t i = all.contestants.size(); i-- > 0;) {
        const description& one = all.contestants[i];
        if (const auto value = heat.median(line.id, one.id)) {
            text += dot(scale.place(in_nanoseconds(line, *value)), y, all, i,
                        one.name + ": " + rounded(*value) + " " + name_of(line.measured));
        }
    }
    return text;
}

}  // namespace

std::string to_svg(const report& all)
{
    const results& heat = all.heats.front();
    const axis scale = axis_of(all, heat);
    std::string lines;
    double y = top + 8;
    for (const row& line : heat.rows()) {
        if (is_time(line)) {
            lines += line_of(all, heat, line, scale, y);
            y += line_height;
        }
    }
    const std::string size = "0 0 " + rounded(width) + " " + rounded(y + 20);
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"" + size +
           "\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
           "fill=\"white\"/>\n" +
           text_at(width / 2, 18, "middle",
                   "Time of one operation, left is faster: " + std::to_string(heat.keys()) + " keys, values of " +
                       std::to_string(heat.value_size()) + " bytes") +
           legend(all) + grid(scale, y - 8) + lines + "</svg>\n";
}

}  // namespace kvdb::bench
