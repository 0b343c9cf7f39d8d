// SPDX-License-Identifier: BSL-1.0
#include "index/segment_builder.hpp"

#include "base/atomic.hpp"
#include "index/placement.hpp"

namespace kvdb::index {
namespace {

constexpr std::uint64_t slots_per_block = 7;

void copy_words(io::memory& memory, std::uint64_t offset, const void* source, std::size_t bytes)
{
    const auto* words = static_cast<const std::uint64_t*>(source);
    for (std::size_t i = 0; i < bytes / 8; ++i) {
        store_relaxed(memory.at<std::uint64_t>(offset + 8 * i), words[i]);
    }
}

}  // namespace

void segment_builder::insert(std::uint32_t home, std::uint64_t tag, std::uint64_t record_offset)
{
    const std::uint64_t entry = format::make_slot(record_offset, tag);
    for (;;) {
        const placement where = plan(segment_, home, tag);
        if (where.what == placement::kind::full) {
            segment_.buckets[home].slots[format::overflow_mark_slot] |= format::slot_mark;
            overflow_.push_back(entry);
            return;
        }
        if (where.marks_home) {
            segment_.buckets[where.home].slots[format::displaced_mark_slot] |= format::slot_mark;
        }
        std::uint64_t& at = segment_.buckets[where.at.bucket].slots[where.at.slot];
        const std::uint64_t flag = where.displaced ? format::slot_displaced : 0;
        if (where.what == placement::kind::place) {
            at = (at & format::slot_mark) | entry | flag;
            return;
        }
        std::uint64_t& to = segment_.buckets[where.to.bucket].slots[where.to.slot];
        to = (to & format::slot_mark) | (at & ~(format::slot_mark | format::slot_displaced)) | flag;
        at &= format::slot_mark;
    }
}

std::uint64_t segment_builder::overflow_bytes() const noexcept
{
    return (overflow_.size() + slots_per_block - 1) / slots_per_block * sizeof(format::overflow_block);
}

void segment_builder::write(io::memory& memory, std::uint64_t segment_offset, std::uint64_t overflow_offset)
{
    std::uint64_t link = 0;
    std::uint64_t ordinal = 0;
    for (std::size_t i = 0; i < overflow_.size(); i += slots_per_block) {
        format::overflow_block block{};
        for (std::size_t k = 0; k < slots_per_block && i + k < overflow_.size(); ++k) {
            block.slots[k] = overflow_[i + k];
        }
        block.next = link;
        copy_words(memory, overflow_offset, &block, sizeof block);
        ++ordinal;
        link = (ordinal << format::ordinal_shift) | (overflow_offset >> 6);
        overflow_offset += sizeof block;
    }
    segment_.overflow = link;
    copy_words(memory, segment_offset, &segment_, sizeof segment_);
}

}  // namespace kvdb::index
