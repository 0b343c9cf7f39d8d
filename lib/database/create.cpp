// SPDX-License-Identifier: BSL-1.0
#include "database/session.hpp"
#include "extents/segment_algorithm.hpp"
#include "io/crash_point.hpp"

#include <boost/interprocess/managed_external_buffer.hpp>

#include <cstring>

namespace kvdb {

bool create_database(const std::filesystem::path& path, const options& how)
{
    using namespace boost::interprocess;
    using managed = basic_managed_external_buffer<char, extents::segment_algorithm, extents::segment_index>;

    const extents::creation wanted{how.shard_count, how.max_handles};
    const std::uint64_t size = extents::fixed_size(wanted);
    io::file made = io::file::create_for(path);
    crash_point("create.opened");
    made.allocate(0, size);
    crash_point("create.allocated");
    {
        io::memory memory(made, io::mapping_kind::shared, size);
        // Boost lays out its segment manager behind the superblock, as it would in a managed mapped file.
        const managed segment(create_only, memory.base() + format::superblock_offset,
                              size - format::superblock_offset);
        extents::initialise(memory.base(), size, wanted);
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
