// SPDX-License-Identifier: BSL-1.0
#include "entry_filter.hpp"

#include "glob.hpp"

namespace kvdb::app {

void entry_filter::describe(boost::program_options::options_description& own)
{
    namespace po = boost::program_options;
    own.add_options()("prefix", po::value<std::string>()->value_name("P"), "only keys that begin with P")(
        "match", po::value<std::string>()->value_name("GLOB"), "only keys that match: * ? [a-z] [!a-z] \\x");
}

entry_filter::entry_filter(const invocation& call) : prefix_(call.key_option("prefix")), pattern_(call.text("match"))
{
}

bool entry_filter::operator()(std::string_view key) const noexcept
{
    return (!prefix_ || key.starts_with(*prefix_)) && (!pattern_ || glob_match(*pattern_, key));
}

}  // namespace kvdb::app
