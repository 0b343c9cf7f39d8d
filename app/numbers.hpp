// SPDX-License-Identifier: BSL-1.0
// Numbers as people write and read them.
#ifndef KVDB_APP_NUMBERS_HPP
#define KVDB_APP_NUMBERS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kvdb::app {

/// Decimal, or hexadecimal after 0x. No sign, no blanks, nothing behind.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

/// "812 bytes", "1.21 MiB".
[[nodiscard]] std::string human_size(std::uint64_t bytes);
/// "1.21 MiB (1268531 bytes)".
[[nodiscard]] std::string full_size(std::uint64_t bytes);
/// "0.42 s", "3:07", "1:02:45".
[[nodiscard]] std::string human_duration(double seconds);
/// "1 key", "2 keys".
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view one, std::string_view many);
/// "2024-02-29T12:00:00Z".
[[nodiscard]] std::string utc_time(std::uint64_t unix_ms);

}  // namespace kvdb::app

#endif
