// SPDX-License-Identifier: BSL-1.0
#include "glob.hpp"

#include <cstddef>

namespace kvdb::app {
namespace {

struct step {
    bool matches;
    std::size_t length;  // of the pattern's element
};

unsigned char as_byte(char value) noexcept
{
    return static_cast<unsigned char>(value);
}

/// `pattern` begins behind the '['. Length 0 if the set is never closed.
step match_set(std::string_view pattern, char byte) noexcept
{
    std::size_t at = 0;
    const bool negated = !pattern.empty() && (pattern[0] == '!' || pattern[0] == '^');
    at += negated ? 1 : 0;
    bool found = false;
    for (bool first = true; at < pattern.size(); first = false) {
        if (pattern[at] == ']' && !first) {
            return {found != negated, at + 1};
        }
        if (pattern[at] == '\\' && at + 1 < pattern.size()) {
            ++at;
        }
        const char low = pattern[at++];
        char high = low;
        if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
            at += pattern[at + 1] == '\\' && at + 2 < pattern.size() ? 2U : 1U;
            high = pattern[at++];
        }
        found |= as_byte(low) <= as_byte(byte) && as_byte(byte) <= as_byte(high);
    }
    return {false, 0};
}

/// One element that is not '*' against one byte.
step match_one(std::string_view pattern, char byte) noexcept
{
    if (pattern[0] == '?') {
        return {true, 1};
    }
    if (pattern[0] == '[') {
        const step set = match_set(pattern.substr(1), byte);
        if (set.length != 0) {
            return {set.matches, set.length + 1};
        }
    }
    if (pattern[0] == '\\' && pattern.size() > 1) {
        return {pattern[1] == byte, 2};
    }
    return {pattern[0] == byte, 1};
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) noexcept
{
    constexpr std::size_t none = std::string_view::npos;
    std::size_t p = 0;
    std::size_t t = 0;
    // Only the latest star need be widened: what an earlier one could add, the latest one can too.
    std::size_t star = none;
    std::size_t star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        const step one = p < pattern.size() ? match_one(pattern.substr(p), text[t]) : step{false, 0};
        if (one.matches) {
            p += one.length;
            ++t;
        } else if (star != none) {
            p = star;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') {
        ++p;
    }
    return p == pattern.size();
}

}  // namespace kvdb::app
