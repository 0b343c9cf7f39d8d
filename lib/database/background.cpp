// SPDX-License-Identifier: BSL-1.0
#include "database/background.hpp"

#include "io/no_signals.hpp"

#include <exception>
#include <string>
#include <system_error>
#include <utility>

namespace kvdb {

background_checkpoints::background_checkpoints(const options& how, std::function<void()> run)
    : interval_(how.checkpoint_interval),
      limit_(how.checkpoint_bytes),
      on_failure_(how.on_checkpoint_failure),
      run_(std::move(run))
{
    const io::no_signals while_it_starts;
    try {
        thread_ = std::thread([this] { loop(); });
    } catch (const std::system_error& failure) {
        throw error(errc::no_memory, std::string("cannot start the thread for checkpoints: ") + failure.what());
    }
}

background_checkpoints::~background_checkpoints()
{
    {
        const std::lock_guard guard(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void background_checkpoints::wake() noexcept
{
    // Not between the thread's look at the condition and its sleep.
    {
        const std::lock_guard guard(mutex_);
    }
    changed_.notify_one();
}

void background_checkpoints::report(const error& failure) const
{
    if (on_failure_) {
        on_failure_(failure);
    }
}

void background_checkpoints::loop()
{
    std::unique_lock lock(mutex_);
    for (;;) {
        if (interval_.count() != 0) {
            changed_.wait_for(lock, interval_, [this] { return due(); });
        } else {
            changed_.wait(lock, [this] { return due(); });
        }
        if (stopping_) {
            return;
        }
        lock.unlock();
        written_.store(0, std::memory_order_relaxed);  // what is written from here on counts for the next
        try {
            run_();
        } catch (const error& failure) {
            report(failure);
        } catch (const std::exception&) {
            report(no_memory_);
        }
        lock.lock();
    }
}

}  // namespace kvdb
