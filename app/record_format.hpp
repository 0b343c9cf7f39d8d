// SPDX-License-Identifier: BSL-1.0
// One entry as one line of text: what import and export speak.
#ifndef KVDB_APP_RECORD_FORMAT_HPP
#define KVDB_APP_RECORD_FORMAT_HPP

#include "command.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace kvdb::app {

struct entry {
    std::string key;
    std::string value;
};

enum class line_kind { record, blank, bad };

class record_format {
public:
    virtual ~record_format() = default;
    /// Appends the line, newline included.
    virtual void write(std::string& out, std::string_view key, std::string_view value) const = 0;
    /// `line` is without its newline. `why` is set if the answer is bad.
    [[nodiscard]] virtual line_kind read(std::string_view line, entry& out, std::string& why) const = 0;
};

/// As --format says. Throws usage_error.
[[nodiscard]] std::unique_ptr<record_format> chosen_format(const invocation& call);
[[nodiscard]] std::unique_ptr<record_format> make_jsonl_format();
[[nodiscard]] std::unique_ptr<record_format> make_tsv_format(encoding bytes);

/// The option --format, for import and export alike.
void describe_format(boost::program_options::options_description& own);

}  // namespace kvdb::app

#endif
