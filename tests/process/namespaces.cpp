// SPDX-License-Identifier: BSL-1.0
// Two PID namespaces in which everybody is process 1.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "ledger.hpp"
#include "support/child.hpp"
#include "support/fixture.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct first_process {
    std::atomic<pid_t> pid;  // as the test's own namespace numbers it
};

/// Runs `work` as process 1 of a new namespace; when that ends, the returned child does so too.
child in_namespace(first_process& out, const std::function<int()>& work)
{
    out.pid = 0;
    return child([&out, work] {
        if (::unshare(CLONE_NEWPID) != 0) {
            return skipped;
        }
        const pid_t pid = ::fork();
        demand(pid >= 0, "fork");
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            run_and_leave([&] {
                demand(::getpid() == 1, "not process 1");
                // Whoever sees this process at work knows whom to kill.
                demand(eventually([&out] { return out.pid.load() > 0; }), "nobody said who this is");
                return work();
            });
        }
        out.pid = pid;
        int status = 0;
        ::waitpid(pid, &status, 0);
        return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
    });
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(namespaces, store_fixture)

BOOST_AUTO_TEST_CASE(kills_among_processes_of_the_same_number)
{
    auto db = open(with_shards(1));  // every set meets every other
    shared<ledger> book;
    shared<std::array<first_process, 2>> first;
    std::array<child, 2> outer;
    std::uint64_t seed = 100;
    const auto start = [&](std::size_t worker) {
        ++seed;
        outer[worker] =
            in_namespace((*first)[worker], [&, worker, s = seed]() -> int { book->write_for_ever(worker, file, s); });
    };
    const auto progresses = [&](std::size_t worker) {
        const std::uint64_t before = book->progress(worker);
        return eventually([&] { return book->progress(worker) > before + 3 || outer[worker].ended(); }) &&
               !outer[worker].ended();
    };
    start(0);
    start(1);
    if (!progresses(0) && outer[0].wait() == skipped) {
        BOOST_TEST_MESSAGE("skipped: no PID namespaces here");
        return;
    }
    for (std::size_t round = 0; round < 60; ++round) {
        const std::size_t victim = round % 2;
        BOOST_REQUIRE(progresses(victim));
        send_signal((*first)[victim].pid, SIGKILL);
        BOOST_REQUIRE_EQUAL(outer[victim].wait(), 100 + SIGKILL);
        BOOST_REQUIRE_EQUAL(book->settle(victim, db), "");
        BOOST_REQUIRE_MESSAGE(progresses(1 - victim), "the survivor is stuck");
        start(victim);
    }
    for (std::size_t worker = 0; worker < 2; ++worker) {
        BOOST_REQUIRE(progresses(worker));
        send_signal((*first)[worker].pid, SIGKILL);
        BOOST_TEST(outer[worker].wait() == 100 + SIGKILL);
        BOOST_TEST(book->settle(worker, db) == "");
    }
    expect_whole(db);
}

BOOST_AUTO_TEST_SUITE_END()
