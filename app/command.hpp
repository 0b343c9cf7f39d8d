// SPDX-License-Identifier: BSL-1.0
// What a command is, and what it is given. Each command lives in a source file of its own and defines one
// `const command`; commands.cpp lists them.
#ifndef KVDB_APP_COMMAND_HPP
#define KVDB_APP_COMMAND_HPP

#include "encoding.hpp"

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvdb::app {

struct command;

/// A parsed command line.
struct invocation {
    const command* self = nullptr;
    std::filesystem::path file;
    encoding bytes = encoding::raw;  // --hex, --base64
    bool json = false;
    bool no_create = false;
    bool no_sync = false;
    bool quiet = false;
    boost::program_options::variables_map options;  // the command's own
    std::vector<std::string> arguments;

    [[nodiscard]] bool has(const char* option) const { return options.count(option) != 0; }
    [[nodiscard]] bool flag(const char* option) const { return has(option) && options[option].as<bool>(); }
    /// An option that takes text; nothing if it was not given.
    [[nodiscard]] std::optional<std::string> text(const char* option) const;
    /// An option that takes a number, decimal or 0x…; usage_error if it is none.
    [[nodiscard]] std::optional<std::uint64_t> number(const char* option) const;
    /// As text(), decoded as --hex and --base64 say.
    [[nodiscard]] std::optional<std::string> key_option(const char* option) const;
    /// The arguments from the `first` on, decoded as --hex and --base64 say.
    [[nodiscard]] std::vector<std::string> decoded(std::size_t first = 0) const;
    /// usage_error unless there are between `least` and `most` arguments.
    void expect_arguments(std::size_t least, std::size_t most) const;
};

/// Which of the shared options a command understands.
enum trait : unsigned { takes_bytes = 1, takes_json = 2, writes = 4 };

struct command {
    std::string_view name;
    std::string_view arguments;  // for the usage line
    std::string_view summary;    // one line
    std::string_view details;    // paragraphs for `kvdb help NAME`
    unsigned traits;
    void (*describe)(boost::program_options::options_description& own);  // may be null
    int (*run)(const invocation& call);
};

/// All commands, in the order of the help page.
[[nodiscard]] std::span<const command* const> commands() noexcept;
/// Null if there is none of that name.
[[nodiscard]] const command* find_command(std::string_view name) noexcept;

}  // namespace kvdb::app

#endif
