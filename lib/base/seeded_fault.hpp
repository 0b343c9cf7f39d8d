// SPDX-License-Identifier: BSL-1.0
// Deliberate bugs, one of which a test build can be told to have: a rig that never failed proves nothing. HACKING.md
// says which rig catches which. Nothing at all in ordinary builds.
#ifndef KVDB_BASE_SEEDED_FAULT_HPP
#define KVDB_BASE_SEEDED_FAULT_HPP

#ifdef KVDB_TEST_HOOKS
#include <cstdlib>
#include <string_view>
#endif

namespace kvdb {

#ifdef KVDB_TEST_HOOKS
/// Is this the bug that the environment variable KVDB_SEEDED_FAULT names?
[[nodiscard]] inline bool seeded_fault(std::string_view name) noexcept
{
    static const char* const chosen = std::getenv("KVDB_SEEDED_FAULT");
    return chosen != nullptr && name == chosen;
}
#else
[[nodiscard]] constexpr bool seeded_fault(const char*) noexcept
{
    return false;
}
#endif

}  // namespace kvdb

#endif
