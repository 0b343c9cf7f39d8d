// SPDX-License-Identifier: BSL-1.0
#include "encoding.hpp"

#include "failure.hpp"

#include <cstdint>

namespace kvdb::app {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";
constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::uint32_t byte_at(std::string_view bytes, std::size_t at) noexcept
{
    return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
}

int hex_value(char digit) noexcept
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    const char lower = static_cast<char>(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int base64_value(char digit) noexcept
{
    if (digit >= 'A' && digit <= 'Z') {
        return digit - 'A';
    }
    if (digit >= 'a' && digit <= 'z') {
        return digit - 'a' + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return digit - '0' + 52;
    }
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

void append_hex(std::string& out, char byte)
{
    const auto value = static_cast<unsigned char>(byte);
    out += hex_digits[value >> 4];
    out += hex_digits[value & 15];
}

}  // namespace

std::string to_hex(std::string_view bytes)
{
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char byte : bytes) {
        append_hex(out, byte);
    }
    return out;
}

std::string to_base64(std::string_view bytes)
{
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::uint32_t group = byte_at(bytes, at) << 16 | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2);
        out += base64_digits[group >> 18];
        out += base64_digits[group >> 12 & 63];
        out += at + 1 < bytes.size() ? base64_digits[group >> 6 & 63] : '=';
        out += at + 2 < bytes.size() ? base64_digits[group & 63] : '=';
    }
    return out;
}

std::optional<std::string> from_hex(std::string_view text)
{
    if (text.size() % 2 != 0) {
        return std::nullopt;
    }
    std::string out;
    out.reserve(text.size() / 2);
    for (std::size_t at = 0; at < text.size(); at += 2) {
        const int high = hex_value(text[at]);
        const int low = hex_value(text[at + 1]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        out += static_cast<char>(high << 4 | low);
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text)
{
    if (text.size() % 4 == 0) {
        for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) {
            text.remove_suffix(1);
        }
    }
    if (text.size() % 4 == 1) {
        return std::nullopt;
    }
    std::string out;
    out.reserve(text.size() / 4 * 3 + 2);
    std::uint32_t held = 0;
    unsigned bits = 0;
    for (const char digit : text) {
        const int value = base64_value(digit);
        if (value < 0) {
            return std::nullopt;
        }
        held = held << 6 | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out += static_cast<char>(held >> bits & 255);
        }
    }
    if ((held & ((1U << bits) - 1)) != 0) {
        return std::nullopt;  // bits that belong to no byte: cut off or forged
    }
    return out;
}

std::string encode(std::string_view bytes, encoding how)
{
    switch (how) {
        case encoding::hex: return to_hex(bytes);
        case encoding::base64: return to_base64(bytes);
        case encoding::raw: break;
    }
    return std::string(bytes);
}

std::optional<std::string> decode(std::string_view text, encoding how)
{
    switch (how) {
        case encoding::hex: return from_hex(text);
        case encoding::base64: return from_base64(text);
        case encoding::raw: break;
    }
    return std::string(text);
}

std::string decode_argument(const std::string& text, encoding how)
{
    std::optional<std::string> bytes = decode(text, how);
    if (!bytes) {
        throw usage_error("'" + escaped(text) + "' is not " + (how == encoding::hex ? "hex" : "base64"));
    }
    return *std::move(bytes);
}

std::size_t utf8_length(std::string_view bytes) noexcept
{
    const std::uint32_t lead = byte_at(bytes, 0);
    if (lead < 0x80) {
        return bytes.empty() ? 0 : 1;
    }
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || bytes.size() < length) {
        return 0;
    }
    for (std::size_t at = 1; at < length; ++at) {
        if ((byte_at(bytes, at) & 0xc0) != 0x80) {
            return 0;
        }
    }
    const std::uint32_t second = byte_at(bytes, 1);
    const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    const bool surrogate = lead == 0xed && second >= 0xa0;
    const bool beyond = lead == 0xf4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

bool is_utf8(std::string_view bytes) noexcept
{
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        if (length == 0) {
            return false;
        }
        bytes.remove_prefix(length);
    }
    return true;
}

void append_escaped(std::string& out, std::string_view bytes)
{
    const auto as_hex = [&out](std::string_view some) {
        for (const char byte : some) {
            out += "\\x";
            append_hex(out, byte);
        }
    };
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        const std::string_view character = bytes.substr(0, length == 0 ? 1 : length);
        const auto lead = static_cast<unsigned char>(character[0]);
        bytes.remove_prefix(character.size());
        switch (lead) {
            case '\t': out += "\\t"; continue;
            case '\n': out += "\\n"; continue;
            case '\r': out += "\\r"; continue;
            case '\\': out += "\\\\"; continue;
            default: break;
        }
        // U+0080 to U+009F steer terminals as the ASCII controls do
        const bool control =
            lead < 0x20 || lead == 0x7f || (lead == 0xc2 && length == 2 && (byte_at(character, 1) < 0xa0));
        if (control || length == 0) {
            as_hex(character);
        } else {
            out += character;
        }
    }
}

std::string escaped(std::string_view bytes)
{
    std::string out;
    append_escaped(out, bytes);
    return out;
}

bool unescape(std::string_view text, std::string& out, std::string& why)
{
    out.clear();
    while (!text.empty()) {
        const std::size_t plain = text.find('\\');
        out += text.substr(0, plain);
        if (plain == std::string_view::npos) {
            break;
        }
        text.remove_prefix(plain + 1);
        const char kind = text.empty() ? '\0' : text[0];
        std::size_t used = 1;
        switch (kind) {
            case 't': out += '\t'; break;
            case 'n': out += '\n'; break;
            case 'r': out += '\r'; break;
            case '\\': out += '\\'; break;
            case 'x':
                if (const auto byte = from_hex(text.substr(1, 2)); byte && byte->size() == 1) {
                    out += *byte;
                    used = 3;
                    break;
                }
                why = "\\x is not followed by two hex digits";
                return false;
            default:
                why = text.empty() ? "a lone \\ at the end" : "unknown escape \\" + escaped(text.substr(0, 1));
                return false;
        }
        text.remove_prefix(used);
    }
    return true;
}

}  // namespace kvdb::app
