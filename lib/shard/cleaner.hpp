// SPDX-License-Identifier: BSL-1.0
// Getting back the space of what is dead: extent by extent, a few records behind each write.
//
//   filled --choose--> emptying --records copied or dropped--> limbo --noted--> releasing --flushed--> free
//                      large extents come here when their record dies
//
//   live record              appended again, with its number
//   dead record, tombstone   appended as a tombstone with its number, if its victim may still be on the medium
//   all else                 dropped
//
// What becomes of extents in limbo is for the checkpoint (database/checkpoint.hpp).
//
// Who may call: a writer under its shard's lock, which may be left and retaken for log room; then all is looked up
// again. Publication: a copy's slot, by the redo program of that record. Death: between two records nothing is lost
// but the bytes behind the tail, which the next locker seals off; copies that no slot leads to have the number and
// the content of their original. Invariants
//   K1  An extent is cleaned only when it is on the medium as it is, or nothing of the shard was ever acknowledged as
//       durable. Otherwise a tombstone carried on could be there when neither the dead record nor what replaced it
//       is.
//   K2  For each dead record on the medium there is a record of its key there with a higher number, or one with the
//       same number and content. A tombstone goes only when its victim's extent is free, and every extent from which
//       a copy of an older record of the key may come.
//   K3  `shape` is raised when an extent goes to limbo: after the last slot that led into it has changed.
//   K4  A record is copied only if its checksum holds. An extent with something else in it stays as it is.
#ifndef KVDB_SHARD_CLEANER_HPP
#define KVDB_SHARD_CLEANER_HPP

#include "base/policy.hpp"
#include "shard/writer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace kvdb::shard {

/// When cleaning begins and emptied extents are freed, beside what is live: bytes that no shard minds. Tests of small
/// files want less.
struct cleaning_policy {
    std::uint64_t dead_slack = 4 * 1024;
    std::uint64_t limbo_slack = 32 * 1024;
};

class cleaner {
public:
    cleaner(writer& of, locked_shard& lock) noexcept : writer_(of), all_(of.all_), lock_(lock), mine_(of.block()) {}

    /// The part of a write of so many bytes. True if a checkpoint is due that frees what is in limbo, or lets more be
    /// cleaned. Throws nothing that comes of a lack of space: cleaning waits, then.
    [[nodiscard]] bool keep_up(std::uint64_t bytes) noexcept;

private:
    struct candidate {
        record_view view;
        std::uint64_t hash = 0;
        std::uint64_t sequence = 0;
        std::uint64_t victim = 0;  // 0 = none
        // What becomes of it.
        bool live = false;
        index::found_slot slot;
        log::record_fields copy;  // of what is appended: a value or a tombstone
        std::uint64_t size = 0;   // of that; 0 = nothing
    };
    using batch = std::span<candidate>;
    static constexpr std::size_t most_at_a_time = 16;
    static constexpr std::uint64_t most_bytes_at_a_time = 64 * 1024;

    [[nodiscard]] bool crowded() const noexcept;
    [[nodiscard]] bool release_due() const noexcept;
    void work(std::uint64_t quota);
    [[nodiscard]] bool choose();
    [[nodiscard]] double score_of(const format::extent_header& header) const noexcept;
    [[nodiscard]] bool may_be_cleaned(const format::extent_header& header) const noexcept;
    std::uint64_t clean_log(std::uint64_t extent, format::extent_header& header);
    std::uint64_t clean_large(std::uint64_t extent, format::extent_header& header);

    [[nodiscard]] bool parse(const format::extent_header& header, std::uint64_t extent, std::uint64_t offset,
                             candidate& found) const;
    /// Takes the records from `at` on, as many as there is room for, and says how many; `whole` if the log ends
    /// there.
    [[nodiscard]] std::size_t read(const format::extent_header& header, std::uint64_t extent, std::uint64_t at,
                                   batch room, bool& whole) const;
    void prefetch_slot(std::uint64_t hash) const noexcept;
    void judge(batch some) const;
    [[nodiscard]] bool must_carry(const candidate& each, std::uint64_t source) const;
    [[nodiscard]] bool may_be_on_medium(std::uint64_t victim) const;
    /// How many candidates fit into the present log extent. None: room was made, but all has to be looked up again.
    [[nodiscard]] std::size_t make_room(batch some);
    void append(batch some);
    void publish(const candidate& each, const format::extent_header& header, std::uint64_t cleaned);
    void skip_to(const format::extent_header& header, std::uint64_t cleaned);
    void finish(std::uint64_t extent, format::extent_header& header, std::uint64_t record_bytes);
    void set_aside(std::uint64_t extent, format::extent_header& header);
    [[nodiscard]] std::uint64_t oldest_source() const;
    [[nodiscard]] std::uint32_t shard_number() const noexcept { return writer_.shard_; }
    [[nodiscard]] std::uint64_t offset_of(const std::uint64_t& word) const noexcept
    {
        return writer_.offset_of(word);
    }

    writer& writer_;
    const context& all_;
    locked_shard& lock_;
    format::shard_block& mine_;
    bool blocked_ = false;  // by K1
};

}  // namespace kvdb::shard

#endif
