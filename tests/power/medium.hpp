// SPDX-License-Identifier: BSL-1.0
// The medium below a file: what of it was made durable, and what may stand there after the power failed.
#ifndef KVDB_TESTS_POWER_MEDIUM_HPP
#define KVDB_TESTS_POWER_MEDIUM_HPP

#include "io/flush_hook.hpp"
#include "support/values.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace kvdb::testing {

/// Follows the flushes of one file at a time, by the hook of the io layer. For one thread.
///
/// Model: a flush makes bytes durable, those of the ranges' pages or all, and the size with them. Of a page that
/// changed since, any state that it had at the moments looked at may have reached the medium, or a mixture of them by
/// sectors of 512 bytes or by words of 8. The size is the durable one or the newest.
class medium {
public:
    /// `durable` is what stands there already.
    explicit medium(std::filesystem::path file, std::string durable = {});
    medium(const medium&) = delete;
    medium& operator=(const medium&) = delete;
    ~medium();

    /// Remembers the file as it is now as a state that its pages had. The latest few are kept.
    void look();
    /// What stands on the medium if the power fails now.
    [[nodiscard]] std::string image(chance& source);

    /// What was flushed and nothing else.
    [[nodiscard]] const std::string& durable() const noexcept { return durable_; }
    [[nodiscard]] std::uint64_t flushes() const noexcept { return flushes_; }
    /// The next flushes fail.
    void fail(bool failing) noexcept { failing_ = failing; }

private:
    static bool on_flush(int descriptor, std::span<const io::byte_range> ranges);
    [[nodiscard]] std::string live() const;

    std::filesystem::path file_;
    std::string durable_;
    std::string looks_[3];
    std::size_t next_look_ = 0;
    std::uint64_t flushes_ = 0;
    bool failing_ = false;
    medium* outer_;
};

}  // namespace kvdb::testing

#endif
