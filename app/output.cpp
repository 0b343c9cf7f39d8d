// SPDX-License-Identifier: BSL-1.0
#include "output.hpp"

#include "encoding.hpp"
#include "failure.hpp"

#include <cerrno>
#include <cstddef>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace kvdb::app {
namespace {
constexpr std::size_t buffer_size = 64 * 1024;
constexpr int standard_output = 1;
}  // namespace

output::output(const std::filesystem::path& path)
{
    if (path == "-") {
        return;
    }
    name_ = "'" + escaped(path.native()) + "'";
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (descriptor_ < 0) {
        fail(errno);
    }
}

output::~output()
{
    if (descriptor_ > standard_output) {
        ::close(descriptor_);
    }
}

void output::write(std::string_view bytes)
{
    if (bytes.size() >= buffer_size) {
        flush();
        put(bytes);
        return;
    }
    buffer_ += bytes;
    if (buffer_.size() >= buffer_size) {
        flush();
    }
}

void output::flush()
{
    put(buffer_);
    buffer_.clear();
}

void output::finish()
{
    flush();
    if (descriptor_ > standard_output) {
        const int closing = descriptor_;
        descriptor_ = -1;
        if (::close(closing) != 0) {
            fail(errno);
        }
    }
}

void output::put(std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
        if (written >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno != EINTR) {
            fail(errno);
        }
    }
}

void output::fail(int reason) const
{
    if (reason == EPIPE) {
        throw output_closed();
    }
    throw file_failure("cannot write to " + name_ + ": " + std::generic_category().message(reason));
}

}  // namespace kvdb::app
