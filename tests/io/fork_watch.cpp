// SPDX-License-Identifier: BSL-1.0
// A child notices that it is one, and handles are called around a fork.
#include "io/fork_watch.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>

#include "support/child.hpp"

using namespace kvdb;
using namespace kvdb::testing;

namespace {

struct counting final : io::fork_aware {
    int before = 0;
    int parent = 0;
    int child = 0;

    void before_fork() noexcept override { ++before; }
    void after_fork_in_parent() noexcept override { ++parent; }
    void after_fork_in_child() noexcept override { ++child; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(fork_watch)

BOOST_AUTO_TEST_CASE(handles_are_called_around_a_fork)
{
    counting watched;
    counting left;
    io::watch_forks(watched);
    io::watch_forks(left);
    io::unwatch_forks(left);
    for (int i = 1; i <= 3; ++i) {
        BOOST_TEST(in_child([&] {
                       return watched.before == i && watched.child == 1 && watched.parent == i - 1 ? 0 : 1;
                   }) == 0);
        BOOST_TEST(watched.before == i);
        BOOST_TEST(watched.parent == i);
        BOOST_TEST(watched.child == 0);
    }
    BOOST_TEST(left.before == 0);
    io::unwatch_forks(watched);
    in_child([] { return 0; });
    BOOST_TEST(watched.before == 3);
}

BOOST_AUTO_TEST_CASE(each_process_has_a_stamp_of_its_own)
{
    counting watched;
    io::watch_forks(watched);
    const std::uint64_t mine = io::process_stamp();
    BOOST_TEST(mine != 0U);
    BOOST_TEST(io::current_stamp() == mine);
    BOOST_TEST(in_child([&] {
                   demand(io::process_stamp() == 0, "the child has its parent's stamp");
                   const std::uint64_t childs = io::current_stamp();
                   demand(childs != 0 && childs != mine, "no stamp of its own");
                   demand(io::process_stamp() == childs && io::current_stamp() == childs, "it does not keep it");
                   return in_child([&] {
                       demand(io::process_stamp() == 0, "the grandchild has its parent's stamp");
                       const std::uint64_t stamp = io::current_stamp();
                       demand(stamp != childs && stamp != mine, "a stamp that was used");
                       return 0;
                   });
               }) == 0);
    BOOST_TEST(io::current_stamp() == mine);
    io::unwatch_forks(watched);
}

BOOST_AUTO_TEST_SUITE_END()
