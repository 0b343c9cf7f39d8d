// SPDX-License-Identifier: BSL-1.0
// Values in extents of their own: filled without a lock, published like any other.
#include "shard/writer.hpp"

#include "base/hash.hpp"
#include "base/seeded_fault.hpp"
#include "extents/redo.hpp"
#include "shard/cleaner.hpp"

#include <cstring>

namespace kvdb::shard {
namespace {

constexpr extents::program_points large_points{"set-large.armed", "set-large.step", "set-large.disarmed"};

using program = extents::shard_program;

/// A staged run is given back if its record was not published.
class staged_run {
public:
    staged_run(const context& all, std::uint32_t shard, std::uint64_t units, std::uint32_t index)
        : all_(all), index_(index), offset_(all.allocator.stage(shard, units, index))
    {
    }
    staged_run(const staged_run&) = delete;
    staged_run& operator=(const staged_run&) = delete;
    ~staged_run()
    {
        if (!published_) {
            try {
                all_.allocator.unstage(all_.who.self->slot(), index_);
            } catch (const error&) {
                // The slot's word still names the run: whoever claims the slot next gives it back.
            }
        }
    }
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    [[nodiscard]] std::uint64_t word_offset() const noexcept
    {
        return all_.memory.offset_of(&all_.memory.attachment(all_.who.self->slot()).staged[index_]);
    }
    void published() noexcept { published_ = true; }

private:
    const context& all_;
    std::uint32_t index_;
    std::uint64_t offset_;
    bool published_ = false;
};

}  // namespace

void writer::set_large(std::uint64_t hash, std::string_view key, std::string_view value, std::uint32_t staged_index)
{
    // Always with a wide sequence number and a victim field, so that the body's place does not depend on what is
    // found later under the lock.
    constexpr std::uint16_t meta = format::meta_supersedes | format::meta_wide_sequence;
    constexpr std::uint64_t body_at = format::key_start(meta);
    const std::uint64_t size = format::record_size(meta, key.size(), value.size());
    const std::uint64_t units = (format::extent_header_size + size + format::unit_size - 1) / format::unit_size;
    staged_run run(all_, shard_, units, staged_index);
    const std::uint64_t offset = run.offset() + format::extent_header_size;
    const std::uint64_t nonce = all_.memory.at<format::extent_header>(run.offset()).nonce;
    std::byte* at = all_.memory.base() + offset;
    std::memcpy(at + body_at, key.data(), key.size());
    std::memcpy(at + body_at + key.size(), value.data(), value.size());
    const std::uint64_t body_hash = hash_bytes(at + body_at, key.size() + value.size(), nonce);
    crash_point("set-large.filled");

    locked_shard lock(all_, shard_);
    target where;
    do {
        locate(hash, key, where);
    } while (!where.replaces && make_slot(lock, hash, where) == progress::look_again);
    log::record_fields fields = fields_for(format::record_kind::value, where, 0);
    fields.supersedes = true;  // a zero victim is none
    fields.wide = true;
    log::write_head(at, offset, run.offset(), 0, fields, key.size(), value.size());
    std::memset(at + body_at + key.size() + value.size(), 0, size - body_at - key.size() - value.size());
    // The record becomes one by the program alone, which stores its first word: a dead writer's, finished and not
    // armed, must not come alive later.
    const std::uint32_t checksum = format::large_checksum({at, body_at}, body_hash, nonce, offset);
    std::uint64_t first_word = 0;
    std::memcpy(&first_word, at, sizeof first_word);
    first_word |= checksum;  // the field is the word's low half, and zero so far
    store_release(all_.memory.at<std::uint64_t>(offset), std::uint64_t{0});
    crash_point("set-large.record-written");

    format::shard_block& mine = block();
    auto& header = all_.memory.at<format::extent_header>(run.offset());
    store_relaxed(header.wear,
                  format::make_wear(load_acquire(all_.memory.superblock().locks.checkpoints_started), 0));
    if (durable_) {
        promise();
    }
    program steps(all_.memory, mine.intent);
    steps.store(offset, first_word);
    // Not in the shard's log extent: a commit or checkpoint has to flush more than that. Behind the word that makes
    // the record one, so that no flush can be taken for having covered it, and before the set is visible.
    const auto& commits = all_.memory.superblock().commits;
    if (!seeded_fault("large-not-registered")) {
        steps.bump(offset_of(durable_ ? commits.whole_wanted : commits.behind));
    }
    if (where.mark_offset != 0) {
        steps.store(where.mark_offset,
                    load_relaxed(all_.memory.at<std::uint64_t>(where.mark_offset)) | format::slot_mark);
    }
    steps.store(where.slot_offset, format::make_slot(offset, format::tag_of(hash)) | where.flags);
    const std::uint64_t gone = where.replaces ? where.old.size : 0;
    steps.store(offset_of(mine.live_bytes), mine.live_bytes + size - gone);
    if (where.replaces) {
        steps.store(offset_of(mine.dead_bytes), mine.dead_bytes + gone);
        bury(steps, where.old, 0);
    } else {
        steps.store(offset_of(mine.entries), mine.entries + 1);
    }
    steps.store(run.word_offset(), 0);
    run.published();
    steps.run(large_points);
    cleaner work(*this, lock);
    wants_release_ = work.keep_up(size);
}

}  // namespace kvdb::shard
