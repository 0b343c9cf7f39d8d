// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_APP_OUTPUT_HPP
#define KVDB_APP_OUTPUT_HPP

#include <filesystem>
#include <string>
#include <string_view>

namespace kvdb::app {

/// Data on its way to standard output or a file, buffered. Throws output_closed when the reader of a pipe has gone
/// and file_failure for everything else. What was not flushed when the object dies is dropped: call finish().
class output {
public:
    output() = default;  ///< standard output
    /// Creates or truncates the file. "-" is standard output.
    explicit output(const std::filesystem::path& path);
    output(const output&) = delete;
    output& operator=(const output&) = delete;
    ~output();

    void write(std::string_view bytes);
    void flush();
    /// Flushes, and closes a file. An error that the file system tells only now is thrown.
    void finish();

private:
    [[noreturn]] void fail(int reason) const;
    void put(std::string_view bytes);

    std::string name_ = "standard output";
    int descriptor_ = 1;
    std::string buffer_;
};

}  // namespace kvdb::app

#endif
