// SPDX-License-Identifier: BSL-1.0
#include "database/gate.hpp"

#include "io/crash_point.hpp"

#include <algorithm>
#include <thread>

namespace kvdb {

bool gate::wait_for(io::lock_kind kind, std::chrono::milliseconds limit) const
{
    using clock = std::chrono::steady_clock;
    const clock::time_point deadline = clock::now() + limit;
    std::chrono::microseconds nap{50};
    while (!description_.try_lock(kind, format::gate_exclusive_byte)) {
        if (clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(nap);  // the kernel's queue for such locks knows no deadline
        nap = std::min(nap * 2, std::chrono::microseconds{5'000});
    }
    return true;
}

void gate::enter(io::lock_kind kind, std::chrono::milliseconds limit) const
{
    if (!wait_for(kind, limit)) {
        throw error(errc::busy, "cannot open '" + description_.path().string() +
                                    "' in time: another process is opening, recovering or closing it");
    }
    crash_point("gate.entered");
}

bool gate::try_enter(std::chrono::milliseconds limit) const
{
    return wait_for(io::lock_kind::exclusive, limit);
}

void gate::leave() const
{
    static_cast<void>(description_.try_lock(io::lock_kind::none, format::gate_exclusive_byte));
}

bool gate::try_become_only_writer() const
{
    return description_.try_lock(io::lock_kind::exclusive, format::gate_writers_byte);
}

void gate::join_writers() const
{
    // Only whoever holds the exclusive byte ever holds the writers byte alone, and that is the caller.
    if (!description_.try_lock(io::lock_kind::shared, format::gate_writers_byte)) {
        throw error(errc::busy, "cannot attach to '" + description_.path().string() + "' as a writer");
    }
}

void gate::leave_writers() const
{
    static_cast<void>(description_.try_lock(io::lock_kind::none, format::gate_writers_byte));
}

bool gate::writers_attached() const
{
    return description_.locked_by_other(format::gate_writers_byte);
}

void gate::join_users() const
{
    if (!description_.try_lock(io::lock_kind::shared, format::gate_users_byte)) {
        throw error(errc::busy, "'" + description_.path().string() + "' is being truncated by another process");
    }
}

}  // namespace kvdb
