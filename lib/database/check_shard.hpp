// SPDX-License-Identifier: BSL-1.0
// Checks of one shard: its log by itself, its index against the log. Numbers Cn are those of format-spec/format.md.
#ifndef KVDB_DATABASE_CHECK_SHARD_HPP
#define KVDB_DATABASE_CHECK_SHARD_HPP

#include "log/walk.hpp"
#include "shard/context.hpp"

#include <kvdb/stats.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace kvdb {

class shard_check {
public:
    /// `extents` are all of the file's; `judge_index` is false where the volatile bytes are not to be trusted.
    shard_check(const shard::context& all, const io::file& data, std::uint32_t shard,
                const std::vector<log::found_extent>& extents, bool judge_index, bool checksums);

    void run(const std::function<void(std::uint64_t)>& progress);

    [[nodiscard]] const std::vector<check_fault>& faults() const noexcept { return faults_; }
    [[nodiscard]] std::uint64_t records() const noexcept { return records_.size(); }
    [[nodiscard]] std::uint64_t entries() const noexcept { return live_.size(); }
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::uint64_t extent_count() const noexcept { return extent_count_; }

private:
    struct record {
        std::uint64_t hash;
        std::uint64_t sequence;
        std::uint64_t offset;
        std::uint64_t size;
        std::uint64_t key_at;
        std::uint32_t key_length;
        std::uint32_t value_length;
        format::record_kind kind;
    };

    void fault(std::uint64_t offset, std::string what) { faults_.push_back({offset, std::move(what)}); }
    [[nodiscard]] std::vector<std::uint64_t> staged_runs() const;
    void sort_out_limbo();
    [[nodiscard]] std::uint64_t standing(const record& like) const;
    void walk_log(const std::function<void(std::uint64_t)>& progress);
    [[nodiscard]] bool being_written(const log::found_extent& extent) const;
    void judge_end(const log::found_extent& extent, const log::walk_end& end);
    void judge_current_extent();
    void find_winners();
    void judge_equal_values(const record& one, const record& other);
    void judge_index();
    void judge_segment(std::uint64_t offset, std::uint64_t prefix, std::uint32_t depth);
    void judge_chain(const format::segment& segment, std::uint64_t prefix, std::uint32_t depth);
    void judge_slot(const std::uint64_t& slot, std::uint64_t word, const format::segment& segment,
                    std::uint32_t bucket, std::uint64_t prefix, std::uint32_t depth);
    void judge_overlaps();
    void judge_counters();
    void judge_space_to_come();
    void judge_lists();
    void judge_wear(const std::vector<std::uint64_t>& filled);
    [[nodiscard]] std::vector<std::uint64_t> list_from(const std::uint64_t& word);
    [[nodiscard]] bool without_checksum(std::uint64_t at) const;
    [[nodiscard]] bool is_structure(std::uint64_t begin, std::uint64_t end) const noexcept;
    [[nodiscard]] bool in_index_extent(std::uint64_t offset, std::uint64_t bytes) const noexcept;
    [[nodiscard]] std::string_view key_of(const record& of) const noexcept;
    [[nodiscard]] const format::shard_block& block() const noexcept { return all_.block(shard_); }
    [[nodiscard]] std::uint64_t block_offset() const noexcept { return all_.memory.offset_of(&block()); }

    const shard::context& all_;
    const io::file& data_;
    const std::uint32_t shard_;
    const bool judge_index_;
    const bool checksums_;
    std::vector<log::found_extent> log_extents_;  // but those in limbo
    std::vector<log::found_extent> index_extents_;
    std::vector<log::found_extent> limbo_;
    std::vector<std::uint64_t> record_bytes_;  // of each of log_extents_
    std::vector<record> records_;
    std::vector<record> live_;                                         // winners that are values, by offset
    std::vector<std::uint64_t> pointed_at_;                            // record offsets of all slots in use
    std::vector<std::pair<std::uint64_t, std::uint64_t>> structures_;  // begin and end of each part of the index
    std::vector<check_fault> faults_;
    std::uint64_t live_bytes_ = 0;
    std::uint64_t all_bytes_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t extent_count_ = 0;
    std::uint64_t segments_ = 0;
};

}  // namespace kvdb

#endif
