// SPDX-License-Identifier: BSL-1.0
// How a command ends. Everything that goes wrong is one of these exceptions or a kvdb::error.
#ifndef KVDB_APP_FAILURE_HPP
#define KVDB_APP_FAILURE_HPP

#include <stdexcept>

namespace kvdb::app {

inline constexpr int exit_success = 0;
inline constexpr int exit_negative = 1;     // not found, condition not met, damage found, lines refused
inline constexpr int exit_usage = 2;        // wrong usage
inline constexpr int exit_failure = 3;      // a file cannot be opened, read or written
inline constexpr int exit_interrupt = 130;  // as shells report SIGINT
inline constexpr int exit_pipe = 141;       // as shells report SIGPIPE

/// The command line makes no sense. `what()` says why; main adds where to read more.
class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A file other than the database cannot be read or written. `what()` names it.
class file_failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Whoever read our output has gone.
class output_closed : public std::exception {
public:
    [[nodiscard]] const char* what() const noexcept override { return "output closed"; }
};

/// SIGINT came, and nothing more is to be said than `what()`.
class interrupted : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace kvdb::app

#endif
