// SPDX-License-Identifier: BSL-1.0
#include "report.hpp"

#include "command.hpp"
#include "progress.hpp"

#include <cstdio>

namespace kvdb::app {
namespace {

const char* hint_for(errc reason) noexcept
{
    switch (reason) {
        case errc::invalid_argument: return nullptr;
        case errc::key_too_large: return "keys are at most 65535 bytes long";
        case errc::value_too_large: return "values are at most 4294967295 bytes long";
        case errc::no_such_file: return "'kvdb set' and 'kvdb import' create a database; -f names another file";
        case errc::file_exists: return "choose another name with -f";
        case errc::not_a_database: return "the file was left as it is; -f names another one";
        case errc::unsupported_version: return "use the kvdb that wrote the file, or a newer one than this";
        case errc::damaged: return "restore the file from a backup; 'kvdb inspect' shows what its header says";
        case errc::no_permission: return "check owner and mode of the file and of its folder";
        case errc::read_only: return "commands that only read still work";
        case errc::disk_full: return "free some space and try again; what is stored is intact";
        case errc::file_too_large: return "raise the limit (see 'ulimit -f') and try again; what is stored is intact";
        case errc::io_failure: return "look into the system log for faults of the disk";
        case errc::busy: return "try again; if the process named above is stopped, continue or end it";
        case errc::too_many_handles: return "end some of the processes that 'kvdb info' lists as attached";
        case errc::closed: return nullptr;
        case errc::poisoned: return "an earlier write to the disk failed: look into the system log and save a copy";
        case errc::no_memory: return "raise the limit (see 'ulimit -v') or end other programs";
        case errc::unsupported: return "use a local file system on a supported system";
    }
    return nullptr;
}

}  // namespace

void say(std::string_view text)
{
    progress::clear_line();
    std::string line = "kvdb: ";
    line += text;
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), stderr);  // nobody is left to tell if this fails
}

void note(const invocation& call, std::string_view text)
{
    if (!call.quiet) {
        say(text);
    }
}

void say_not_found(const invocation& call, std::string_view key)
{
    say("key not found: " + (call.bytes == encoding::raw ? escaped(key) : encode(key, call.bytes)));
}

void say_error(const error& problem, const std::filesystem::path& file)
{
    std::string text = problem.what();
    if (text.find(file.native()) == std::string::npos) {
        text = file.native() + ": " + text;
    }
    if (const char* hint = hint_for(problem.reason()); hint != nullptr) {
        text += "\nhint: ";
        text += hint;
    }
    say(text);
}

}  // namespace kvdb::app
