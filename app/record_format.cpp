// SPDX-License-Identifier: BSL-1.0
#include "record_format.hpp"

#include "failure.hpp"

namespace kvdb::app {

void describe_format(boost::program_options::options_description& own)
{
    own.add_options()("format", boost::program_options::value<std::string>()->value_name("FORMAT"),
                      "jsonl (default) or tsv");
}

std::unique_ptr<record_format> chosen_format(const invocation& call)
{
    const std::string name = call.text("format").value_or("jsonl");
    if (name == "tsv") {
        return make_tsv_format(call.bytes);
    }
    if (name != "jsonl") {
        throw usage_error("unknown format '" + escaped(name) + "': jsonl and tsv are known");
    }
    if (call.bytes != encoding::raw) {
        throw usage_error("--hex and --base64 go with --format tsv; jsonl carries any bytes by itself");
    }
    return make_jsonl_format();
}

}  // namespace kvdb::app
