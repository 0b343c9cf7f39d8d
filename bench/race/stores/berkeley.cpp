// SPDX-License-Identifier: BSL-1.0
#include "../registry.hpp"
#include "one_by_one.hpp"

#include <db.h>

#include <algorithm>

namespace kvdb::bench {
namespace {

void require(int code)
{
    if (code != 0) {
        throw std::runtime_error(std::string("Berkeley DB: ") + ::db_strerror(code));
    }
}

DBT thang_of(std::string_view view)
{
    DBT made{};
    made.data = const_cast<char*>(view.data());
    made.size = static_cast<u_int32_t>(view.size());
    return made;
}

std::string_view view_of(const DBT& thang)
{
    return {static_cast<const char*>(thang.data), thang.size};
}

class berkeley_store : public one_by_one<berkeley_store> {
public:
    static description about()
    {
        return {.id = "berkeley",
                .name = "Berkeley DB hash",
                .version = std::to_string(DB_VERSION_MAJOR) + "." + std::to_string(DB_VERSION_MINOR),
                .settings = "no environment, no transactions, a cache for all of it; durable rows: DB->sync"};
    }

    explicit berkeley_store(const plan& how) : durable_(how.durable)
    {
        const std::uint64_t wanted = how.entries * (how.value_size + 100) * 3 / 2 + (std::uint64_t{64} << 20U);
        const std::uint64_t cache = std::min(wanted, std::uint64_t{8} << 30U);
        require(::db_create(&database_, nullptr, 0));
        require(database_->set_cachesize(database_, static_cast<u_int32_t>(cache >> 30U),
                                         static_cast<u_int32_t>(cache & ((1U << 30U) - 1)), 1));
        require(database_->set_h_nelem(database_, static_cast<u_int32_t>(how.entries)));
        require(database_->open(database_, nullptr, (how.folder / "race.bdb").c_str(), nullptr, DB_HASH,
                                how.read_only ? DB_RDONLY : DB_CREATE, 0644));
    }
    berkeley_store(const berkeley_store&) = delete;
    berkeley_store& operator=(const berkeley_store&) = delete;
    ~berkeley_store() { database_->close(database_, 0); }

    bool get(std::string_view key, std::string& value)
    {
        DBT k = thang_of(key);
        DBT v{};
        if (database_->get(database_, nullptr, &k, &v, 0) != 0) {
            return false;
        }
        value.assign(view_of(v));
        return true;
    }
    bool erase(std::string_view key)
    {
        DBT k = thang_of(key);
        return database_->del(database_, nullptr, &k, 0) == 0;
    }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        DBC* cursor = nullptr;
        require(database_->cursor(database_, nullptr, &cursor, 0));
        DBT k{};
        DBT v{};
        while (cursor->get(cursor, &k, &v, DB_NEXT) == 0) {
            visit(view_of(k), view_of(v));
        }
        require(cursor->close(cursor));
    }
    void flush() { require(database_->sync(database_, 0)); }

private:
    friend one_by_one<berkeley_store>;

    void put(std::string_view key, std::string_view value)
    {
        DBT k = thang_of(key);
        DBT v = thang_of(value);
        require(database_->put(database_, nullptr, &k, &v, 0));
    }
    void sync_if_durable()
    {
        if (durable_) {
            require(database_->sync(database_, 0));
        }
    }

    DB* database_ = nullptr;
    bool durable_;
};

const registration berkeley_contestant(60, make_contestant<berkeley_store>);

}  // namespace
}  // namespace kvdb::bench
