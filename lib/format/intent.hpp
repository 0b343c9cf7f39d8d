// SPDX-License-Identifier: BSL-1.0
// The redo program: what a writer is about to do, written down so that whoever comes next can do it again.
//
//   word 0      armed: number of payload words that follow, 0 = nothing to redo
//   words 1..   instructions, executed in order; running a program twice is the same as running it once
//
//   store   [op 1 | target offset]  [value]            one 8-byte store
//   fill    [op 2 | target offset]  [value]  [count]   count equal 8-byte stores in a row
//   bump    [op 3 | target offset]                     one fetch-add; more of them do no harm
#ifndef KVDB_FORMAT_INTENT_HPP
#define KVDB_FORMAT_INTENT_HPP

#include "format/layout.hpp"

namespace kvdb::format {

enum class intent_op : std::uint8_t { store = 1, fill = 2, bump = 3 };

inline constexpr std::uint32_t intent_op_shift = 56;
inline constexpr std::uint64_t intent_offset_mask = (std::uint64_t{1} << intent_op_shift) - 1;

template <std::size_t Words>
struct intent {
    std::uint64_t armed;
    std::uint64_t payload[Words - 1];

    static constexpr std::size_t capacity = Words - 1;
};

using shard_intent = intent<18>;
using allocator_intent = intent<48>;

static_assert(on_disk<shard_intent, 144>);
static_assert(on_disk<allocator_intent, 384>);

}  // namespace kvdb::format

#endif
