// SPDX-License-Identifier: BSL-1.0
// exchange write FILE, exchange check FILE: one half of a swap of files between builds with different Boost versions.
// `check` also writes, so that the file goes back changed; `check FILE again` expects that.
#include <kvdb/kvdb.hpp>

#include <boost/version.hpp>

#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

constexpr int entries = 5'000;

std::string key(int number)
{
    return "key-" + std::to_string(number);
}

// Some of them are larger than a first extent, so that the file grows in each build.
std::string value(int number, std::string_view mark)
{
    const std::size_t repeats = number % 500 == 0 ? 20'000 : 10;
    std::string text(mark);
    for (std::size_t i = 0; i < repeats; ++i) {
        text += std::to_string(number);
    }
    return text;
}

void require(bool held, const std::string& what)
{
    if (!held) {
        throw std::runtime_error(what);
    }
}

void fill(kvdb::database& db, std::string_view mark)
{
    for (int i = 0; i < entries; ++i) {
        db.set(key(i), value(i, mark));
    }
}

void expect(const kvdb::database& db, std::string_view mark)
{
    require(db.size() == entries, "number of entries");
    for (int i = 0; i < entries; ++i) {
        require(db.get(key(i)) == value(i, mark), key(i));
    }
    require(db.check().ok(), "check() finds no fault");
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        require(argc >= 3, "usage: exchange write|check FILE [again]");
        const std::string_view job = argv[1];
        const bool again = argc > 3;
        kvdb::database db = kvdb::database::open(argv[2]);
        if (job == "write") {
            fill(db, "first");
        } else {
            expect(db, again ? "second" : "first");
            fill(db, "second");
            expect(db, "second");
        }
        db.close();
        std::cout << "Boost " << BOOST_VERSION / 100'000 << '.' << BOOST_VERSION / 100 % 1'000 << ": " << job
                  << " of " << argv[2] << " done\n";
        return 0;
    } catch (const std::exception& failure) {
        std::cerr << "exchange: Boost " << BOOST_LIB_VERSION << ": " << failure.what() << '\n';
        return 1;
    }
}
