// SPDX-License-Identifier: BSL-1.0
// Stores that are planned one after another, each seeing those before it, and then become one redo program.
#ifndef KVDB_EXTENTS_WORD_EDITS_HPP
#define KVDB_EXTENTS_WORD_EDITS_HPP

#include "base/racing.hpp"
#include "extents/redo.hpp"

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace kvdb::extents {

class word_edits {
public:
    explicit word_edits(io::memory& memory) noexcept : memory_(memory) {}

    [[nodiscard]] std::uint64_t get_at(std::uint64_t offset) const noexcept
    {
        for (std::size_t i = 0; i < count_; ++i) {
            if (edits_[i].offset == offset) {
                return edits_[i].value;
            }
        }
        return load_unwatched(memory_.at<std::uint64_t>(offset));  // perhaps of a neighbour that is in use
    }
    void set_at(std::uint64_t offset, std::uint64_t value) noexcept
    {
        for (std::size_t i = 0; i < count_; ++i) {
            if (edits_[i].offset == offset) {
                edits_[i].value = value;
                return;
            }
        }
        assert(count_ < edits_.size());
        edits_[count_++] = {offset, value};
    }
    [[nodiscard]] std::uint64_t get(const std::uint64_t& word) const noexcept
    {
        return get_at(memory_.offset_of(&word));
    }
    void set(const std::uint64_t& word, std::uint64_t value) noexcept { set_at(memory_.offset_of(&word), value); }
    void add(const std::uint64_t& word, std::uint64_t difference) noexcept { set(word, get(word) + difference); }

    /// Zeroes words in a row, behind all stores.
    void clear(std::uint64_t offset, std::uint64_t count) noexcept { cleared_ = {offset, count}; }

    /// A word that others raise as well: by one, behind all stores.
    void raise_last(const std::uint64_t& word) noexcept { raised_ = memory_.offset_of(&word); }

    template <std::size_t Words>
    void run(format::intent<Words>& target, const program_points& points) noexcept
    {
        redo_program<Words> program(memory_, target);
        for (std::size_t i = 0; i < count_; ++i) {
            program.store(edits_[i].offset, edits_[i].value);
        }
        if (cleared_.value != 0) {
            program.fill(cleared_.offset, 0, cleared_.value);
        }
        if (raised_ != 0) {
            program.bump(raised_);
        }
        program.run(points);
    }

private:
    struct edit {
        std::uint64_t offset;
        std::uint64_t value;
    };

    io::memory& memory_;
    std::array<edit, 23> edits_;
    std::size_t count_ = 0;
    edit cleared_{};  // from where on, how many
    std::uint64_t raised_ = 0;
};

}  // namespace kvdb::extents

#endif
