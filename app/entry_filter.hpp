// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_APP_ENTRY_FILTER_HPP
#define KVDB_APP_ENTRY_FILTER_HPP

#include "command.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace kvdb::app {

/// The options --prefix and --match, which choose keys.
class entry_filter {
public:
    static void describe(boost::program_options::options_description& own);
    explicit entry_filter(const invocation& call);

    [[nodiscard]] bool chooses_all() const noexcept { return !prefix_ && !pattern_; }
    [[nodiscard]] bool operator()(std::string_view key) const noexcept;

private:
    std::optional<std::string> prefix_;
    std::optional<std::string> pattern_;
};

}  // namespace kvdb::app

#endif
