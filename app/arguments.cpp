// SPDX-License-Identifier: BSL-1.0
#include "arguments.hpp"

#include "failure.hpp"

#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace kvdb::app {
namespace {

namespace po = boost::program_options;

// No guessing: an abbreviation in a script would break when an option is added.
constexpr int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;

/// Index of the command: the first word that is neither an option nor the file of -f. words.size() if there is none.
std::size_t command_index(const std::vector<std::string>& words)
{
    std::size_t at = 0;
    while (at < words.size() && words[at].size() > 1 && words[at][0] == '-') {
        at += words[at] == "-f" || words[at] == "--file" ? 2U : 1U;
    }
    return std::min(at, words.size());
}

po::variables_map parse_words(const std::vector<std::string>& words, const po::options_description& known)
{
    po::options_description all;
    all.add(known).add_options()("arguments", po::value<std::vector<std::string>>());
    po::positional_options_description positional;
    positional.add("arguments", -1);
    po::variables_map values;
    try {
        po::store(po::command_line_parser(words).options(all).positional(positional).style(style).run(), values);
        po::notify(values);
    } catch (const po::unknown_option& problem) {
        throw usage_error(std::string(problem.what()) + " (what begins with '-' and is no option goes after '--')");
    } catch (const po::error& problem) {
        throw usage_error(problem.what());
    }
    return values;
}

std::filesystem::path choose_file(const po::variables_map& values)
{
    if (values.count("file") != 0) {
        const auto& given = values["file"].as<std::string>();
        if (given.empty()) {
            throw usage_error("--file needs a name");
        }
        return given;
    }
    const char* const from_environment = std::getenv("KVDB_FILE");
    return from_environment != nullptr && *from_environment != '\0' ? from_environment : "kv.kvdb";
}

void become(invocation& result, const char* command_name, std::vector<std::string> arguments)
{
    result.self = find_command(command_name);
    result.arguments = std::move(arguments);
    result.options.clear();
}

void take_shared(invocation& result)
{
    if (result.flag("hex") && result.flag("base64")) {
        throw usage_error("--hex and --base64 exclude each other");
    }
    result.bytes = result.flag("hex") ? encoding::hex : result.flag("base64") ? encoding::base64 : encoding::raw;
    result.json = result.flag("json");
    result.no_create = result.flag("no-create");
    result.no_sync = result.flag("no-sync");
    result.quiet = result.flag("quiet");
}

}  // namespace

po::options_description describe_common()
{
    po::options_description common("Options of all commands");
    auto add = common.add_options();
    add("file,f", po::value<std::string>()->value_name("FILE"), "the database (default: $KVDB_FILE, else kv.kvdb)");
    add("no-create", po::bool_switch(), "never create the database");
    add("quiet,q", po::bool_switch(), "no progress and no remarks, errors alone");
    add("help,h", po::bool_switch(), "say what the command does");
    add("version", po::bool_switch(), "print the version");
    return common;
}

option_help describe_options(const command& which)
{
    option_help result{po::options_description("Options"), describe_common()};
    auto add = result.own.add_options();
    if (which.describe != nullptr) {
        which.describe(result.own);
    }
    if ((which.traits & takes_bytes) != 0) {
        add("hex", po::bool_switch(), "keys and values given and printed are hex");
        add("base64", po::bool_switch(), "keys and values given and printed are base64");
    }
    if ((which.traits & takes_json) != 0) {
        add("json", po::bool_switch(), "print JSON");
    }
    if ((which.traits & writes) != 0) {
        add("no-sync", po::bool_switch(), "do not wait until the change is on disk");
    }
    return result;
}

void parse_arguments(const std::vector<std::string>& words, invocation& result)
{
    const std::size_t at = command_index(words);
    const bool named = at < words.size();
    if (named) {
        result.self = find_command(words[at]);
        if (result.self == nullptr) {
            throw usage_error("unknown command '" + escaped(words[at]) + "'");
        }
    }
    std::vector<std::string> rest(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(at));
    if (named) {
        rest.insert(rest.end(), words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
    }
    po::options_description known = describe_common();
    if (named) {
        known.add(describe_options(*result.self).own);
    }
    result.options = parse_words(rest, known);
    if (result.flag("help")) {
        become(result, "help", named ? std::vector<std::string>{words[at]} : std::vector<std::string>{});
        return;
    }
    if (result.flag("version")) {
        become(result, "version", {});
        return;
    }
    if (!named) {
        throw usage_error("no command given");
    }
    if (result.has("arguments")) {
        result.arguments = result.options["arguments"].as<std::vector<std::string>>();
    }
    result.file = choose_file(result.options);
    take_shared(result);
}

}  // namespace kvdb::app
