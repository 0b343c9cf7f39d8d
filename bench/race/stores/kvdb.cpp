// SPDX-License-Identifier: BSL-1.0
#include "../contestant_of.hpp"
#include "../registry.hpp"

#include <kvdb/kvdb.hpp>

namespace kvdb::bench {
namespace {

class kvdb_store {
public:
    static description about()
    {
        return {.id = "kvdb",
                .name = "kvdb",
                .version = KVDB_VERSION_STRING,
                .settings = "the defaults; durable rows: durability::sync",
                .processes = true,
                .threads = true};
    }

    explicit kvdb_store(const plan& how)
        : database_(database::open(how.folder / "race.kvdb", options_of(how))), durable_(how.durable)
    {
    }

    bool get(std::string_view key, std::string& value) { return database_.get(key, value); }
    void set(std::string_view key, std::string_view value) { database_.set(key, value); }
    bool erase(std::string_view key) { return database_.erase(key); }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        database_.for_each(visit);
    }

    // Templates, so that they are there once the library has the functions.
    template <class Database = database>
    void multi_get(key_batch keys, value_batch values) requires requires(const Database& d)
    {
        d.multi_get(keys, values);
    }
    {
        static_cast<const Database&>(database_).multi_get(keys, values);
    }

    template <class Database = database>
    void multi_set(std::span<const entry> entries)
    {
        if constexpr (requires(Database & d) { d.multi_set(entries); }) {
            static_cast<Database&>(database_).multi_set(entries);
        } else {
            for (const auto& [key, value] : entries) {
                database_.set(key, value, durability::relaxed);
            }
            if (durable_) {
                database_.sync();
            }
        }
    }

private:
    static options options_of(const plan& how)
    {
        options made;
        made.mode = how.read_only ? open_mode::read_only : open_mode::open_or_create;
        made.durable = how.durable ? durability::sync : durability::relaxed;
        return made;
    }

    database database_;
    bool durable_;
};

const registration kvdb_contestant(0, make_contestant<kvdb_store>);

}  // namespace
}  // namespace kvdb::bench
