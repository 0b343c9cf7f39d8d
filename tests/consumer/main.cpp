// SPDX-License-Identifier: BSL-1.0
// Uses every public header, the exception type across the library's border included.
#include <kvdb/kvdb.hpp>

#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace {

void require(bool held, std::string_view what)
{
    if (!held) {
        throw std::runtime_error(std::string(what));
    }
}

void round_trip(const std::filesystem::path& path)
{
    std::filesystem::remove(path);
    {
        kvdb::database db = kvdb::database::open(path);
        db.set("greeting", "hello from kvdb");
        require(db.get("greeting") == "hello from kvdb", "get after set");
        db.close();
    }
    kvdb::database db = kvdb::database::open(path);
    require(db.get("greeting") == "hello from kvdb", "get after reopening");
    require(!db.get("nobody"), "a missing key is absent");
    require(db.size() == 1, "one entry");
    db.close();
    require(!kvdb::inspect_header(path).empty(), "the header has fields");
    std::filesystem::remove(path);
}

void error_is_caught(const std::filesystem::path& path)
{
    kvdb::options how;
    how.mode = kvdb::open_mode::read_only;
    try {
        static_cast<void>(kvdb::database::open(path, how));
    } catch (const kvdb::error& failure) {
        require(failure.reason() == kvdb::errc::no_such_file, "the reason is no_such_file");
        require(failure.code() == kvdb::errc::no_such_file, "error codes compare");
        return;
    }
    require(false, "opening a missing file throws");
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        require(argc == 2, "usage: consumer FILE");
        round_trip(argv[1]);
        error_is_caught(argv[1]);
        std::cout << "kvdb " << KVDB_VERSION_STRING << " works\n";
        return 0;
    } catch (const std::exception& failure) {
        std::cerr << "consumer: " << failure.what() << '\n';
        return 1;
    }
}
