// SPDX-License-Identifier: BSL-1.0
// Bytes as text: hex, base64 (RFC 4648, with padding) and the escapes of `list` and tsv.
#ifndef KVDB_APP_ENCODING_HPP
#define KVDB_APP_ENCODING_HPP

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace kvdb::app {

enum class encoding { raw, hex, base64 };

[[nodiscard]] std::string to_hex(std::string_view bytes);
[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Nothing if the text is not hex: two digits a byte, either case.
[[nodiscard]] std::optional<std::string> from_hex(std::string_view text);
/// Nothing if the text is not base64. Padding may be left out, but not be wrong.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

/// raw gives the bytes back as they are.
[[nodiscard]] std::string encode(std::string_view bytes, encoding how);
/// Nothing if the text does not decode.
[[nodiscard]] std::optional<std::string> decode(std::string_view text, encoding how);
/// As decode, for the command line: throws usage_error.
[[nodiscard]] std::string decode_argument(const std::string& text, encoding how);

/// Length of the UTF-8 character at the front, 0 if the bytes there are none. Surrogates, overlong forms and what
/// lies beyond U+10FFFF are none.
[[nodiscard]] std::size_t utf8_length(std::string_view bytes) noexcept;
[[nodiscard]] bool is_utf8(std::string_view bytes) noexcept;

/// Printable text on one line: \t \n \r \\ and \xHH for other control characters and for bytes that are not UTF-8.
void append_escaped(std::string& out, std::string_view bytes);
[[nodiscard]] std::string escaped(std::string_view bytes);
/// The reverse. False, and the reason in `why`, for an escape that is none.
[[nodiscard]] bool unescape(std::string_view text, std::string& out, std::string& why);

}  // namespace kvdb::app

#endif
