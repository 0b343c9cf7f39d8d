// SPDX-License-Identifier: BSL-1.0
#include "command.hpp"

#include "failure.hpp"
#include "numbers.hpp"

namespace kvdb::app {

std::optional<std::string> invocation::text(const char* option) const
{
    if (!has(option)) {
        return std::nullopt;
    }
    return options[option].as<std::string>();
}

std::optional<std::uint64_t> invocation::number(const char* option) const
{
    const std::optional<std::string> given = text(option);
    if (!given) {
        return std::nullopt;
    }
    const std::optional<std::uint64_t> value = parse_number(*given);
    if (!value) {
        throw usage_error("--" + std::string(option) + ": '" + *given + "' is not a number");
    }
    return value;
}

std::optional<std::string> invocation::key_option(const char* option) const
{
    std::optional<std::string> given = text(option);
    if (given) {
        given = decode_argument(*given, bytes);
    }
    return given;
}

std::vector<std::string> invocation::decoded(std::size_t first) const
{
    std::vector<std::string> result;
    for (std::size_t at = first; at < arguments.size(); ++at) {
        result.push_back(decode_argument(arguments[at], bytes));
    }
    return result;
}

void invocation::expect_arguments(std::size_t least, std::size_t most) const
{
    if (arguments.size() < least) {
        throw usage_error("too few arguments");
    }
    if (arguments.size() > most) {
        throw usage_error("too many arguments, beginning with '" + arguments[most] + "'");
    }
}

}  // namespace kvdb::app
