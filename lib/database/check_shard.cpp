// SPDX-License-Identifier: BSL-1.0
#include "database/check_shard.hpp"

#include "base/hash.hpp"
#include "shard/reader.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

namespace kvdb {

shard_check::shard_check(const shard::context& all, const io::file& data, std::uint32_t shard,
                         const std::vector<log::found_extent>& extents, bool judge_index, bool checksums)
    : all_(all), data_(data), shard_(shard), judge_index_(judge_index), checksums_(checksums)
{
    const std::vector<std::uint64_t> staged = judge_index ? staged_runs() : std::vector<std::uint64_t>{};
    for (const log::found_extent& extent : extents) {
        const bool unpublished = std::find(staged.begin(), staged.end(), extent.offset) != staged.end();
        if (extent.header.shard == shard && !unpublished && extent.kind() != format::extent_kind::journal) {
            ++extent_count_;
            (extent.kind() == format::extent_kind::index ? index_extents_ : log_extents_).push_back(extent);
        }
    }
    if (judge_index_) {
        sort_out_limbo();
    }
}

/// What is in limbo holds nothing that counts; a copy of each live record that was there is elsewhere.
void shard_check::sort_out_limbo()
{
    std::uint64_t most = log_extents_.size() + index_extents_.size();
    for (const std::uint64_t& list : {std::cref(block().limbo), std::cref(block().releasing)}) {
        for (std::uint64_t at = load_acquire(list); at != 0 && most != 0; --most) {
            for (auto* const extents : {&log_extents_, &index_extents_}) {
                const auto found = std::find_if(extents->begin(), extents->end(),
                                                [&](const log::found_extent& each) { return each.offset == at; });
                if (found != extents->end()) {
                    limbo_.push_back(*found);
                    extents->erase(found);
                    break;
                }
            }
            if (at % format::unit_size != 0 || !all_.in_extents(at, format::extent_header_size)) {
                break;
            }
            at = format::next_of(load_relaxed(all_.memory.at<format::extent_header>(at).link));
        }
    }
}

/// Runs that are being filled with large values: no part of the log yet.
std::vector<std::uint64_t> shard_check::staged_runs() const
{
    const format::identity_block& id = all_.memory.superblock().identity;
    std::vector<std::uint64_t> offsets;
    if (load_relaxed(all_.memory.superblock().state.clean) == 1) {
        return offsets;  // what stands in the table then means nothing
    }
    for (std::uint32_t i = 0; i < id.attachment_count; ++i) {
        const auto& slot = all_.memory.attachment(i);
        for (const std::uint64_t& word : slot.staged) {
            if (load_relaxed(word) != 0) {
                offsets.push_back(extents::allocator::offset_of(load_relaxed(word)));
            }
        }
    }
    return offsets;
}

std::string_view shard_check::key_of(const record& of) const noexcept
{
    return {reinterpret_cast<const char*>(all_.memory.base()) + of.key_at, of.key_length};
}

void shard_check::run(const std::function<void(std::uint64_t)>& progress)
{
    walk_log(progress);
    find_winners();
    if (judge_index_) {
        judge_current_extent();
        judge_index();
        judge_counters();
        judge_lists();
    }
}

void shard_check::walk_log(const std::function<void(std::uint64_t)>& progress)
{
    log::record_walker walker(data_, checksums_);
    const std::uint64_t next = load_acquire(block().next_sequence);
    for (const log::found_extent& extent : log_extents_) {
        record_bytes_.push_back(0);
        const bool unsettled = judge_index_ && being_written(extent);
        const std::uint64_t tail = load_relaxed(block().log_tail);
        const log::walk_end end = walker.walk(extent, [&](const log::parsed_record& found) {
            if (unsettled && found.offset >= tail) {
                return;  // nobody's: the next locker puts an end mark over it
            }
            const std::uint64_t hash = hash_key(found.key, all_.seed);
            if (format::shard_of(hash, all_.shard_bits) != shard_) {
                fault(found.offset, "C12: the record's key belongs to shard " +
                                        std::to_string(format::shard_of(hash, all_.shard_bits)) + ", not " +
                                        std::to_string(shard_));
                return;
            }
            if (judge_index_ && found.sequence >= next) {
                fault(found.offset, "C17: sequence number " + std::to_string(found.sequence) +
                                        " is not below the shard's next, " + std::to_string(next));
            }
            records_.push_back({hash, found.sequence, found.offset, found.size, found.key_offset,
                                static_cast<std::uint32_t>(found.key.size()),
                                static_cast<std::uint32_t>(found.value_length), found.kind});
            all_bytes_ += found.size;
            record_bytes_.back() += found.size;
        });
        if (judge_index_) {
            judge_end(extent, end);
        }
        bytes_ += extent.bytes();
        if (progress) {
            progress(extent.bytes());
        }
    }
}

/// Behind the tail of a shard that somebody is writing to, or died writing to, a record may be there, half or whole.
bool shard_check::being_written(const log::found_extent& extent) const
{
    return extent.kind() == format::extent_kind::log && load_relaxed(block().log_extent) == extent.offset &&
           load_relaxed(block().lock) != 0;
}

void shard_check::judge_end(const log::found_extent& extent, const log::walk_end& end)
{
    using reason = log::walk_end::reason;
    if (being_written(extent) && end.offset >= load_relaxed(block().log_tail)) {
        return;
    }
    if (extent.kind() == format::extent_kind::log && load_relaxed(block().log_extent) == extent.offset &&
        load_relaxed(block().log_tail) != end.offset) {
        fault(end.offset,
              "C16: the records end here, but log_tail is " + std::to_string(load_relaxed(block().log_tail)));
        return;
    }
    if (end.why == reason::end_mark || end.why == reason::full) {
        return;
    }
    if (extent.kind() == format::extent_kind::large) {
        fault(end.offset, "C15: the large record here is not whole");
        return;
    }
    const format::shard_block& mine = block();
    const bool current = load_relaxed(mine.log_extent) == extent.offset;
    const std::uint64_t incoming = load_relaxed(mine.incoming_log);
    const bool handed_over = incoming != load_relaxed(mine.accepted_log) &&
                             extents::allocator::offset_of(incoming) == extent.offset &&
                             end.offset == extent.offset + format::extent_header_size;
    if (end.why == reason::blank && (current || handed_over)) {
        return;
    }
    fault(end.offset, end.why == reason::blank ? "C15: the log ends here, without an end mark"
                                               : "C15: no valid record begins here, nor does the log end");
}

void shard_check::judge_current_extent()
{
    const format::shard_block& mine = block();
    const std::uint64_t at = load_relaxed(mine.log_extent);
    if (at == 0) {
        return;
    }
    const auto same = [&](const log::found_extent& extent) {
        return extent.offset == at && extent.kind() == format::extent_kind::log;
    };
    const auto found = std::find_if(log_extents_.begin(), log_extents_.end(), same);
    if (found == log_extents_.end()) {
        fault(block_offset() + offsetof(format::shard_block, log_extent),
              "C16: log_extent " + std::to_string(at) + " is not a log extent of this shard");
    } else if (load_relaxed(mine.log_end) != found->end() ||
               load_relaxed(mine.base_sequence) != found->header.base_sequence ||
               load_relaxed(mine.nonce) != found->header.nonce) {
        fault(block_offset() + offsetof(format::shard_block, log_end),
              "C16: log_end, base_sequence or nonce differ from the extent's header at " + std::to_string(at));
    }
}

/// Sorts the records so that those of one key stand together, the winner first.
void shard_check::find_winners()
{
    std::sort(records_.begin(), records_.end(), [&](const record& a, const record& b) {
        if (a.hash != b.hash) {
            return a.hash < b.hash;
        }
        const int order = key_of(a).compare(key_of(b));
        if (order != 0) {
            return order < 0;
        }
        return a.sequence != b.sequence ? a.sequence > b.sequence : a.kind < b.kind;
    });
    const record* before = nullptr;
    for (const record& each : records_) {
        const bool same_key = before != nullptr && before->hash == each.hash && key_of(*before) == key_of(each);
        if (!same_key && each.kind == format::record_kind::value) {
            live_.push_back(each);
            live_bytes_ += each.size;
        }
        if (same_key && before->sequence == each.sequence && before->kind == each.kind &&
            each.kind == format::record_kind::value) {
            judge_equal_values(*before, each);
            // A record that is being moved, and its copy: the index says which counts.
            const bool top = !live_.empty() && live_.back().hash == each.hash &&
                             live_.back().sequence == each.sequence && key_of(live_.back()) == key_of(each);
            if (top && judge_index_ && standing(each) == each.offset) {
                live_bytes_ += each.size - live_.back().size;
                live_.back() = each;
            }
        }
        before = &each;
    }
    std::sort(live_.begin(), live_.end(), [](const record& a, const record& b) { return a.offset < b.offset; });
}

/// Where the index leads for the key of a record.
std::uint64_t shard_check::standing(const record& like) const
{
    shard::record_view view;
    const std::string_view key = key_of(like);
    const shard::key_matcher matches(all_.memory, key, view);
    index::found_slot where;
    const auto found = index::find(all_.memory, load_acquire(block().directory), like.hash, matches, where);
    return found == index::outcome::found ? view.offset : 0;
}

void shard_check::judge_equal_values(const record& one, const record& other)
{
    const std::byte* base = all_.memory.base();
    if (one.value_length != other.value_length ||
        std::memcmp(base + one.key_at + one.key_length, base + other.key_at + other.key_length, one.value_length) !=
            0) {
        fault(other.offset, "C13: the same key and sequence number as the record at offset " +
                                std::to_string(one.offset) + ", but another value");
    }
}

}  // namespace kvdb
