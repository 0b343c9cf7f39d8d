// SPDX-License-Identifier: BSL-1.0
// Races kvdb against every other store that was there when this was built. See bench/README.md.
#include "arguments.hpp"
#include "files.hpp"
#include "heat.hpp"
#include "registry.hpp"
#include "results.hpp"

#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>

namespace {

using namespace kvdb::bench;

std::string build()
{
#ifdef __clang__
    std::string compiler = "clang " __clang_version__;
#else
    std::string compiler = "g++ " __VERSION__;
#endif
#ifdef NDEBUG
    return compiler;
#else
    return compiler + ", assertions on";
#endif
}

void write(const std::filesystem::path& path, const std::string& text)
{
    if (!path.empty() && !(std::ofstream(path, std::ios::binary) << text << std::flush)) {
        throw std::runtime_error("cannot write " + path.string());
    }
}

void race(const settings& how)
{
    const scratch_folder folder(how.folder);  // outlives those whose files are in it
    auto field = contestants(how.only);
    report all{
        .machine = machine(how.folder), .build = build(), .rounds = how.rounds, .contestants = {}, .heats = {}};
    for (const auto& one : field) {
        all.contestants.push_back(one->about());
    }
    for (const std::uint64_t keys : how.keys) {
        for (const std::uint64_t size : how.values) {
            results& here = all.heats.emplace_back(std::min(keys, how.most_bytes / (key_size + size) + 1), size);
            heat(how, field, folder.path(), here).run();
        }
    }
    const std::string text = to_markdown(all);
    std::fputs(text.c_str(), stdout);
    write(how.markdown, text);
    write(how.json, to_json(all));
    write(how.svg, to_svg(all));
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        const settings how = parse({argv + 1, argv + argc});
        if (how.help) {
            std::fputs(usage, stdout);
            return 0;
        }
        race(how);
        return 0;
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "\nbench_race: %s\n", problem.what());
        return 1;
    }
}
