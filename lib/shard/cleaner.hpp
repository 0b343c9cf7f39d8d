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

#include "shard/writer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvdb::shard {

/// When cleaning begins and emptied extents are freed, beside what is live: bytes that no shard minds. Tests of small
/// files want less.
struct cleaning_policy {
    std::uint64_t dead_slack = 4 * 1024;
    std::uint64_t limbo_slack = 32 * 1024;
};
#ifdef KVDB_TEST_HOOKS
inline cleaning_policy test_cleaning_policy;
inline const cleaning_policy& current_cleaning_policy() noexcept
{
    return test_cleaning_policy;
}
#else
inline constexpr cleaning_policy current_cleaning_policy() noexcept
{
    return {};
}
#endif

class cleaner {
public:
    cleaner(writer& of, locked_shard& lock) noexcept : writer_(of), all_(of.all_), lock_(lock), mine_(of.block()) {}

    /// The part of a write of so many bytes. True if a checkpoint is due that frees what is in limbo, or lets more be
    /// cleaned. Throws nothing that comes of a lack of space: cleaning waits, then.
    [[nodiscard]] bool keep_up(std::uint64_t bytes) noexcept;

    /// Cleans whatever has a sixteenth or more of dead records in it, until nothing more can be done at the moment or
    /// `quota` bytes were looked at. True if there was something to do.
    bool compact(std::uint64_t quota);

private:
    struct candidate {
        record_view view;
        std::uint64_t hash = 0;
        std::uint64_t sequence = 0;
        std::uint64_t victim = 0;  // 0 = none
        // What becomes of it.
        bool live = false;
        bool carried = false;  // the victim as well
        index::found_slot slot;
        std::uint64_t size = 0;  // of what is appended; 0 = nothing
    };
    static constexpr std::size_t most_at_a_time = 16;
    static constexpr std::uint64_t most_bytes_at_a_time = 64 * 1024;

    [[nodiscard]] bool crowded() const noexcept;
    [[nodiscard]] bool release_due() const noexcept;
    void work(std::uint64_t quota, std::uint64_t least_dead_share);
    [[nodiscard]] bool choose(std::uint64_t least_dead_share);
    [[nodiscard]] bool may_be_cleaned(const format::extent_header& header) const noexcept;
    std::uint64_t clean_log(std::uint64_t extent, format::extent_header& header);
    std::uint64_t clean_large(std::uint64_t extent, format::extent_header& header);

    [[nodiscard]] bool parse(const format::extent_header& header, std::uint64_t extent, std::uint64_t offset,
                             candidate& found) const;
    void prefetch_slot(std::uint64_t hash) const noexcept;
    void judge(candidate& each) const;
    [[nodiscard]] bool must_carry(const candidate& each) const;
    [[nodiscard]] bool may_be_on_medium(std::uint64_t victim) const;
    /// How many candidates fit into the present log extent; makes room for at least one. False: look again.
    [[nodiscard]] bool make_room(std::size_t& count);
    void append(std::size_t count);
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
    std::array<candidate, most_at_a_time> batch_;
    std::uint64_t oldest_source_ = 0;  // see K2; found for each batch
    bool blocked_ = false;             // by K1
    bool worked_ = false;
};

}  // namespace kvdb::shard

#endif
