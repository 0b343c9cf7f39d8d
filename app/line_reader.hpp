// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_APP_LINE_READER_HPP
#define KVDB_APP_LINE_READER_HPP

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace kvdb::app {

/// A file or standard input, in pieces, holding no more than one line or block in memory. Waits can be ended by
/// SIGINT. Throws file_failure.
class line_reader {
public:
    /// "-" is standard input.
    explicit line_reader(const std::filesystem::path& path);
    line_reader(const line_reader&) = delete;
    line_reader& operator=(const line_reader&) = delete;
    ~line_reader();

    /// The next line without its newline; the last one need not have one. Valid until the next call. False at the end
    /// and when SIGINT came.
    [[nodiscard]] bool next(std::string_view& line);
    /// All that is left. False if that is more than `limit` bytes, or when SIGINT came.
    [[nodiscard]] bool rest(std::string& bytes, std::uint64_t limit);

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] std::uint64_t lines() const noexcept { return lines_; }  ///< handed out so far
    [[nodiscard]] std::uint64_t bytes_read() const noexcept { return bytes_; }
    [[nodiscard]] std::uint64_t total_bytes() const noexcept { return total_; }  ///< 0 = not known

private:
    /// Appends what one read gives to the buffer. False at the end and when SIGINT came.
    bool fill();
    [[noreturn]] void fail(const char* what, int reason) const;

    std::string name_ = "<stdin>";
    int descriptor_ = 0;
    std::uint64_t total_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t lines_ = 0;
    std::string buffer_;
    std::size_t begin_ = 0;    // of what was not handed out
    std::size_t scanned_ = 0;  // no newline between begin_ and here
};

}  // namespace kvdb::app

#endif
