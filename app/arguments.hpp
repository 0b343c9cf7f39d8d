// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_APP_ARGUMENTS_HPP
#define KVDB_APP_ARGUMENTS_HPP

#include "command.hpp"

#include <string>
#include <vector>

namespace kvdb::app {

/// Takes the command line apart. Options of all commands may stand before the command or behind it. --help and
/// --version become calls of the commands `help` and `version`. Throws usage_error; `result.self` and `result.file`
/// are as far as they were known then.
void parse_arguments(const std::vector<std::string>& words, invocation& result);

/// The options that a command understands, its own first.
struct option_help {
    boost::program_options::options_description own;
    boost::program_options::options_description shared;
};
[[nodiscard]] option_help describe_options(const command& which);
[[nodiscard]] boost::program_options::options_description describe_common();

}  // namespace kvdb::app

#endif
