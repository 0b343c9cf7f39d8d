// SPDX-License-Identifier: BSL-1.0
#include "register_history.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <optional>
#include <set>
#include <utility>

#include "support/child.hpp"

namespace kvdb::testing {
namespace {

constexpr std::size_t most_open = 64;
constexpr std::size_t most_configurations = 1'000'000;

/// The key's value after the operation, if its answer is the one that it has to give.
std::optional<std::uint64_t> applied(const operation& one, std::uint64_t value)
{
    switch (one.what) {
        case action::set: return one.value;
        case action::get: return one.value == value ? std::optional(value) : std::nullopt;
        default: break;
    }
    const bool right = !one.answered || (one.value != 0) == (value != absent);
    return right ? std::optional(absent) : std::nullopt;
}

class search {
public:
    void invoke(const operation& one)
    {
        const auto slot = static_cast<std::size_t>(std::countr_one(used_));
        demand(slot < most_open, "too many operations open at one time");
        used_ |= std::uint64_t{1} << slot;
        open_[slot] = &one;
    }

    /// False if no order allows the answer.
    [[nodiscard]] bool respond(const operation& one)
    {
        const auto slot = static_cast<std::size_t>(std::find(open_.begin(), open_.end(), &one) - open_.begin());
        const std::uint64_t bit = std::uint64_t{1} << slot;
        std::set<configuration> after;
        std::set<configuration> seen;
        std::vector<configuration> to_try;
        for (const configuration& each : possible_) {
            if ((each.done & bit) != 0) {
                after.insert({each.value, each.done & ~bit});
            } else {
                to_try.push_back(each);
                if (!one.answered) {
                    after.insert(each);
                }
            }
        }
        while (!to_try.empty()) {
            const configuration from = to_try.back();
            to_try.pop_back();
            for (std::uint64_t rest = used_ & ~from.done; rest != 0; rest &= rest - 1) {
                const std::uint64_t next = rest & -rest;
                const auto value = applied(*open_[static_cast<std::size_t>(std::countr_zero(rest))], from.value);
                if (!value) {
                    continue;
                }
                const configuration reached{*value, from.done | next};
                if (next == bit) {
                    after.insert({*value, from.done});
                } else if (seen.insert(reached).second) {
                    to_try.push_back(reached);
                }
            }
            demand(seen.size() < most_configurations, "too much is open to tell");
        }
        used_ &= ~bit;
        open_[slot] = nullptr;
        possible_ = std::move(after);
        return !possible_.empty();
    }

private:
    struct configuration {
        std::uint64_t value = absent;
        std::uint64_t done = 0;  // open operations that had their instant, by slot
        auto operator<=>(const configuration&) const = default;
    };

    std::uint64_t used_ = 0;
    std::array<const operation*, most_open> open_{};
    std::set<configuration> possible_{configuration{}};
};

std::string described(const operation& one)
{
    constexpr std::array names = {"set", "get", "erase"};
    return std::string(names[static_cast<std::size_t>(one.what)]) + " " + std::to_string(one.value >> 32) + "." +
           std::to_string(one.value & 0xffffffff) + " from " + std::to_string(one.invoked) + " to " +
           (one.responded == never ? "never" : std::to_string(one.responded)) + (one.answered ? "" : ", unanswered");
}

/// The operation that cannot be, and some of those that ended before it or overlap with it.
std::string report(const std::vector<operation>& history, const operation& wrong)
{
    std::vector<operation> about;
    for (const operation& one : history) {
        if (one.invoked < wrong.responded) {
            about.push_back(one);
        }
    }
    std::sort(about.begin(), about.end(),
              [](const operation& a, const operation& b) { return a.responded > b.responded; });
    std::string text = "no order of its operations allows: " + described(wrong) + "; others:";
    for (std::size_t i = 0; i < std::min<std::size_t>(about.size(), 20); ++i) {
        text += "\n    " + described(about[i]);
    }
    return text;
}

}  // namespace

std::string contradiction_in(std::vector<operation> history)
{
    // A get that told nobody anything is none.
    std::erase_if(history, [](const operation& one) { return !one.answered && one.what == action::get; });
    struct event {
        std::uint64_t stamp;
        const operation* one;
        bool response;
    };
    std::vector<event> events;
    for (const operation& one : history) {
        events.push_back({one.invoked, &one, false});
        if (one.responded != never) {
            events.push_back({one.responded, &one, true});
        }
    }
    std::sort(events.begin(), events.end(), [](const event& a, const event& b) { return a.stamp < b.stamp; });
    search all;
    for (const event& each : events) {
        if (!each.response) {
            all.invoke(*each.one);
        } else if (!all.respond(*each.one)) {
            return report(history, *each.one);
        }
    }
    return {};
}

}  // namespace kvdb::testing
