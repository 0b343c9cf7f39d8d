// SPDX-License-Identifier: BSL-1.0
// Runs a fuzz harness over stored inputs, for compilers without libFuzzer: every file below the folders given.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::vector<std::uint8_t> contents(const fs::path& path)
{
    std::ifstream in(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!in.good() && !in.eof()) {
        throw fs::filesystem_error("cannot read", path, std::make_error_code(std::errc::io_error));
    }
    return {bytes.begin(), bytes.end()};
}

std::size_t replay(const fs::path& place)
{
    std::vector<fs::path> files;
    if (fs::is_regular_file(place)) {
        files.push_back(place);
    } else {
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(place)) {
            if (entry.is_regular_file()) {
                files.push_back(entry.path());
            }
        }
    }
    for (const fs::path& file : files) {
        // Said beforehand, so that a crash leaves the name of its input as the last line.
        std::printf("%s\n", file.c_str());
        std::fflush(stdout);
        const std::vector<std::uint8_t> input = contents(file);
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    return files.size();
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        std::size_t count = 0;
        for (int i = 1; i < argc; ++i) {
            count += replay(argv[i]);
        }
        std::printf("%zu inputs replayed\n", count);
        if (count == 0) {
            std::fputs("no input: name folders that hold some\n", stderr);
            return 1;
        }
        return 0;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "replay failed: %s\n", failure.what());
        return 1;
    }
}
