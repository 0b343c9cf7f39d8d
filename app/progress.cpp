// SPDX-License-Identifier: BSL-1.0
#include "progress.hpp"

#include "numbers.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <unistd.h>

namespace kvdb::app {
namespace {

constexpr int bar_width = 24;
constexpr auto draw_interval = std::chrono::milliseconds(100);
bool line_drawn = false;

std::string amount(std::uint64_t number, progress::unit counts)
{
    return counts == progress::unit::bytes ? human_size(number) : counted(number, "record", "records");
}

}  // namespace

progress::progress(std::string label, unit counts, bool quiet)
    : label_(std::move(label)), counts_(counts), active_(!quiet && ::isatty(STDERR_FILENO) == 1)
{
}

progress::~progress()
{
    clear_line();
}

void progress::update(std::uint64_t done, std::uint64_t total)
{
    if (!active_) {
        return;
    }
    const clock::time_point now = clock::now();
    if (now - drawn_ < draw_interval) {
        return;
    }
    drawn_ = now;
    const std::string text =
        "\r" + line(done, total, std::chrono::duration<double>(now - started_).count()) + "\x1b[K";
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
    line_drawn = true;
}

void progress::clear_line() noexcept
{
    if (line_drawn) {
        std::fputs("\r\x1b[K", stderr);
        std::fflush(stderr);
        line_drawn = false;
    }
}

std::string progress::line(std::uint64_t done, std::uint64_t total, double seconds) const
{
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    const std::string speed = amount(static_cast<std::uint64_t>(rate), counts_) + "/s";
    if (total == 0) {
        return label_ + ": " + amount(done, counts_) + ", " + speed;
    }
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const int filled = static_cast<int>(share * bar_width);
    std::string text = label_ + ": [";
    text.append(static_cast<std::size_t>(filled), '#');
    text.append(static_cast<std::size_t>(bar_width - filled), '.');
    text += "] " + std::to_string(static_cast<int>(share * 100)) + "%, " + speed;
    if (rate > 0 && done < total) {
        text += ", " + human_duration(static_cast<double>(total - done) / rate) + " left";
    }
    return text;
}

}  // namespace kvdb::app
