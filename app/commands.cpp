// SPDX-License-Identifier: BSL-1.0
#include "command.hpp"

#include <array>

namespace kvdb::app {

extern const command set_command, get_command, del_command, has_command, list_command, count_command;
extern const command import_command, export_command, info_command, check_command, sync_command, inspect_command;
extern const command help_command, version_command;

namespace {
constexpr std::array table{
    &set_command,    &get_command,  &del_command,   &has_command,  &list_command,    &count_command, &import_command,
    &export_command, &info_command, &check_command, &sync_command, &inspect_command, &help_command,  &version_command,
};
}  // namespace

std::span<const command* const> commands() noexcept
{
    return table;
}

const command* find_command(std::string_view name) noexcept
{
    for (const command* candidate : table) {
        if (candidate->name == name) {
            return candidate;
        }
    }
    return nullptr;
}

}  // namespace kvdb::app
