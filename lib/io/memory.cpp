// SPDX-License-Identifier: BSL-1.0
#include "io/memory.hpp"

#include "base/seeded_fault.hpp"
#include "io/crash_point.hpp"

#include <boost/interprocess/detail/os_file_functions.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

namespace kvdb::io {
namespace {

constexpr std::uint64_t default_reservation = std::uint64_t{64} << 30;

/// What Boost's mapped_region asks of a mappable thing, over a descriptor that is open already: Boost's own
/// file_mapping would look the name up again.
class open_mapping {
public:
    explicit open_mapping(int descriptor) : descriptor_(descriptor) {}
    [[nodiscard]] boost::interprocess::mapping_handle_t get_mapping_handle() const
    {
        return boost::interprocess::ipcdetail::mapping_handle_from_file_handle(descriptor_);
    }

private:
    int descriptor_;
};

}  // namespace

/// Address space over a file; unmapped at the end of its life.
class memory::reservation {
public:
    reservation(const file& opened, mapping_kind kind, std::uint64_t file_size, std::uint64_t reserved)
        : kind_(kind), reserved_(reserved)
    {
        if (kind == mapping_kind::detached) {
            map_detached(opened, file_size);
            return;
        }
        const auto mode =
            kind == mapping_kind::shared ? boost::interprocess::read_write : boost::interprocess::read_only;
        region_ = boost::interprocess::mapped_region(open_mapping(opened.descriptor()), mode, 0, reserved);
        base_ = static_cast<std::byte*>(region_.get_address());
        static_cast<void>(::madvise(base_, reserved, MADV_HUGEPAGE));
    }
    reservation(const reservation&) = delete;
    reservation& operator=(const reservation&) = delete;
    ~reservation()
    {
        if (kind_ == mapping_kind::detached) {
            ::munmap(base_, reserved_);
        }
    }

    [[nodiscard]] std::byte* base() const noexcept { return base_; }
    [[nodiscard]] std::uint64_t reserved() const noexcept { return reserved_; }

    /// Detached memory alone: makes the first `size` bytes usable.
    void open_up_to(const file& opened, std::uint64_t size)
    {
        size = (size + 4095) / 4096 * 4096;
        if (kind_ == mapping_kind::detached && size > usable_) {
            if (::mprotect(base_ + usable_, size - usable_, PROT_READ | PROT_WRITE) != 0) {
                throw_errno(errno, "cannot get memory for a private index of", opened.path());
            }
            usable_ = size;
        }
    }

private:
    void map_detached(const file& opened, std::uint64_t file_size)
    {
        void* address = ::mmap(nullptr, reserved_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (address == MAP_FAILED) {
            throw_errno(errno, "cannot reserve address space for", opened.path());
        }
        base_ = static_cast<std::byte*>(address);
        usable_ = (file_size + 4095) / 4096 * 4096;
        if (::mmap(address, file_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                   opened.descriptor(), 0) == MAP_FAILED) {
            const int failure = errno;
            ::munmap(address, reserved_);
            throw_errno(failure, "cannot map", opened.path());
        }
    }

    mapping_kind kind_;
    std::uint64_t reserved_;
    std::uint64_t usable_ = 0;
    boost::interprocess::mapped_region region_;
    std::byte* base_ = nullptr;
};

memory::memory(const file& opened, mapping_kind kind, std::uint64_t size) : file_(opened), kind_(kind)
{
    const std::lock_guard guard(mutex_);
    reserve_for(size);
    known_size_.store(size, std::memory_order_release);
}

memory::~memory() = default;

void memory::reserve_for(std::uint64_t size)
{
    const std::uint64_t least = (size + 4095) / 4096 * 4096;
    for (std::uint64_t wanted = std::max(default_reservation, std::bit_ceil(size) * 2);; wanted /= 2) {
        try {
            const std::uint64_t reserved = std::max(wanted, least);
            reservations_.push_back(std::make_unique<reservation>(file_, kind_, file_.size(), reserved));
            // Between these stores an address of either mapping is looked up among all of them.
            reserved_.store(0, std::memory_order_release);
            base_.store(reservations_.back()->base(), std::memory_order_release);
            reserved_.store(reserved, std::memory_order_release);
            return;
        } catch (const boost::interprocess::interprocess_exception& failure) {
            if (wanted <= least) {
                throw error(errc::no_memory, "cannot map " + std::to_string(least) + " bytes of '" +
                                                 file_.path().string() + "': " + failure.what());
            }
        } catch (const error&) {
            if (wanted <= least) {
                throw;
            }
        }
    }
}

std::uint64_t memory::offset_in_older(const void* address) const noexcept
{
    const std::lock_guard guard(mutex_);
    const auto* wanted = static_cast<const std::byte*>(address);
    for (const auto& each : reservations_) {
        const auto distance = static_cast<std::uint64_t>(wanted - each->base());
        if (distance < each->reserved()) {
            return distance;
        }
    }
    return 0;  // not reached: every address comes from a mapping
}

void memory::grown_to(std::uint64_t size)
{
    const std::lock_guard guard(mutex_);
    if (size > reservations_.back()->reserved()) {
        if (kind_ == mapping_kind::detached) {
            throw error(errc::no_memory,
                        "the private index of '" + file_.path().string() + "' needs too much memory");
        }
        reserve_for(size);
    }
    reservations_.back()->open_up_to(file_, size);
    if (size > known_size_.load(std::memory_order_relaxed)) {
        known_size_.store(size, std::memory_order_release);
    }
}

namespace {

std::uint64_t page_size()
{
    static const auto size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return size;
}

}  // namespace

void merge_ranges(std::vector<byte_range>& ranges, std::uint64_t page)
{
    constexpr std::uint64_t longest = 2 * 1024 * 1024;
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
    std::size_t merged = 0;
    for (const byte_range& each : ranges) {
        if (merged != 0 && each.end <= ranges[merged - 1].begin + longest) {
            if (!seeded_fault("merged-range-cut-short")) {
                ranges[merged - 1].end = std::max(ranges[merged - 1].end, each.end);
            }
        } else {
            ranges[merged++] = {each.begin / page * page, each.end};
        }
    }
    ranges.resize(merged);
}

void memory::touch_all() const
{
    const std::uint64_t page = page_size();
    for (std::uint64_t at = 0; at + sizeof(std::uint64_t) <= known_size(); at += page) {
        // An exchange for the same value is a store for the processor; an idempotent `or` need not stay one.
        std::uint64_t same = load_relaxed(this->at<std::uint64_t>(at));
        std::atomic_ref<std::uint64_t> word(this->at<std::uint64_t>(at));
        while (!word.compare_exchange_weak(same, same, std::memory_order_relaxed)) {
        }
    }
}

void memory::sync_ranges(std::vector<byte_range>& ranges) const
{
    if (ranges.empty()) {
        return;
    }
    merge_ranges(ranges, page_size());
    if (ranges.size() > 1 && !file_.ranges_flush_together()) {
        file_.sync();
        return;
    }
    if (!flush_may_begin(file_.descriptor(), ranges)) {
        throw_errno(EIO, "cannot flush", file_.path());
    }
    // All of them under way at once. The last one's end is waited for by the flush.
    if (ranges.size() > 1) {
        for (const byte_range& each : ranges) {
            file_.begin_write_back(each.begin, each.end);
        }
        for (const byte_range& each : std::span(ranges).first(ranges.size() - 1)) {
            file_.finish_write_back(each.begin, each.end);
        }
    }
    crash_point("file.sync");
    // A range of its own is what msync has and fdatasync has not.
    const byte_range last = ranges.back();
    while (::msync(base() + last.begin, last.end - last.begin, MS_SYNC) != 0) {
        if (errno != EINTR) {
            throw_errno(errno, "cannot flush", file_.path());
        }
    }
}

bool memory::covers_after_growth(std::uint64_t offset, std::uint64_t bytes)
{
    if (kind_ == mapping_kind::detached) {
        return false;
    }
    const std::uint64_t published = load_acquire(superblock().state.file_size);
    if (offset > published || bytes > published - offset || published > file_.size()) {
        return false;
    }
    grown_to(published);
    return true;
}

}  // namespace kvdb::io
