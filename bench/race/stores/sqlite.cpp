// SPDX-License-Identifier: BSL-1.0
#include "../contestant_of.hpp"
#include "../registry.hpp"

#include <sqlite3.h>

namespace kvdb::bench {
namespace {

class sqlite_store {
public:
    static description about()
    {
        return {.id = "sqlite",
                .name = "SQLite",
                .version = ::sqlite3_libversion(),
                .settings =
                    "a table WITHOUT ROWID, prepared statements, WAL, synchronous=OFF, mapped as far as it allows (2 "
                    "GiB), a "
                    "cache of 256 MiB, a checkpoint every 10,000 pages; durable rows: synchronous=FULL",
                .processes = true,
                .threads = true};
    }

    explicit sqlite_store(const plan& how)
        : name_(how.folder / "race.sqlite"), synchronous_(how.durable ? "FULL" : "OFF")
    {
        open();
    }
    sqlite_store(sqlite_store& other, another_thread) : name_(other.name_), synchronous_(other.synchronous_)
    {
        open();
    }
    sqlite_store(const sqlite_store&) = delete;
    sqlite_store& operator=(const sqlite_store&) = delete;
    ~sqlite_store()
    {
        for (sqlite3_stmt* const statement : {select_, replace_, delete_, walk_, begin_, commit_}) {
            ::sqlite3_finalize(statement);
        }
        ::sqlite3_close(connection_);
    }

    bool get(std::string_view key, std::string& value)
    {
        bind(select_, 1, key);
        const bool found = ::sqlite3_step(select_) == SQLITE_ROW;
        if (found) {
            value.assign(column(select_, 0));
        }
        ::sqlite3_reset(select_);
        return found;
    }
    void set(std::string_view key, std::string_view value)
    {
        bind(replace_, 1, key);
        bind(replace_, 2, value);
        step(replace_);
    }
    void multi_set(std::span<const entry> entries)
    {
        step(begin_);
        for (const auto& [key, value] : entries) {
            set(key, value);
        }
        step(commit_);
    }
    bool erase(std::string_view key)
    {
        bind(delete_, 1, key);
        step(delete_);
        return ::sqlite3_changes(connection_) == 1;
    }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        while (::sqlite3_step(walk_) == SQLITE_ROW) {
            visit(column(walk_, 0), column(walk_, 1));
        }
        ::sqlite3_reset(walk_);
    }
    void flush() { run("PRAGMA wal_checkpoint(TRUNCATE)"); }

private:
    void require(bool good) const
    {
        if (!good) {
            throw std::runtime_error(std::string("SQLite: ") + ::sqlite3_errmsg(connection_));
        }
    }
    void run(const std::string& text)
    {
        require(::sqlite3_exec(connection_, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    }
    [[nodiscard]] sqlite3_stmt* prepare(const char* text)
    {
        sqlite3_stmt* made = nullptr;
        require(::sqlite3_prepare_v3(connection_, text, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr) == SQLITE_OK);
        return made;
    }
    void open()
    {
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        if (::sqlite3_open_v2(name_.c_str(), &connection_, flags, nullptr) != SQLITE_OK) {
            throw std::runtime_error("SQLite: cannot open");
        }
        ::sqlite3_busy_timeout(connection_, 60'000);
        run("PRAGMA journal_mode=WAL; PRAGMA synchronous=" + synchronous_ +
            "; PRAGMA mmap_size=68719476736; PRAGMA cache_size=-262144; PRAGMA wal_autocheckpoint=10000;"
            "CREATE TABLE IF NOT EXISTS entries(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID");
        select_ = prepare("SELECT value FROM entries WHERE key = ?");
        replace_ =
            prepare("INSERT INTO entries VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value");
        delete_ = prepare("DELETE FROM entries WHERE key = ?");
        walk_ = prepare("SELECT key, value FROM entries");
        begin_ = prepare("BEGIN IMMEDIATE");
        commit_ = prepare("COMMIT");
    }
    static void bind(sqlite3_stmt* statement, int at, std::string_view bytes)
    {
        ::sqlite3_bind_blob(statement, at, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
    }
    static std::string_view column(sqlite3_stmt* statement, int at)
    {
        const auto* const bytes = static_cast<const char*>(::sqlite3_column_blob(statement, at));
        return {bytes, static_cast<std::size_t>(::sqlite3_column_bytes(statement, at))};
    }
    void step(sqlite3_stmt* statement)
    {
        const int code = ::sqlite3_step(statement);
        ::sqlite3_reset(statement);
        require(code == SQLITE_DONE);
    }

    std::filesystem::path name_;
    std::string synchronous_;
    sqlite3* connection_ = nullptr;
    sqlite3_stmt* select_ = nullptr;
    sqlite3_stmt* replace_ = nullptr;
    sqlite3_stmt* delete_ = nullptr;
    sqlite3_stmt* walk_ = nullptr;
    sqlite3_stmt* begin_ = nullptr;
    sqlite3_stmt* commit_ = nullptr;
};

const registration sqlite_contestant(70, make_contestant<sqlite_store>);

}  // namespace
}  // namespace kvdb::bench
