// SPDX-License-Identifier: BSL-1.0
#include "failure.hpp"
#include "numbers.hpp"
#include "opening.hpp"
#include "output.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <array>
#include <cstdio>

namespace kvdb::app {
namespace {

namespace json = boost::json;

class lines {
public:
    void add(std::string_view name, std::string_view value)
    {
        constexpr std::size_t column = 18;
        text += name;
        text.append(name.size() < column ? column - name.size() : 1, ' ');
        text += value;
        text += '\n';
    }
    std::string text;
};

std::string percentage(double share)
{
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f%%", share * 100);
    return text.data();
}

std::string recovery_text(const recovery_summary& last)
{
    if (last.at_unix_ms == 0) {
        return "never needed";
    }
    std::string text = utc_time(last.at_unix_ms) + ": " + counted(last.records_kept, "record", "records") +
                       " kept, " + counted(last.entries, "live key", "live keys") + ", ";
    text += last.bytes_dropped == 0 ? "nothing" : human_size(last.bytes_dropped);
    return text + " dropped, in " + human_duration(static_cast<double>(last.duration_us) / 1e6);
}

std::string as_text(const invocation& call, const statistics& found)
{
    lines out;
    out.add("file", escaped(call.file.native()));
    out.add("uuid", found.uuid);
    out.add("created", utc_time(found.created_unix_ms));
    out.add("format version", std::to_string(found.format_version));
    out.add("entries", std::to_string(found.entries));
    out.add("file size", full_size(found.file_size));
    out.add("on disk", full_size(found.disk_bytes));
    out.add("live", full_size(found.live_bytes));
    out.add("dead", full_size(found.dead_bytes));
    out.add("limbo", full_size(found.limbo_bytes));
    out.add("log", full_size(found.log_bytes));
    out.add("index", full_size(found.index_bytes));
    out.add("journal", full_size(found.journal_bytes));
    out.add("free", full_size(found.free_bytes));
    out.add("load factor", percentage(found.load_factor) + " of " + std::to_string(found.index_slots) + " slots");
    out.add("shards", std::to_string(found.shard_count));
    out.add("syncs", std::to_string(found.sync_generation));
    out.add("incarnation", std::to_string(found.incarnation));
    out.add("last recovery", recovery_text(found.last_recovery));
    if (found.private_index) {
        out.add("state", "awaits recovery; read through a private index");
    }
    if (found.poisoned) {
        out.add("state", "a write to the disk failed: nothing can be acknowledged as durable");
    }
    out.add("writers", std::to_string(found.writers.size()) + " of " + std::to_string(found.max_handles));
    for (const attached_handle& each : found.writers) {
        out.add("  slot " + std::to_string(each.slot),
                "process " + std::to_string(each.pid) + ", since " + utc_time(each.since_unix_ms));
    }
    return out.text;
}

std::string as_json(const invocation& call, const statistics& found)
{
    json::array writers;
    for (const attached_handle& each : found.writers) {
        writers.push_back(
            json::object{{"slot", each.slot}, {"pid", each.pid}, {"since_unix_ms", each.since_unix_ms}});
    }
    const recovery_summary& last = found.last_recovery;
    json::object recovery{{"at_unix_ms", last.at_unix_ms},
                          {"duration_us", last.duration_us},
                          {"records_kept", last.records_kept},
                          {"entries", last.entries},
                          {"bytes_dropped", last.bytes_dropped}};
    const json::object document{{"file", escaped(call.file.native())},
                                {"uuid", found.uuid},
                                {"created_unix_ms", found.created_unix_ms},
                                {"format_version", found.format_version},
                                {"entries", found.entries},
                                {"file_size", found.file_size},
                                {"disk_bytes", found.disk_bytes},
                                {"live_bytes", found.live_bytes},
                                {"dead_bytes", found.dead_bytes},
                                {"limbo_bytes", found.limbo_bytes},
                                {"log_bytes", found.log_bytes},
                                {"index_bytes", found.index_bytes},
                                {"journal_bytes", found.journal_bytes},
                                {"free_bytes", found.free_bytes},
                                {"index_slots", found.index_slots},
                                {"load_factor", found.load_factor},
                                {"shards", found.shard_count},
                                {"max_handles", found.max_handles},
                                {"sync_generation", found.sync_generation},
                                {"incarnation", found.incarnation},
                                {"poisoned", found.poisoned},
                                {"private_index", found.private_index},
                                {"writers", std::move(writers)},
                                {"last_recovery", std::move(recovery)}};
    return json::serialize(document) + "\n";
}

int run(const invocation& call)
{
    call.expect_arguments(0, 0);
    const statistics found = open_for_reading(call).stats();
    output out;
    out.write(call.json ? as_json(call, found) : as_text(call, found));
    out.finish();
    return exit_success;
}

}  // namespace

extern const command info_command;
const command info_command{
    "info",
    "",
    "print size, state and who has the database open",
    "Live bytes are records that can be found; dead ones were replaced or removed. In limbo is space\n"
    "that holds nothing any more and is free behind the next sync.\n"
    "Writers are handles that are attached for writing.\n",
    takes_json,
    nullptr,
    run,
};

}  // namespace kvdb::app
