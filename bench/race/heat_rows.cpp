// SPDX-License-Identifier: BSL-1.0
// The rows of a round, in their order.
#include "clock.hpp"
#include "crowd.hpp"
#include "heat.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace kvdb::bench {
namespace {

constexpr std::size_t whole = std::numeric_limits<std::size_t>::max();

}  // namespace

void heat::fill()
{
    open_all(false);
    const deck entries = draw();
    if (!race({.line = {"fill", "set, new keys"}, .what = workload::set, .writes = true}, entries)) {
        untimed(workload::set, entries);
    }
    verify();
    measure_bytes({"bytes", "bytes per entry, filled", unit::bytes});
}

void heat::read()
{
    race({.line = {"get_hit", "get, hit"}}, draw());
    race({.line = {"get_miss", "get, miss"}, .hits_percent = 0, .limit = false}, deck::absent(keys_, keys_));
    if (wants_any({"get_zipf"})) {
        race({.line = {"get_zipf", "get, Zipf 0.99"}, .limit = false}, {zipf(keys_, keys_, random_), keys_});
    }
    if (values_.size() > key_size) {
        race({.line = {"get_dependent", "get, dependent"}, .what = workload::dependent_get}, draw());
    }
    race({.line = {"multi_get", "multi_get of 16, a key"}, .what = workload::multi_get}, draw());
    race({.line = {"scan", "scan, an entry"}, .what = workload::scan, .slice = whole}, draw());
}

void heat::change()
{
    if (race({.line = {"overwrite", "set, overwrite"}, .what = workload::set, .writes = true}, draw())) {
        verify();
    }
    race({.line = {"multi_set", "multi_set of 16, overwrite, a key"}, .what = workload::multi_set, .writes = true},
         draw());
    for (const std::uint32_t writes : {5U, 50U}) {
        const std::string text = std::to_string(100 - writes) + "/" + std::to_string(writes);
        race({.line = {"mixed_" + std::to_string(writes), "mixed, get/set " + text},
              .what = workload::mixed,
              .writes = true,
              .writes_percent = writes},
             draw());
    }
}

void heat::erase()
{
    auto order = shuffled(keys_, random_);
    order.resize(order.size() / 4 + 1);
    const deck quarter(order, keys_);
    if (race({.line = {"delete", "delete"}, .what = workload::erase, .writes = true}, quarter)) {
        for (const auto& one : all_) {
            if (one->can(workload::verify)) {
                slice(*one, {.line = {"delete", "after delete"}, .hits_percent = 0}, {.keys = quarter.keys()});
            }
        }
        untimed(workload::set, quarter);
        untimed(workload::verify, quarter);
    }
}

void heat::reopen()
{
    for (const auto& one : all_) {
        if (one->about().on_disk) {
            one->close();
        }
    }
    const row writing{"open", "open, one get, close", unit::microseconds};
    const row reading{"open_read", "the same, opened to read", unit::microseconds};
    for (const row& line : {writing, reading}) {
        for (const auto& one : all_) {
            if (how_.wants(line.id) && one->about().on_disk && !one->about().limit) {
                time_opening(*one, line, line.id == reading.id);
            }
        }
    }
}

void heat::time_opening(contestant& one, const row& line, bool read_only)
{
    constexpr int times = 11;
    const deck entries({static_cast<std::uint32_t>(keys_ / 2)}, keys_);
    plan how = plan_of(one, false);
    how.read_only = read_only;
    std::vector<double> took;
    for (int i = 0; i < times; ++i) {
        const stopwatch watch;
        one.open(how);
        const outcome came = one.run({.what = workload::get, .keys = entries.keys()});
        one.close();
        took.push_back(watch.nanoseconds());
        if (came.found != 1) {
            throw std::runtime_error(one.about().name + ": nothing there when opened again");
        }
    }
    std::sort(took.begin(), took.end());
    into_.add(line, one.about().id, took[times / 2] / 1'000);
}

void heat::share()
{
    for (const char* const kind : {"processes", "threads"}) {
        race_crowds(kind, "get", 0);
        race_crowds(kind, "mixed", 10);
    }
}

void heat::race_crowds(const std::string& kind, const std::string& load, std::uint32_t writes_percent)
{
    std::vector<unsigned> sizes;
    for (unsigned size = 1; size < how_.crowd; size *= 2) {
        sizes.push_back(size);
    }
    sizes.push_back(std::min(how_.crowd, largest_crowd));
    if (!how_.wants(kind + "_" + load)) {
        return;
    }
    say(kind + "_" + load);
    std::vector<deck> decks;
    std::vector<value_maker> makers(sizes.back(), values_);
    std::vector<job> jobs;
    for (unsigned i = 0; i < sizes.back(); ++i) {
        auto order = shuffled(keys_, random_);
        order.resize(std::min<std::size_t>(order.size(), 250'000));
        decks.emplace_back(order, keys_);
        jobs.push_back({.what = writes_percent != 0 ? workload::mixed : workload::get,
                        .keys = decks[i].keys(),
                        .links = decks[i].links(),
                        .values = &makers[i],
                        .writes_percent = writes_percent});
    }
    for (const unsigned size : sizes) {
        for (value_maker& maker : makers) {
            values_.next_mark();
            maker = values_;
        }
        const row line{kind + "_" + load + "_" + std::to_string(size),
                       load + (writes_percent != 0 ? " 90/10, " : ", ") + std::to_string(size) + " " + kind,
                       unit::millions_per_second};
        race_crowd(kind == "processes", line, {jobs.begin(), jobs.begin() + size});
    }
}

/// All contestants are closed, before and after.
void heat::race_crowd(bool forked, const row& line, const std::vector<job>& jobs)
{
    for (const auto& one : all_) {
        const description& about = one->about();
        if (!about.on_disk || !(forked ? about.processes : about.threads)) {
            continue;
        }
        if (forked) {
            into_.add(line, about.id, rate_of_processes(*one, plan_of(*one, false), jobs));
        } else {
            one->open(plan_of(*one, false));
            into_.add(line, about.id, rate_of_threads(*one, jobs));
            one->close();
        }
    }
}

/// Once: it takes three passes as it is.
void heat::churn()
{
    if (round_ != 0 || !wants_any({"churn", "churn_bytes"})) {
        return;
    }
    open_all(false);
    untimed(workload::set, draw());
    for (int pass = 0; pass < 3; ++pass) {
        race({.line = {"churn", "overwrite, other sizes"}, .what = workload::churn, .writes = true}, draw());
    }
    measure_bytes({"churn_bytes", "bytes per entry after that, 3 times each", unit::bytes});
    close_all();
}

void heat::commit()
{
    if (!wants_any({"durable_set", "durable_batch"})) {
        return;
    }
    const std::size_t entries = std::min(keys_, most_durable_entries);
    const std::size_t commits = std::clamp<std::size_t>(entries / 500, 4, 200);
    constexpr std::size_t batch = 100;
    open_all(false);
    untimed(workload::set, {shuffled(entries, random_), entries});
    for (const auto& one : all_) {
        one->close();
    }
    open_all(true);
    std::vector<std::uint32_t> order = shuffled(entries, random_);
    order.resize(commits);
    race({.line = {"durable_set", "durable set", unit::microseconds},
          .what = workload::set,
          .writes = true,
          .slice = 10},
         {order, entries});
    order = shuffled(entries, random_);
    order.resize(std::min(order.size(), commits / 4 * batch));
    race({.line = {"durable_batch", "100 durable sets in one commit", unit::microseconds},
          .what = workload::multi_set,
          .writes = true,
          .batch = batch,
          .slice = 10 * batch,
          .share = batch},
         {order, entries});
    close_all();
}

}  // namespace kvdb::bench
