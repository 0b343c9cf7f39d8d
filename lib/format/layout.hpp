// SPDX-License-Identifier: BSL-1.0
// What every on-disk struct must prove below its definition.
#ifndef KVDB_FORMAT_LAYOUT_HPP
#define KVDB_FORMAT_LAYOUT_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace kvdb::format {

template <class Struct, std::size_t Size>
inline constexpr bool on_disk =
    sizeof(Struct) == Size&& std::is_standard_layout_v<Struct>&& std::is_trivially_copyable_v<
                          Struct>&& std::has_unique_object_representations_v<Struct>;

}  // namespace kvdb::format

#endif
