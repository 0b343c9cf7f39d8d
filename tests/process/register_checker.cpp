// SPDX-License-Identifier: BSL-1.0
// The judge of recorded histories, on histories whose verdict is known.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "register_history.hpp"
#include "support/scratch.hpp"
#include "support/values.hpp"

using namespace kvdb::testing;

namespace {

operation set(std::uint64_t value, std::uint64_t from, std::uint64_t to)
{
    return {action::set, value, from, to};
}
operation get(std::uint64_t value, std::uint64_t from, std::uint64_t to)
{
    return {action::get, value, from, to};
}
operation erase(bool found, std::uint64_t from, std::uint64_t to)
{
    return {action::erase, found ? 1U : 0U, from, to};
}
operation dead(operation one)
{
    one.answered = false;
    return one;
}
bool good(const std::vector<operation>& history)
{
    return contradiction_in(history).empty();
}

/// The definition itself: is there any order that respects time and gives every answer?
bool good_by_trying_all(const std::vector<operation>& history)
{
    std::vector<std::size_t> order(history.size());
    std::iota(order.begin(), order.end(), 0U);
    do {
        std::uint64_t value = absent;
        bool right = true;
        for (std::size_t i = 0; i < order.size() && right; ++i) {
            const operation& one = history[order[i]];
            for (std::size_t k = i + 1; k < order.size(); ++k) {
                right = right && history[order[k]].responded > one.invoked;
            }
            switch (one.what) {
                case action::set: value = one.value; break;
                case action::get: right = right && one.value == value; break;
                case action::erase:
                    right = right && (one.value != 0) == (value != absent);
                    value = absent;
                    break;
            }
        }
        if (right) {
            return true;
        }
    } while (std::next_permutation(order.begin(), order.end()));
    return false;
}

std::vector<operation> random_history(chance& source, std::size_t count)
{
    std::vector<std::uint64_t> stamps(2 * count);
    std::iota(stamps.begin(), stamps.end(), 1U);
    for (std::size_t i = stamps.size(); i > 1; --i) {
        // Not too far: otherwise everything overlaps.
        const std::size_t reach = std::min<std::size_t>(i, 5);
        std::swap(stamps[i - 1], stamps[i - 1 - source.below(reach)]);
    }
    std::vector<operation> history;
    for (std::size_t i = 0; i < count; ++i) {
        const auto [from, to] = std::minmax(stamps[2 * i], stamps[2 * i + 1]);
        switch (source.below(4)) {
            case 0: history.push_back(erase(source.below(2) == 0, from, to)); break;
            case 1: history.push_back(set(i + 1, from, to)); break;
            default: history.push_back(get(source.below(count + 1), from, to)); break;
        }
    }
    return history;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(register_checker)

BOOST_AUTO_TEST_CASE(one_after_the_other)
{
    BOOST_TEST(good({}));
    BOOST_TEST(good({get(absent, 1, 2), set(7, 3, 4), get(7, 5, 6), erase(true, 7, 8), get(absent, 9, 10)}));
    BOOST_TEST(good({erase(false, 1, 2), set(7, 3, 4), set(8, 5, 6), get(8, 7, 8)}));
    BOOST_TEST(!good({get(7, 1, 2)}));
    BOOST_TEST(!good({erase(true, 1, 2)}));
    BOOST_TEST(!good({set(7, 1, 2), erase(false, 3, 4)}));
    BOOST_TEST(!good({set(7, 1, 2), get(absent, 3, 4)}));
}

BOOST_AUTO_TEST_CASE(overlapping_ones_may_take_either_order)
{
    BOOST_TEST(good({set(7, 1, 4), get(7, 2, 3)}));
    BOOST_TEST(good({set(7, 1, 4), get(absent, 2, 3)}));
    BOOST_TEST(good({set(7, 1, 10), get(absent, 2, 3), get(7, 4, 5)}));
    BOOST_TEST(good({set(7, 1, 4), set(8, 2, 3), get(7, 5, 6)}));
    BOOST_TEST(good({set(7, 1, 4), set(8, 2, 3), get(8, 5, 6)}));
    BOOST_TEST(good({set(7, 1, 2), set(8, 3, 12), get(8, 4, 9), get(7, 5, 6), get(7, 7, 8), erase(true, 10, 11),
                     get(absent, 13, 14)}));
}

BOOST_AUTO_TEST_CASE(a_stale_read)
{
    BOOST_TEST(!good({set(7, 1, 2), set(8, 3, 4), get(7, 5, 6)}));
    BOOST_TEST(good({set(7, 1, 2), set(8, 3, 5), get(7, 4, 6)}));
}

BOOST_AUTO_TEST_CASE(a_value_from_the_future)
{
    BOOST_TEST(!good({get(7, 1, 2), set(7, 3, 4)}));
    BOOST_TEST(good({get(7, 1, 3), set(7, 2, 4)}));
    BOOST_TEST(!good({set(7, 1, 2), get(9, 3, 4)}));  // nobody's
}

BOOST_AUTO_TEST_CASE(a_read_of_a_value_after_a_read_of_its_successor)
{
    BOOST_TEST(!good({set(7, 1, 2), set(8, 3, 8), get(8, 4, 5), get(7, 6, 7)}));
    BOOST_TEST(!good({set(7, 1, 10), get(7, 2, 3), get(absent, 4, 5)}));
}

BOOST_AUTO_TEST_CASE(two_sets_in_two_orders)
{
    // Two readers that agree with either set alone, and not with each other.
    BOOST_TEST(!good({set(7, 1, 20), set(8, 2, 19), get(7, 3, 4), get(8, 5, 6), get(7, 7, 8)}));
    BOOST_TEST(!good({set(7, 1, 4), set(8, 2, 3), get(7, 5, 6), get(8, 7, 8)}));
}

BOOST_AUTO_TEST_CASE(a_lost_update)
{
    BOOST_TEST(!good({set(7, 1, 2), erase(true, 3, 4), set(8, 5, 6), get(absent, 7, 8)}));
    BOOST_TEST(!good({set(7, 1, 2), set(8, 3, 4), erase(true, 5, 6), get(8, 7, 8)}));
}

BOOST_AUTO_TEST_CASE(an_erase_that_is_true_twice)
{
    BOOST_TEST(!good({set(7, 1, 2), erase(true, 3, 6), erase(true, 4, 5)}));
    BOOST_TEST(good({set(7, 1, 2), erase(true, 3, 6), erase(false, 4, 5)}));
    BOOST_TEST(good({set(7, 1, 2), set(8, 3, 8), erase(true, 4, 7), erase(true, 5, 6)}));
}

BOOST_AUTO_TEST_CASE(the_dead_may_have_done_it_or_not)
{
    BOOST_TEST(good({dead(set(7, 1, never)), get(absent, 2, 3), get(7, 4, 5)}));
    BOOST_TEST(good({dead(set(7, 1, never)), get(absent, 2, 3), get(absent, 4, 5)}));
    BOOST_TEST(good({dead(set(7, 1, never)), get(absent, 2, 3), erase(true, 4, 5)}));
    BOOST_TEST(!good({dead(set(7, 1, never)), get(7, 2, 3), get(absent, 4, 5)}));
    BOOST_TEST(good({set(7, 1, 2), dead(erase(true, 3, never)), get(7, 4, 5), get(absent, 6, 7)}));
    BOOST_TEST(good({dead(erase(false, 1, never)), set(7, 2, 3), get(absent, 4, 5)}));
    BOOST_TEST(good({set(7, 1, 2), dead(get(9, 3, never)), get(7, 4, 5)}));
}

BOOST_AUTO_TEST_CASE(once_settled_the_dead_do_nothing)
{
    BOOST_TEST(good({dead(set(7, 1, 4)), get(absent, 2, 3), get(7, 5, 6)}));
    BOOST_TEST(good({dead(set(7, 1, 4)), get(absent, 2, 3), get(absent, 5, 6)}));
    BOOST_TEST(!good({dead(set(7, 1, 2)), get(absent, 3, 4), get(7, 5, 6)}));
    BOOST_TEST(!good({set(7, 1, 2), dead(erase(true, 3, 4)), get(7, 5, 6), get(absent, 7, 8)}));
    BOOST_TEST(!good({dead(set(7, 1, 3)), set(8, 2, 4), get(8, 5, 6), get(7, 7, 8)}));
}

BOOST_AUTO_TEST_CASE(as_the_definition_says)
{
    chance source(setting("KVDB_TEST_SEED", 1));
    int good_ones = 0;
    constexpr int histories = 3'000;
    for (int i = 0; i < histories; ++i) {
        const auto history = random_history(source, 3 + source.below(4));
        const bool verdict = good(history);
        BOOST_REQUIRE_EQUAL(verdict, good_by_trying_all(history));
        good_ones += verdict ? 1 : 0;
    }
    BOOST_TEST(good_ones > histories / 50);
    BOOST_TEST(good_ones < histories * 49 / 50);
}

BOOST_AUTO_TEST_SUITE_END()
