// SPDX-License-Identifier: BSL-1.0
#include "line_reader.hpp"

#include "encoding.hpp"
#include "failure.hpp"
#include "interrupt.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kvdb::app {
namespace {
constexpr std::size_t block = 256 * 1024;
}

line_reader::line_reader(const std::filesystem::path& path)
{
    if (path != "-") {
        name_ = escaped(path.native());
        descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (descriptor_ < 0) {
            fail("cannot open", errno);
        }
    }
    struct stat status = {};
    if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) {
        total_ = static_cast<std::uint64_t>(status.st_size);
    }
}

line_reader::~line_reader()
{
    if (descriptor_ > 0) {
        ::close(descriptor_);
    }
}

bool line_reader::next(std::string_view& line)
{
    for (;;) {
        const std::size_t newline = buffer_.find('\n', scanned_);
        if (newline != std::string::npos) {
            line = std::string_view(buffer_).substr(begin_, newline - begin_);
            begin_ = scanned_ = newline + 1;
            break;
        }
        buffer_.erase(0, begin_);
        begin_ = 0;
        scanned_ = buffer_.size();
        if (fill()) {
            continue;
        }
        if (buffer_.empty() || interrupt_guard::requested()) {
            return false;
        }
        line = buffer_;
        begin_ = scanned_ = buffer_.size();
        break;
    }
    ++lines_;
    return true;
}

bool line_reader::rest(std::string& bytes, std::uint64_t limit)
{
    buffer_.erase(0, begin_);
    begin_ = scanned_ = 0;
    while (buffer_.size() <= limit) {
        if (!fill()) {
            bytes = std::move(buffer_);
            buffer_.clear();
            return !interrupt_guard::requested();
        }
    }
    return false;
}

bool line_reader::fill()
{
    const std::size_t held = buffer_.size();
    buffer_.resize(held + block);
    ssize_t got = 0;
    do {
        if (!interrupt_guard::wait_readable(descriptor_)) {
            got = 0;
            break;
        }
        got = ::read(descriptor_, buffer_.data() + held, block);
    } while (got < 0 && (errno == EINTR || errno == EAGAIN));
    const int reason = errno;
    buffer_.resize(held + static_cast<std::size_t>(got < 0 ? 0 : got));
    if (got < 0) {
        fail("cannot read", reason);
    }
    bytes_ += static_cast<std::uint64_t>(got);
    return got > 0;
}

void line_reader::fail(const char* what, int reason) const
{
    throw file_failure(std::string(what) + " '" + name_ + "': " + std::generic_category().message(reason));
}

}  // namespace kvdb::app
