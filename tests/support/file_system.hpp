// SPDX-License-Identifier: BSL-1.0
// Tests over a file system of their own, where that is permitted.
#ifndef KVDB_TESTS_SUPPORT_FILE_SYSTEM_HPP
#define KVDB_TESTS_SUPPORT_FILE_SYSTEM_HPP

#include <cstdint>
#include <filesystem>
#include <functional>

namespace kvdb::testing {

/// Runs `work` over a file system of that many bytes at `folder`, in a process and mount namespace of its own.
/// Returns its status, or `skipped` where that is not permitted.
int in_small_file_system(const std::filesystem::path& folder, std::uint64_t bytes, const std::function<int()>& work);

/// Status 0, or a message that the test could not be done here.
void expect_done(int status);

}  // namespace kvdb::testing

#endif
