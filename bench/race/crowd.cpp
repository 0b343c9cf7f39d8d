// SPDX-License-Identifier: BSL-1.0
#include "crowd.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <new>
#include <stdexcept>
#include <thread>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kvdb::bench {
namespace {

std::int64_t now()
{
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// A page that the members of a crowd share: they say that they are ready, wait, and leave their times.
struct board {
    std::atomic<unsigned> ready{0};
    std::atomic<bool> go{false};
    std::atomic<bool> failed{false};
    struct times {
        std::int64_t begin = 0;
        std::int64_t end = 0;
        std::uint64_t operations = 0;
    } members[largest_crowd];
};

class shared_board {
public:
    shared_board()
    {
        void* const address =
            ::mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (address == MAP_FAILED) {
            throw std::bad_alloc();
        }
        board_ = new (address) board;
    }
    shared_board(const shared_board&) = delete;
    shared_board& operator=(const shared_board&) = delete;
    ~shared_board() { ::munmap(board_, sizeof(board)); }

    board& operator*() const { return *board_; }
    board* operator->() const { return board_; }

private:
    board* board_;
};

void nap()
{
    std::this_thread::sleep_for(std::chrono::microseconds(50));
}

void take_part(contestant& one, const job& work, board& shared, std::size_t index)
{
    try {
        job warm = work;
        warm.what = workload::get;
        one.run(warm);
        ++shared.ready;
        while (!shared.go && !shared.failed) {
            nap();
        }
        auto& mine = shared.members[index];
        mine.begin = now();
        const outcome came = one.run(work);
        mine.end = now();
        mine.operations = came.operations;
        if (came.found != came.operations) {
            throw std::runtime_error("a key is missing");
        }
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "%s: %s\n", one.about().name.c_str(), problem.what());
        shared.failed = true;
    }
}

void start(board& shared, std::size_t members)
{
    while (shared.ready < members && !shared.failed) {
        nap();
    }
    shared.go = true;
}

double rate_of(const board& shared, std::size_t members, const contestant& one)
{
    if (shared.failed) {
        throw std::runtime_error(one.about().name + ": one of a crowd failed");
    }
    std::int64_t begin = shared.members[0].begin;
    std::int64_t end = shared.members[0].end;
    std::uint64_t operations = 0;
    for (std::size_t i = 0; i < members; ++i) {
        begin = std::min(begin, shared.members[i].begin);
        end = std::max(end, shared.members[i].end);
        operations += shared.members[i].operations;
    }
    return static_cast<double>(operations) * 1e3 / static_cast<double>(end - begin);
}

[[noreturn]] void child(contestant& one, const plan& how, const job& work, board& shared, std::size_t index)
{
    try {
        one.open(how);
        take_part(one, work, shared, index);
        one.close();
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "%s: %s\n", one.about().name.c_str(), problem.what());
        shared.failed = true;
    }
    ::_exit(0);
}

}  // namespace

double rate_of_processes(contestant& one, const plan& how, const std::vector<job>& jobs)
{
    const shared_board shared;
    std::vector<pid_t> children;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            child(one, how, jobs[i], *shared, i);
        }
        if (pid < 0) {
            shared->failed = true;
            break;
        }
        children.push_back(pid);
    }
    std::jthread starter([&] { start(*shared, jobs.size()); });
    for (const pid_t pid : children) {
        int status = 0;
        if (::waitpid(pid, &status, 0) != pid || status != 0) {
            shared->failed = true;
        }
    }
    starter.join();
    return rate_of(*shared, jobs.size(), one);
}

double rate_of_threads(contestant& one, const std::vector<job>& jobs)
{
    std::vector<std::unique_ptr<contestant>> handles;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        handles.push_back(one.beside());
        if (!handles.back()) {
            return 0;
        }
    }
    const auto shared = std::make_unique<board>();
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            threads.emplace_back([&, i] { take_part(*handles[i], jobs[i], *shared, i); });
        }
        start(*shared, jobs.size());
    }
    return rate_of(*shared, jobs.size(), one);
}

}  // namespace kvdb::bench
