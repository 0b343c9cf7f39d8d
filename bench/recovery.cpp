// SPDX-License-Identifier: BSL-1.0
// How long a database keeps those who come to it waiting: opening, the death of a lock's holder, recovery.
//
//   bench_recovery [KEYS [FOLDER]]        (default 10000000 .)
//
// 16-byte keys, 100-byte values. Three things, each beside its bar:
//   opening    in a fresh process, with a get and a close: while another process has the file open; when it was
//              closed cleanly. The first writer of a clean file waits for one flush of the medium, which is measured
//              beside it. Medians and worst of 31.
//   takeover   writers are killed in a tight loop of sets in a file of one shard; a survivor sets all the while. Its
//              longest set is the longest stall. What it costs with nobody killed is measured beside it.
//   recovery   the last writer is killed, and the file opened with `distrust`: everything is rebuilt from the log.
// Files are filled, and memory is touched, before anything is timed.
#include "figures.hpp"
#include "touch_memory.hpp"

#include <kvdb/kvdb.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <filesystem>
#include <functional>
#include <iterator>
#include <new>
#include <string>
#include <vector>

namespace {

using kvdb::bench::key_of;

constexpr std::size_t key_size = 16;
constexpr std::size_t value_size = 100;
constexpr std::size_t openings = 31;
constexpr int kills = 200;
constexpr std::uint64_t hammered = 10'000;  // keys of the file of one shard
constexpr double first_nap_ms = 0.2;        // who waits for a lock, sleeps this long at first
constexpr double open_bar_ms = 1;
constexpr double takeover_bar_ms = 20;
constexpr double recovery_bar = 300;  // MB/s

void require(bool good, const char* what)
{
    if (!good) {
        std::perror(what);
        std::exit(1);
    }
}

double milliseconds_of(const std::function<void()>& work)
{
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
}

/// What processes tell one another, outside any database.
struct board {
    std::atomic<std::uint64_t> sets;
    double open_ms;
    double get_ms;
    double close_ms;
};

board& shared_board()
{
    void* const at = ::mmap(nullptr, sizeof(board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require(at != MAP_FAILED, "mmap");
    return *new (at) board{};
}

pid_t forked(const std::function<void()>& work)
{
    const pid_t pid = ::fork();
    require(pid >= 0, "fork");
    if (pid == 0) {
        try {
            work();
        } catch (const std::exception& caught) {
            std::fprintf(stderr, "child: %s\n", caught.what());
            ::_exit(1);
        }
        ::_exit(0);
    }
    return pid;
}

void expect_end(pid_t pid, bool killed)
{
    int status = 0;
    require(::waitpid(pid, &status, 0) == pid, "waitpid");
    const bool right = killed ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL : status == 0;
    if (!right) {
        std::fprintf(stderr, "a child ended with status %d\n", status);
        std::exit(1);
    }
}

bool has_ended(pid_t pid)
{
    siginfo_t info{};
    require(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0, "waitid");
    return info.si_pid != 0;
}

void wait_for_sets(const board& seen, std::uint64_t wanted)
{
    while (seen.sets < wanted) {
        ::sched_yield();
    }
}

void kill_and_reap(pid_t pid)
{
    require(::kill(pid, SIGKILL) == 0, "kill");
    expect_end(pid, true);
}

struct figure {
    std::vector<double> all;

    [[nodiscard]] double median()
    {
        std::sort(all.begin(), all.end());
        return all[all.size() / 2];
    }
    [[nodiscard]] double worst() const { return *std::max_element(all.begin(), all.end()); }
};

void print_row(const char* what, const std::string& figures, double bar, const char* unit, bool met)
{
    std::printf("| %s | %s | %s %g %s | %s |\n", what, figures.c_str(),
                std::strcmp(unit, "ms") == 0 ? "<" : ">=", bar, unit, met ? "met" : "missed");
    std::fflush(stdout);
}

std::string format(const char* pattern, double one, double two)
{
    char text[200];
    std::snprintf(text, sizeof text, pattern, one, two);
    return text;
}

/// Opens, gets once and closes in processes of their own.
void measure_opening(const std::filesystem::path& path, board& told, const char* what,
                     kvdb::open_mode mode = kvdb::open_mode::open_only)
{
    kvdb::options how;
    how.mode = mode;
    figure open;
    figure get;
    figure close;
    for (std::size_t i = 0; i < openings; ++i) {
        expect_end(forked([&] {
                       kvdb::database db;
                       std::string value;
                       bool found = false;
                       told.open_ms = milliseconds_of([&] { db = kvdb::database::open(path, how); });
                       told.get_ms = milliseconds_of([&] { found = db.get(key_of(i), value); });
                       told.close_ms = milliseconds_of([&] { db.close(); });
                       require(found, "a key that was set");
                   }),
                   false);
        open.all.push_back(told.open_ms);
        get.all.push_back(told.get_ms);
        close.all.push_back(told.close_ms);
    }
    const std::string title = std::string("open, ") + what;
    print_row(title.c_str(), format("%.3f ms, worst %.3f", open.median(), open.worst()), open_bar_ms, "ms",
              open.median() < open_bar_ms);
    std::printf("| its first get; close | %s | | |\n", (format("%.3f ms, worst %.3f; ", get.median(), get.worst()) +
                                                        format("%.3f ms, worst %.3f", close.median(), close.worst()))
                                                           .c_str());
}

/// What the medium takes for the one flush that the first writer of a clean file waits for.
void measure_bare_flush(const std::filesystem::path& path)
{
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
    require(descriptor >= 0, "open");
    const std::string page(4096, 'b');
    figure flush;
    for (std::size_t i = 0; i < openings; ++i) {
        flush.all.push_back(milliseconds_of([&] {
            require(::pwrite(descriptor, page.data(), page.size(), 0) == static_cast<ssize_t>(page.size()), "pwrite");
            require(::fdatasync(descriptor) == 0, "fdatasync");
        }));
    }
    ::close(descriptor);
    std::filesystem::remove(path);
    std::printf("| a bare pwrite + fdatasync of one page | %s | | |\n",
                format("%.3f ms, worst %.3f", flush.median(), flush.worst()).c_str());
}

[[noreturn]] void set_for_ever(const std::filesystem::path& path, board& seen, std::uint64_t seed)
{
    auto db = kvdb::database::open(path);
    const std::string value(value_size, 'w');
    for (std::uint64_t i = seed;; i += 7919) {
        db.set(key_of(i % hammered), value);
        ++seen.sets;
    }
}

/// The survivor's longest set while its neighbour writes, and dies, or not.
figure longest_sets(const std::filesystem::path& path, board& seen, bool with_kills)
{
    auto db = kvdb::database::open(path);
    const std::string value(value_size, 's');
    figure longest;
    std::uint64_t number = 0;
    for (int round = 0; round < kills; ++round) {
        const auto seed = static_cast<std::uint64_t>(round);
        const std::uint64_t before = seen.sets;
        const pid_t writer = forked([&] { set_for_ever(path, seen, seed); });
        wait_for_sets(seen, before + 1'000 + seed * 37 % 1'000);
        double worst = 0;
        const auto set_once = [&] {
            const std::string key = key_of(number++ % hammered);
            worst = std::max(worst, milliseconds_of([&] { db.set(key, value); }));
        };
        for (int i = 0; i < 20; ++i) {
            set_once();
        }
        worst = 0;
        if (with_kills) {
            require(::kill(writer, SIGKILL) == 0, "kill");
        }
        // It dies when it is next on a core, which can be later.
        for (int i = 0; i < 500 || (with_kills && !has_ended(writer)); ++i) {
            set_once();
        }
        if (!with_kills) {
            require(::kill(writer, SIGKILL) == 0, "kill");
        }
        expect_end(writer, true);
        longest.all.push_back(worst);
    }
    return longest;
}

void measure_takeover(const std::filesystem::path& path, board& seen)
{
    kvdb::options how;
    how.shard_count = 1;
    {
        auto db = kvdb::database::open(path, how);
        for (std::uint64_t i = 0; i < hammered; ++i) {
            db.set(key_of(i), std::string(value_size, 'v'));
        }
    }
    figure alone = longest_sets(path, seen, false);
    figure killed = longest_sets(path, seen, true);
    const double worst = killed.worst();
    figure waits;
    std::copy_if(killed.all.begin(), killed.all.end(), std::back_inserter(waits.all),
                 [](double ms) { return ms > first_nap_ms; });
    const auto waited = static_cast<long>(waits.all.size());
    waits.all.push_back(worst);  // so that there is a median
    char text[200];
    std::snprintf(text, sizeof text, "%.2f ms; %ld of the kills made it wait, median %.3f", worst, waited,
                  waits.median());
    print_row("longest stall of a set, 200 kills", text, takeover_bar_ms, "ms", worst < takeover_bar_ms);
    std::printf("| the same with the other writer alive | %s | | |\n",
                format("%.2f ms; median %.3f", alone.worst(), alone.median()).c_str());
}

void measure_recovery(const std::filesystem::path& path, board& seen, std::uint64_t keys)
{
    const std::uint64_t before = seen.sets;
    const pid_t writer = forked([&] { set_for_ever(path, seen, 1); });
    wait_for_sets(seen, before + 1'000);
    kill_and_reap(writer);
    kvdb::options how;
    how.distrust = true;
    kvdb::database db;
    figure rates;
    double megabytes = 0;
    for (int round = 0; round < 3; ++round) {
        kvdb::bench::touch_memory(std::size_t{64} * keys);
        db = {};
        const std::clock_t before_cpu = std::clock();
        const double took = milliseconds_of([&] { db = kvdb::database::open(path, how); }) / 1'000;
        const double cpu = static_cast<double>(std::clock() - before_cpu) / CLOCKS_PER_SEC;
        const kvdb::statistics stats = db.stats();
        require(stats.entries == keys && stats.last_recovery.entries == keys, "all keys recovered");
        megabytes = static_cast<double>(stats.log_bytes) / 1e6;
        rates.all.push_back(megabytes / took);
        std::fprintf(stderr, "recovery %d: %.0f MB of log in %.2f s with %.2f s of processor time\n", round + 1,
                     megabytes, took, cpu);
    }
    const double rate = rates.median();
    char text[200];
    std::snprintf(text, sizeof text, "%.0f MB/s: %.0f MB of log in %.2f s", rate, megabytes, megabytes / rate);
    print_row("recovery", text, recovery_bar, "MB/s", rate >= recovery_bar);
}

}  // namespace

int main(int argc, char** argv)
{
    const std::uint64_t keys = argc > 1 ? std::max(std::strtoull(argv[1], nullptr, 10), 10'000ULL) : 10'000'000;
    const std::filesystem::path folder = argc > 2 ? argv[2] : ".";
    const auto large = folder / "bench-recovery.kvdb";
    const auto small = folder / "bench-takeover.kvdb";
    std::filesystem::remove(large);
    std::filesystem::remove(small);
    board& told = shared_board();
    kvdb::bench::touch_memory(keys * 2 * (key_size + value_size));

    std::printf("%llu keys of %zu bytes, values of %zu bytes\n\n", static_cast<unsigned long long>(keys), key_size,
                value_size);
    std::printf("| | measured | bar | |\n|---|---|---|---|\n");
    {
        auto db = kvdb::database::open(large);
        const std::string value(value_size, 'v');
        for (std::uint64_t i = 0; i < keys; ++i) {
            db.set(key_of(i), value);
        }
        db.sync();
        measure_opening(large, told, "beside another process");
        db.close();
    }
    measure_opening(large, told, "to read, after a clean close", kvdb::open_mode::read_only);
    measure_opening(large, told, "to write, after a clean close: one flush");
    measure_bare_flush(folder / "bench-recovery.bare");
    measure_takeover(small, told);
    measure_recovery(large, told, keys);
    std::filesystem::remove(large);
    std::filesystem::remove(small);
    return 0;
}
