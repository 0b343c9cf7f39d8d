// SPDX-License-Identifier: BSL-1.0
#include "database/session.hpp"
#include "extents/segment_algorithm.hpp"
#include "io/crash_point.hpp"

#include <cstring>

namespace kvdb {

bool create_database(const std::filesystem::path& path, const options& how)
{
    const extents::creation wanted{how.shard_count, how.max_handles};
    const std::uint64_t size = extents::fixed_size(wanted);
    io::file made = io::file::create_for(path);
    crash_point("create.opened");
    made.allocate(0, size);
    crash_point("create.allocated");
    {
        io::memory memory(made, io::mapping_kind::shared, size);
        extents::make_segment(memory.base(), size, wanted);
        crash_point("create.initialised");
        std::memcpy(memory.base(), &format::boost_initialised, sizeof format::boost_initialised);
    }
    made.sync();
    crash_point("create.synced");
    if (!io::link_into_place(made, path)) {
        return false;
    }
    crash_point("create.linked");
    io::sync_folder_of(path);
    return true;
}

}  // namespace kvdb
