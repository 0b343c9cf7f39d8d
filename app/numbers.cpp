// SPDX-License-Identifier: BSL-1.0
#include "numbers.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace kvdb::app {
namespace {

template <class... Values>
std::string formatted(const char* format, Values... values)
{
    std::array<char, 96> text{};
    std::snprintf(text.data(), text.size(), format, values...);
    return text.data();
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept
{
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
        base = 16;
    }
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, status] = std::from_chars(text.data(), end, value, base);
    if (status != std::errc() || stopped != end) {
        return std::nullopt;
    }
    return value;
}

std::string human_size(std::uint64_t bytes)
{
    constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        return counted(bytes, "byte", "bytes");
    }
    double size = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    while (size >= 1024 && unit + 1 < units.size()) {
        size /= 1024;
        ++unit;
    }
    return formatted("%.2f %s", size, units[unit]);
}

std::string full_size(std::uint64_t bytes)
{
    return bytes < 1024 ? human_size(bytes) : human_size(bytes) + " (" + std::to_string(bytes) + " bytes)";
}

std::string human_duration(double seconds)
{
    if (seconds < 60) {
        return formatted("%.2f s", seconds);
    }
    const auto whole = static_cast<unsigned long long>(seconds);
    if (whole < 3600) {
        return formatted("%llu:%02llu", whole / 60, whole % 60);
    }
    return formatted("%llu:%02llu:%02llu", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string counted(std::uint64_t number, std::string_view one, std::string_view many)
{
    return std::to_string(number) + " " + std::string(number == 1 ? one : many);
}

std::string utc_time(std::uint64_t unix_ms)
{
    const auto seconds = static_cast<std::time_t>(unix_ms / 1000);
    std::tm parts{};
    std::array<char, 64> text{};
    if (gmtime_r(&seconds, &parts) == nullptr ||
        std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        return std::to_string(unix_ms) + " ms after 1970";
    }
    return text.data();
}

}  // namespace kvdb::app
