// SPDX-License-Identifier: BSL-1.0
// Is a recorded history of one key linearizable: is there one instant for each operation, between its invocation and
// its response, so that every answer is right in that order? A history of many keys is if that of each key is
// (Herlihy and Wing 1990, locality).
//
// Just-in-time linearization (Lowe 2017, after Wing and Gong 1993): the stamps are gone through in order, with all
// configurations in mind that the history so far allows: the key's value, and which of the open operations have had
// their instant. Nothing is decided before it must be: when an operation responds, the open ones are tried in every
// order that gives it its instant. Configurations reached twice are kept once. With as many operations open at a time
// as there are threads, there are few.
#ifndef KVDB_TESTS_PROCESS_REGISTER_HISTORY_HPP
#define KVDB_TESTS_PROCESS_REGISTER_HISTORY_HPP

#include <cstdint>
#include <string>
#include <vector>

namespace kvdb::testing {

enum class action : std::uint8_t { set, get, erase };

inline constexpr std::uint64_t absent = 0;  // what a get sees of a key that is not there; never set
inline constexpr std::uint64_t never = ~std::uint64_t{0};

/// One operation on the key. Stamps are those of one clock, and no two are equal.
struct operation {
    action what = action::get;
    std::uint64_t value = absent;  ///< set: written; get: seen; erase: 1 if it found something
    std::uint64_t invoked = 0;
    std::uint64_t responded = never;
    /// Without an answer: its author died. It had its instant before `responded`, or never has it.
    bool answered = true;
};

/// Empty if the history, in any order, is linearizable; the key is absent at first. Otherwise what contradicts it.
/// At most 64 operations may be open at one time.
[[nodiscard]] std::string contradiction_in(std::vector<operation> history);

}  // namespace kvdb::testing

#endif
