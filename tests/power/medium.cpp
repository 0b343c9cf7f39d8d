// SPDX-License-Identifier: BSL-1.0
#include "power/medium.hpp"

#include "support/scratch.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace kvdb::testing {
namespace {

constexpr std::size_t page = 4096;

medium* followed = nullptr;

std::string bytes_of(int descriptor)
{
    struct stat status {};
    ::fstat(descriptor, &status);
    std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::pread(descriptor, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
        if (got <= 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    return bytes;
}

}  // namespace

medium::medium(std::filesystem::path file, std::string durable)
    : file_(std::move(file)), durable_(std::move(durable)), outer_(std::exchange(followed, this))
{
    io::test_flush_hook = on_flush;
}

medium::~medium()
{
    followed = outer_;
    if (followed == nullptr) {
        io::test_flush_hook = nullptr;
    }
}

bool medium::on_flush(int descriptor, std::span<const io::byte_range> ranges)
{
    medium& self = *followed;
    struct stat named {};
    struct stat opened {};
    if (::stat(self.file_.c_str(), &named) == 0 && ::fstat(descriptor, &opened) == 0 &&
        named.st_ino != opened.st_ino) {
        return true;  // another file
    }
    if (self.failing_) {
        return false;
    }
    ++self.flushes_;
    std::string now = bytes_of(descriptor);
    if (ranges.empty()) {
        for (std::string& look : self.looks_) {
            look.clear();  // nothing older can come after it
        }
        self.durable_ = std::move(now);
        return true;
    }
    self.durable_.resize(now.size());
    for (const io::byte_range& each : ranges) {
        const std::size_t begin = each.begin / page * page;
        const std::size_t end = std::min<std::size_t>((each.end + page - 1) / page * page, now.size());
        self.durable_.replace(begin, end - begin, now, begin, end - begin);
        for (std::string& look : self.looks_) {
            if (look.size() >= end) {
                look.replace(begin, end - begin, now, begin, end - begin);
            } else {
                look.clear();
            }
        }
    }
    return true;
}

std::string medium::live() const
{
    return std::filesystem::exists(file_) ? read_bytes(file_) : std::string();
}

void medium::look()
{
    looks_[next_look_++ % std::size(looks_)] = live();
}

std::string medium::image(chance& source)
{
    const std::string now = live();
    std::string made = durable_;
    if (source.below(2) == 0 && now.size() > made.size()) {
        made.resize(now.size());
    }
    const std::size_t tables = source.below(4) == 0 ? 4 * page : 0;  // which overtook everything else
    const std::uint64_t kept = 1 + source.below(9);                  // of ten pages, so many stay as they were
    for (std::size_t at = 0; at < made.size(); at += page) {
        const std::size_t size = std::min(page, made.size() - at);
        const auto piece_of = [&](const std::string& state, std::size_t from, std::size_t length) {
            return from + length <= state.size() ? state.substr(from, length) : made.substr(from, length);
        };
        const auto any_state = [&](std::size_t from, std::size_t length) {
            const std::uint64_t which = source.below(6);
            return piece_of(which < std::size(looks_) ? looks_[which] : now, from, length);
        };
        if (at < tables) {
            made.replace(at, size, piece_of(now, at, size));
            continue;
        }
        if (source.below(10) < kept || piece_of(now, at, size) == made.substr(at, size)) {
            continue;
        }
        const std::uint64_t how = source.below(8);
        const std::size_t grain = how == 0 ? 8 : how == 1 ? 512 : size;
        for (std::size_t from = at; from < at + size; from += grain) {
            const std::size_t length = std::min(grain, at + size - from);
            if (grain == size || source.below(2) == 0) {
                made.replace(from, length, any_state(from, length));
            }
        }
    }
    return made;
}

}  // namespace kvdb::testing
