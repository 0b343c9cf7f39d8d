// SPDX-License-Identifier: BSL-1.0
#include "../contestant_of.hpp"
#include "../registry.hpp"

#include <fcntl.h>
#include <sys/stat.h>

extern "C" {
#include <tdb.h>
}

#include <algorithm>

namespace kvdb::bench {
namespace {

TDB_DATA data_of(std::string_view view)
{
    return {reinterpret_cast<unsigned char*>(const_cast<char*>(view.data())), view.size()};
}

std::string_view view_of(const TDB_DATA& data)
{
    return {reinterpret_cast<const char*>(data.dptr), data.dsize};
}

class tdb_file {
public:
    static description about()
    {
        return {.id = "tdb",
                .name = "TDB",
                .version = "1.4",
                .settings =
                    "TDB_NOSYNC, TDB_INCOMPATIBLE_HASH, half as many chains as keys; durable rows: "
                    "transactions",
                .processes = true};
    }

    explicit tdb_file(const plan& how) : durable_(how.durable)
    {
        const auto chains = static_cast<int>(std::clamp<std::uint64_t>(how.entries / 2, 1'000, 50'000'000));
        database_ =
            ::tdb_open((how.folder / "race.tdb").c_str(), chains, TDB_INCOMPATIBLE_HASH | (durable_ ? 0 : TDB_NOSYNC),
                       how.read_only ? O_RDONLY : O_RDWR | O_CREAT, 0644);
        if (database_ == nullptr) {
            throw std::runtime_error("TDB: cannot open");
        }
    }
    tdb_file(const tdb_file&) = delete;
    tdb_file& operator=(const tdb_file&) = delete;
    ~tdb_file() { ::tdb_close(database_); }

    bool get(std::string_view key, std::string& value)
    {
        const auto assign = [](TDB_DATA, TDB_DATA found, void* into) {
            static_cast<std::string*>(into)->assign(view_of(found));
            return 0;
        };
        return ::tdb_parse_record(database_, data_of(key), assign, &value) == 0;
    }
    void set(std::string_view key, std::string_view value)
    {
        const entry one(key, value);
        if (durable_) {
            multi_set({&one, 1});
        } else {
            put(key, value);
        }
    }
    void multi_set(std::span<const entry> entries)
    {
        require(::tdb_transaction_start(database_));
        for (const auto& [key, value] : entries) {
            put(key, value);
        }
        require(::tdb_transaction_commit(database_));
    }
    bool erase(std::string_view key) { return ::tdb_delete(database_, data_of(key)) == 0; }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        using plain = std::remove_reference_t<Visitor>;
        const auto each = [](tdb_context*, TDB_DATA key, TDB_DATA value, void* target) {
            (*static_cast<plain*>(target))(view_of(key), view_of(value));
            return 0;
        };
        require(std::min(::tdb_traverse_read(database_, each, &visit), 0));
    }

private:
    void require(int code) const
    {
        if (code != 0) {
            throw std::runtime_error(std::string("TDB: ") + ::tdb_errorstr(database_));
        }
    }
    void put(std::string_view key, std::string_view value)
    {
        require(::tdb_store(database_, data_of(key), data_of(value), TDB_REPLACE));
    }

    tdb_context* database_;
    bool durable_;
};

const registration tdb_contestant(40, make_contestant<tdb_file>);

}  // namespace
}  // namespace kvdb::bench
