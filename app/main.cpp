// SPDX-License-Identifier: BSL-1.0
// The command line tool: finds the command, runs it, and turns whatever it throws into a message and a status.
#include "arguments.hpp"
#include "failure.hpp"
#include "report.hpp"

#include <kvdb/error.hpp>

#include <csignal>
#include <new>

#include <fcntl.h>
#include <unistd.h>

namespace kvdb::app {
namespace {

/// A database opened as descriptor 1 because the caller closed it would get our output.
void occupy_standard_descriptors()
{
    for (int wanted = 0; wanted <= 2; ++wanted) {
        if (::fcntl(wanted, F_GETFD) == -1) {
            static_cast<void>(::open("/dev/null", wanted == 0 ? O_RDONLY : O_WRONLY));
        }
    }
}

int report_usage(const usage_error& problem, const invocation& call)
{
    if (call.self == nullptr) {
        say(std::string(problem.what()) + "\nusage: kvdb [-f FILE] COMMAND [ARGUMENTS]; see 'kvdb help'");
        return exit_usage;
    }
    const std::string name(call.self->name);
    say(name + ": " + problem.what() + "\nusage: kvdb [-f FILE] " + name + (call.self->arguments.empty() ? "" : " ") +
        std::string(call.self->arguments) + "; see 'kvdb help " + name + "'");
    return exit_usage;
}

int run(const std::vector<std::string>& words)
{
    invocation call;
    try {
        parse_arguments(words, call);
        return call.self->run(call);
    } catch (const usage_error& problem) {
        return report_usage(problem, call);
    } catch (const interrupted& stop) {
        say(stop.what());
        return exit_interrupt;
    } catch (const output_closed&) {
        return exit_pipe;
    } catch (const error& problem) {
        say_error(problem, call.file);
    } catch (const std::bad_alloc&) {
        say("out of memory");
    } catch (const std::exception& problem) {
        say(problem.what());
    }
    return exit_failure;
}

}  // namespace
}  // namespace kvdb::app

int main(int count, char** words)
{
    std::signal(SIGPIPE, SIG_IGN);  // both come back as errors of write()
    std::signal(SIGXFSZ, SIG_IGN);
    try {
        kvdb::app::occupy_standard_descriptors();
        return kvdb::app::run({words + (count > 0 ? 1 : 0), words + count});
    } catch (...) {
        return kvdb::app::exit_failure;  // not even the message could be made
    }
}
