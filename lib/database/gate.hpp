// SPDX-License-Identifier: BSL-1.0
// Who may be inside a file: open-file-description locks on three bytes beyond its end.
//
//   exclusive byte   held alone while somebody opens, recovers or makes the last step of closing; shared by readers
//                    while they decide what they can trust
//   writers byte     shared by every attached writer; had exclusively by the first to come and the last to go
//   users byte       shared by every handle, readers too: who wants to truncate asks for it exclusively
//
// Death at any step drops the locks: the next to come finds itself first and looks at what the file says.
#ifndef KVDB_DATABASE_GATE_HPP
#define KVDB_DATABASE_GATE_HPP

#include "format/tables.hpp"
#include "io/file.hpp"

#include <chrono>

namespace kvdb {

class gate {
public:
    gate() noexcept = default;
    gate(const io::file& of, io::access how) : description_(of.reopen(how)) {}

    /// Waits for the exclusive byte. Throws errc::busy after `limit`.
    void enter(io::lock_kind kind, std::chrono::milliseconds limit) const;
    [[nodiscard]] bool try_enter(std::chrono::milliseconds limit) const;
    void leave() const;

    /// True if no other writer is attached; the writers byte is then held alone until `join_writers`.
    [[nodiscard]] bool try_become_only_writer() const;
    void join_writers() const;
    void leave_writers() const;
    [[nodiscard]] bool writers_attached() const;
    /// True if some other description holds the sign of life of an attachment slot.
    [[nodiscard]] bool attachment_is_live(std::uint32_t slot) const
    {
        return description_.locked_by_other(format::attachment_bytes + slot);
    }
    void join_users() const;

    [[nodiscard]] bool is_open() const noexcept { return description_.is_open(); }
    /// Closes the description: every lock through it is gone, unless a parent process still has it.
    void close() noexcept { description_.close(); }

private:
    [[nodiscard]] bool wait_for(io::lock_kind kind, std::chrono::milliseconds limit) const;

    io::file description_;
};

}  // namespace kvdb

#endif
