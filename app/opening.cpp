// SPDX-License-Identifier: BSL-1.0
#include "opening.hpp"

#include "failure.hpp"
#include "interrupt.hpp"
#include "progress.hpp"

#include <mutex>

namespace kvdb::app {
namespace {

database open_with(const invocation& call, open_mode mode)
{
    const interrupt_guard guard;
    progress bar("recovering", progress::unit::bytes, call.quiet);
    std::mutex one_at_a_time;  // recovery works with several threads
    options how;
    how.mode = mode;
    how.on_recovery = [&bar, &one_at_a_time](std::uint64_t done, std::uint64_t total) {
        const std::lock_guard lock(one_at_a_time);
        if (interrupt_guard::requested()) {
            interrupt_guard::leave("interrupted during the recovery; the next command begins it anew");
        }
        bar.update(done, total);
    };
    database opened = database::open(call.file, how);
    if (interrupt_guard::requested()) {
        throw interrupted("interrupted; nothing was done");
    }
    return opened;
}

}  // namespace

database open_for_reading(const invocation& call)
{
    return open_with(call, open_mode::read_only);
}

database open_for_writing(const invocation& call)
{
    return open_with(call, call.no_create ? open_mode::open_only : open_mode::open_or_create);
}

database open_existing(const invocation& call)
{
    return open_with(call, open_mode::open_only);
}

void finish_writing(database& store, const invocation& call)
{
    if (!call.no_sync) {
        store.sync();
    }
    store.close();
}

void refuse_database_file(const invocation& call, const std::filesystem::path& path)
{
    std::error_code ignored;
    if (std::filesystem::equivalent(call.file, path, ignored)) {
        throw usage_error("'" + escaped(path.native()) + "' is the database itself");
    }
}

}  // namespace kvdb::app
