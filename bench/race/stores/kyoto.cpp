// SPDX-License-Identifier: BSL-1.0
#include "../registry.hpp"
#include "one_by_one.hpp"

#include <kchashdb.h>

namespace kvdb::bench {
namespace {

template <class Function>
class visiting final : public kyotocabinet::DB::Visitor {
public:
    explicit visiting(Function& visit) : visit_(visit) {}

private:
    const char* visit_full(const char* key, std::size_t key_length, const char* value, std::size_t length,
                           std::size_t* /*replaced by*/) override
    {
        visit_(std::string_view(key, key_length), std::string_view(value, length));
        return NOP;
    }

    Function& visit_;
};

class kyoto_store : public one_by_one<kyoto_store> {
public:
    static description about()
    {
        return {.id = "kyoto",
                .name = "Kyoto HashDB",
                .version = kyotocabinet::VERSION,
                .settings =
                    "TLINEAR, twice as many buckets as keys, the whole file mapped; durable rows: "
                    "synchronize(true)",
                .threads = true};
    }

    explicit kyoto_store(const plan& how) : durable_(how.durable)
    {
        const auto entries = static_cast<std::int64_t>(how.entries);
        database_.tune_options(kyotocabinet::HashDB::TLINEAR);
        database_.tune_buckets(2 * entries);
        database_.tune_map((entries + 1'000) * static_cast<std::int64_t>(2 * how.value_size + 100));
        std::uint32_t mode = kyotocabinet::HashDB::OREADER;
        if (!how.read_only) {
            mode = kyotocabinet::HashDB::OWRITER | kyotocabinet::HashDB::OCREATE;
        }
        require(database_.open(how.folder / "race.kch", mode));
    }
    kyoto_store(const kyoto_store&) = delete;
    kyoto_store& operator=(const kyoto_store&) = delete;
    ~kyoto_store() { database_.close(); }

    bool get(std::string_view key, std::string& value)
    {
        bool hit = false;
        auto visit = [&](std::string_view, std::string_view found) {
            value.assign(found);
            hit = true;
        };
        visiting<decltype(visit)> visitor(visit);
        require(database_.accept(key.data(), key.size(), &visitor, false));
        return hit;
    }
    bool erase(std::string_view key) { return database_.remove(key.data(), key.size()); }
    template <class Visitor>
    void scan(Visitor&& visit)
    {
        visiting<Visitor> visitor(visit);
        require(database_.iterate(&visitor, false));
    }
    void flush() { require(database_.synchronize(false)); }

private:
    friend one_by_one<kyoto_store>;

    void require(bool good) const
    {
        if (!good) {
            throw std::runtime_error(std::string("Kyoto Cabinet: ") + database_.error().message());
        }
    }
    void put(std::string_view key, std::string_view value)
    {
        require(database_.set(key.data(), key.size(), value.data(), value.size()));
    }
    void sync_if_durable()
    {
        if (durable_) {
            require(database_.synchronize(true));
        }
    }

    kyotocabinet::HashDB database_;
    bool durable_;
};

const registration kyoto_contestant(30, make_contestant<kyoto_store>);

}  // namespace
}  // namespace kvdb::bench
