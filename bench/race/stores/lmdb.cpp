// SPDX-License-Identifier: BSL-1.0
#include "../contestant_of.hpp"
#include "../registry.hpp"

#include <lmdb.h>

#include <algorithm>

namespace kvdb::bench {
namespace {

void require(int code, const char* what)
{
    if (code != 0) {
        throw std::runtime_error(std::string("LMDB: ") + what + ": " + mdb_strerror(code));
    }
}

MDB_val bytes_of(std::string_view view)
{
    return {view.size(), const_cast<char*>(view.data())};
}

std::string_view view_of(const MDB_val& bytes)
{
    return {static_cast<const char*>(bytes.mv_data), bytes.mv_size};
}

class lmdb_store {
public:
    static description about()
    {
        return {.id = "lmdb",
                .name = "LMDB",
                .version = std::to_string(MDB_VERSION_MAJOR) + "." + std::to_string(MDB_VERSION_MINOR) + "." +
                           std::to_string(MDB_VERSION_PATCH),
                .settings =
                    "MDB_NOSYNC, MDB_NOMETASYNC, MDB_WRITEMAP, a read transaction renewed for each get, one put "
                    "a transaction; durable rows: the default flushes",
                .processes = true,
                .threads = true};
    }

    explicit lmdb_store(const plan& how) : owner_(true)
    {
        const unsigned fast = MDB_NOSYNC | MDB_NOMETASYNC | MDB_WRITEMAP;
        const auto wanted = how.entries * (how.value_size + 200) * 4;
        require(mdb_env_create(&environment_), "create");
        require(mdb_env_set_mapsize(environment_, std::max<std::uint64_t>(wanted, std::uint64_t{4} << 30)), "size");
        require(mdb_env_open(environment_, (how.folder / "race.mdb").c_str(),
                             MDB_NOSUBDIR | MDB_NOTLS |
                                 (how.read_only ? MDB_RDONLY
                                  : how.durable ? 0
                                                : fast),
                             0644),
                "open");
        MDB_txn* transaction = begin(how.read_only ? MDB_RDONLY : 0);
        require(mdb_dbi_open(transaction, nullptr, 0, &table_), "open table");
        require(mdb_txn_commit(transaction), "commit");
        start_reader();
    }
    lmdb_store(lmdb_store& other, another_thread)
        : environment_(other.environment_), table_(other.table_), owner_(false)
    {
        start_reader();
    }
    lmdb_store(const lmdb_store&) = delete;
    lmdb_store& operator=(const lmdb_store&) = delete;
    ~lmdb_store()
    {
        mdb_txn_abort(reader_);
        if (owner_) {
            mdb_env_close(environment_);
        }
    }

    bool get(std::string_view key, std::string& value)
    {
        require(mdb_txn_renew(reader_), "renew");
        const bool found = look_up(key, value);
        mdb_txn_reset(reader_);
        return found;
    }
    void multi_get(key_batch keys, value_batch values)
    {
        require(mdb_txn_renew(reader_), "renew");
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (!values[i]) {
                values[i].emplace();
            }
            if (!look_up(keys[i], *values[i])) {
                values[i].reset();
            }
        }
        mdb_txn_reset(reader_);
    }
    void set(std::string_view key, std::string_view value)
    {
        MDB_txn* transaction = begin();
        put(transaction, key, value);
        require(mdb_txn_commit(transaction), "commit");
    }
    void multi_set(std::span<const entry> entries)
    {
        MDB_txn* transaction = begin();
        for (const auto& [key, value] : entries) {
            put(transaction, key, value);
        }
        require(mdb_txn_commit(transaction), "commit");
    }
    bool erase(std::string_view key)
    {
        MDB_txn* transaction = begin();
        MDB_val k = bytes_of(key);
        const bool found = mdb_del(transaction, table_, &k, nullptr) == 0;
        require(mdb_txn_commit(transaction), "commit");
        return found;
    }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        require(mdb_txn_renew(reader_), "renew");
        MDB_cursor* cursor = nullptr;
        require(mdb_cursor_open(reader_, table_, &cursor), "cursor");
        MDB_val k{};
        MDB_val v{};
        while (mdb_cursor_get(cursor, &k, &v, MDB_NEXT) == 0) {
            visit(view_of(k), view_of(v));
        }
        mdb_cursor_close(cursor);
        mdb_txn_reset(reader_);
    }

private:
    MDB_txn* begin(unsigned flags = 0)
    {
        MDB_txn* transaction = nullptr;
        require(mdb_txn_begin(environment_, nullptr, flags, &transaction), "begin");
        return transaction;
    }
    void start_reader()
    {
        require(mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &reader_), "begin reading");
        mdb_txn_reset(reader_);
    }
    bool look_up(std::string_view key, std::string& value)
    {
        MDB_val k = bytes_of(key);
        MDB_val v{};
        if (mdb_get(reader_, table_, &k, &v) != 0) {
            return false;
        }
        value.assign(view_of(v));
        return true;
    }
    void put(MDB_txn* transaction, std::string_view key, std::string_view value)
    {
        MDB_val k = bytes_of(key);
        MDB_val v = bytes_of(value);
        require(mdb_put(transaction, table_, &k, &v, 0), "put");
    }

    MDB_env* environment_ = nullptr;
    MDB_txn* reader_ = nullptr;
    MDB_dbi table_ = 0;
    bool owner_;
};

const registration lmdb_contestant(10, make_contestant<lmdb_store>);

}  // namespace
}  // namespace kvdb::bench
