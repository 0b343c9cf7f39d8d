// SPDX-License-Identifier: BSL-1.0
#include "heat.hpp"

#include "../touch_memory.hpp"
#include "clock.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <stdexcept>

namespace kvdb::bench {

heat::heat(const settings& how, field& all, const std::filesystem::path& folder, results& into)
    : how_(how),
      all_(all),
      folder_(folder),
      into_(into),
      keys_(into.keys()),
      values_(into.value_size(), into.value_size() * 2)
{
}

void heat::run()
{
    for (round_ = 0; round_ < how_.rounds; ++round_) {
        std::fprintf(stderr,
                     "%llu keys, values of %zu bytes, round %d of %d:", static_cast<unsigned long long>(keys_),
                     values_.size(), round_ + 1, how_.rounds);
        fill();
        read();
        change();
        erase();
        reopen();
        share();
        close_all();
        churn();
        commit();
        std::fputc('\n', stderr);
    }
}

void heat::say(const std::string& what) const
{
    std::fprintf(stderr, " %s", what.c_str());
}

bool heat::wants_any(std::initializer_list<const char*> lines) const
{
    return std::any_of(lines.begin(), lines.end(), [&](const char* line) { return how_.wants(line); });
}

deck heat::draw()
{
    return {shuffled(keys_, random_), keys_};
}

plan heat::plan_of(const contestant& one, bool durable) const
{
    return {.folder = folder_ / one.about().id,
            .entries = durable ? std::min(keys_, most_durable_entries) : keys_,
            .value_size = values_.size(),
            .durable = durable};
}

void heat::open_all(bool durable)
{
    for (const auto& one : all_) {
        if (!durable || one->about().on_disk) {
            one->open(plan_of(*one, durable));
        }
    }
}

void heat::close_all()
{
    for (const auto& one : all_) {
        one->close();
        std::filesystem::remove_all(folder_ / one->about().id);
    }
}

bool heat::race(const event& what, const deck& entries)
{
    if (!how_.wants(what.line.id)) {
        return false;
    }
    say(what.line.id);
    const std::size_t all = entries.size();
    const std::size_t slices = std::clamp<std::size_t>(all / what.slice, 1, how_.slices);
    if (what.writes) {
        values_.next_mark();
        touch_memory(all_.size() * all * 2 * (key_size + values_.size()));
    }
    std::map<contestant*, double> took;
    for (std::size_t s = 0; s < slices; ++s) {
        const std::size_t first = all * s / slices;
        const std::size_t count = all * (s + 1) / slices - first;
        const job work{.what = what.what,
                       .keys = entries.keys().part(first, count),
                       .links = entries.links().part(first, count),
                       .values = &values_,
                       .writes_percent = what.writes_percent,
                       .batch = what.batch};
        ++turn_;
        for (std::size_t i = 0; i < all_.size(); ++i) {
            contestant& one = *all_[(turn_ + i) % all_.size()];
            if (one.can(what.what) && (what.limit || !one.about().limit)) {
                const double nanoseconds = slice(one, what, work);
                took[&one] += nanoseconds;
                if (!what.writes) {
                    add(what, one, nanoseconds, count);
                }
            }
        }
    }
    for (const auto& [one, nanoseconds] : took) {
        if (what.writes) {
            add(what, *one, nanoseconds, all);
        }
    }
    return true;
}

void heat::add(const event& what, const contestant& one, double nanoseconds, std::size_t operations)
{
    const double scale = what.line.measured == unit::microseconds ? 1'000 : 1;
    const double costs = static_cast<double>(operations) / static_cast<double>(what.share);
    into_.add(what.line, one.about().id, nanoseconds / scale / costs);
}

/// Nanoseconds that the contestant takes for it.
double heat::slice(contestant& one, const event& what, const job& work)
{
    const stopwatch watch;
    const outcome came = one.run(work);
    const double took = watch.nanoseconds();
    if (came.operations != work.keys.count || came.found * 100 != came.operations * what.hits_percent) {
        throw std::runtime_error(one.about().name + ", " + what.line.title + ": " + std::to_string(came.found) +
                                 " right of " + std::to_string(came.operations) + ", of " +
                                 std::to_string(work.keys.count) + " wanted");
    }
    if (what.writes && one.about().background) {
        wait_until_idle();
    }
    return took;
}

void heat::untimed(workload what, const deck& entries)
{
    if (what == workload::set) {
        values_.next_mark();
    }
    const job work{.what = what, .keys = entries.keys(), .links = entries.links(), .values = &values_};
    for (const auto& one : all_) {
        if (one->can(what)) {
            slice(*one, {.line = {"", "untimed"}, .what = what}, work);
        }
    }
}

/// Reads all values and compares them, in the first round: a broken contestant shows before it has cost any time.
void heat::verify()
{
    if (round_ == 0) {
        untimed(workload::verify, draw());
    }
}

void heat::measure_bytes(const row& line)
{
    if (!how_.wants(line.id)) {
        return;
    }
    for (const auto& one : all_) {
        if (!one->about().limit) {
            into_.add(line, one->about().id, static_cast<double>(one->bytes()) / static_cast<double>(keys_));
        }
    }
}

}  // namespace kvdb::bench
