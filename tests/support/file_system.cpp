// SPDX-License-Identifier: BSL-1.0
#include "support/file_system.hpp"

#include <sched.h>
#include <sys/mount.h>

#include <boost/test/unit_test.hpp>

#include <string>

#include "support/child.hpp"

namespace kvdb::testing {

int in_small_file_system(const std::filesystem::path& folder, std::uint64_t bytes, const std::function<int()>& work)
{
    return in_child([&] {
        const std::string size = "size=" + std::to_string(bytes);
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("tmpfs", folder.c_str(), "tmpfs", 0, size.c_str()) != 0) {
            return skipped;
        }
        return work();
    });
}

void expect_done(int status)
{
    if (status == skipped) {
        BOOST_TEST_MESSAGE("skipped: not permitted here");
    } else {
        BOOST_TEST(status == 0);
    }
}

}  // namespace kvdb::testing
