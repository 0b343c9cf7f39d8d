// SPDX-License-Identifier: BSL-1.0
#include "io/fork_watch.hpp"

#include "io/file.hpp"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <vector>

#include <pthread.h>
#include <sys/mman.h>

namespace kvdb::io {
namespace detail {

std::uint64_t* fork_page = nullptr;

}  // namespace detail

namespace {

struct registry {
    std::mutex mutex;
    std::vector<fork_aware*> handles;
    std::mutex descriptions;  // taken behind `mutex` and the handles' own; owns no thread, so a child can unlock it
    std::uint64_t stamp = 1;  // copied by fork; a child takes the next
};

registry& all()
{
    static auto* const instance = new registry;  // outlives every handle, static ones too
    return *instance;
}

void before() noexcept
{
    all().mutex.lock();
    for (fork_aware* handle : all().handles) {
        handle->before_fork();
    }
    all().descriptions.lock();
}

void after_in_parent() noexcept
{
    all().descriptions.unlock();
    for (fork_aware* handle : all().handles) {
        handle->after_fork_in_parent();
    }
    all().mutex.unlock();
}

void after_in_child() noexcept
{
    all().descriptions.unlock();
    store_release(*detail::fork_page, std::uint64_t{0});  // wiped already, where the kernel can
    for (fork_aware* handle : all().handles) {
        handle->after_fork_in_child();
    }
    all().mutex.unlock();
}

void prepare_page()
{
    constexpr std::size_t page = 4096;
    void* address = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED) {
        throw_errno(errno, "cannot map a page for", "fork detection");
    }
    static_cast<void>(::madvise(address, page, MADV_WIPEONFORK));  // without it the handlers alone must do
    detail::fork_page = static_cast<std::uint64_t*>(address);
    store_release(*detail::fork_page, all().stamp);
    if (::pthread_atfork(before, after_in_parent, after_in_child) != 0) {
        throw error(errc::no_memory, "cannot register fork handlers");
    }
}

}  // namespace

fork_pause::fork_pause() noexcept
{
    all().descriptions.lock();
}

fork_pause::~fork_pause()
{
    all().descriptions.unlock();
}

std::uint64_t detail::renew_stamp() noexcept
{
    const std::lock_guard guard(all().mutex);
    std::uint64_t stamp = load_relaxed(*fork_page);
    if (stamp == 0) {
        stamp = ++all().stamp;
        store_release(*fork_page, stamp);
    }
    return stamp;
}

void watch_forks(fork_aware& handle)
{
    const std::lock_guard guard(all().mutex);
    if (detail::fork_page == nullptr) {
        prepare_page();
    }
    all().handles.push_back(&handle);
}

void unwatch_forks(fork_aware& handle) noexcept
{
    const std::lock_guard guard(all().mutex);
    auto& handles = all().handles;
    handles.erase(std::remove(handles.begin(), handles.end(), &handle), handles.end());
}

}  // namespace kvdb::io
