// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_APP_GLOB_HPP
#define KVDB_APP_GLOB_HPP

#include <string_view>

namespace kvdb::app {

/// Shell-like patterns over bytes: * any run, ? any byte, [abc] [a-z] [!a-z] [^a-z] a byte of a set, \ takes the next
/// byte as it is. The whole text must match. A [ that no ] closes stands for itself. O(pattern * text).
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text) noexcept;

}  // namespace kvdb::app

#endif
