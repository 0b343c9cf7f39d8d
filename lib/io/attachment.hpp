// SPDX-License-Identifier: BSL-1.0
// A handle's place in the attachment table: what it writes into lock words, and how others see whether it lives.
//
// Invariants
//   A1  The owner of slot i holds an exclusive open-file-description lock on byte attachment_bytes + i, on a
//       description opened for nothing else, from before it raises the slot's generation until it dies or detaches.
//   A2  A slot's generation only rises. A lock word names a living holder only if its generation is the slot's.
// Death at any step: the kernel drops the byte's lock; the slot keeps its content until somebody claims it anew.
#ifndef KVDB_IO_ATTACHMENT_HPP
#define KVDB_IO_ATTACHMENT_HPP

#include "format/tables.hpp"
#include "io/file.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace kvdb::io {

class memory;

class attachment {
public:
    attachment() noexcept = default;

    /// Claims a slot. Throws errc::too_many_handles. If the slot's former owner died while it flushed, nobody may
    /// know how that ended: `doubts` is raised. The words `staged` of a slot whose former owner was killed may
    /// still name runs: the caller must see to them before it stages any of its own.
    [[nodiscard]] static attachment claim(const file& of, memory& mapped);

    /// For memory that no other process sees: owns lock words without a slot, and takes every other owner for alive.
    [[nodiscard]] static attachment solitary(memory& detached) noexcept;

    /// True if the slot's former owner did not leave in good order.
    [[nodiscard]] bool inherited() const noexcept { return inherited_; }
    [[nodiscard]] bool is_attached() const noexcept { return descriptor_.is_open(); }
    [[nodiscard]] std::uint64_t lock_word() const noexcept { return word_; }
    [[nodiscard]] std::uint32_t slot() const noexcept { return slot_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return descriptor_.path(); }

    /// Judges the holder that a lock word names. This handle's own threads live.
    [[nodiscard]] bool holder_is_dead(std::uint64_t word) const;
    [[nodiscard]] std::string describe(std::uint64_t word) const;
    [[nodiscard]] bool slot_is_live(std::uint32_t slot) const;

    /// Frees the slot; it must hold no lock and no staged run.
    void detach() noexcept;
    /// In a forked child: lets go of the parent's description without touching the slot.
    void abandon() noexcept { descriptor_.close(); }
    [[nodiscard]] int raw_descriptor() const noexcept { return descriptor_.descriptor(); }

private:
    file descriptor_;
    memory* memory_ = nullptr;
    std::uint32_t slot_ = 0;
    std::uint32_t count_ = 0;
    std::uint64_t word_ = 0;
    bool inherited_ = false;
};

/// If the owner of the slot, who is dead, was in the middle of a flush: the system may have told it alone that pages
/// were not written, and takes them for written since. Raises `doubts`; in the gate.
void note_dead_flusher(memory& mapped, format::attachment_slot& slot) noexcept;

}  // namespace kvdb::io

#endif
