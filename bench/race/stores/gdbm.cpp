// SPDX-License-Identifier: BSL-1.0
#include "../registry.hpp"
#include "one_by_one.hpp"

#include <gdbm.h>

#include <cstdlib>
#include <memory>

namespace kvdb::bench {
namespace {

datum datum_of(std::string_view view)
{
    return {const_cast<char*>(view.data()), static_cast<int>(view.size())};
}

struct freer {
    void operator()(char* memory) const { std::free(memory); }  // NOLINT(cppcoreguidelines-no-malloc)
};
using owned = std::unique_ptr<char, freer>;

class gdbm_file : public one_by_one<gdbm_file> {
public:
    static description about()
    {
        return {.id = "gdbm",
                .name = "GDBM",
                .version = std::to_string(GDBM_VERSION_MAJOR) + "." + std::to_string(GDBM_VERSION_MINOR),
                .settings =
                    "mapped, GDBM_NOLOCK, blocks of 4 KiB, a cache for the whole directory; durable rows: "
                    "gdbm_sync"};
    }

    explicit gdbm_file(const plan& how) : durable_(how.durable)
    {
        const auto name = how.folder / "race.gdbm";
        file_ = ::gdbm_open(name.c_str(), 4'096, (how.read_only ? GDBM_READER : GDBM_WRCREAT) | GDBM_NOLOCK, 0644,
                            nullptr);
        if (file_ == nullptr) {
            throw std::runtime_error(std::string("GDBM: ") + ::gdbm_strerror(gdbm_errno));
        }
        std::size_t blocks = how.entries / 16 + 100;
        require(::gdbm_setopt(file_, GDBM_SETCACHESIZE, &blocks, sizeof blocks));
    }
    gdbm_file(const gdbm_file&) = delete;
    gdbm_file& operator=(const gdbm_file&) = delete;
    ~gdbm_file() { ::gdbm_close(file_); }

    bool get(std::string_view key, std::string& value)
    {
        const datum found = ::gdbm_fetch(file_, datum_of(key));
        const owned memory(found.dptr);
        if (!memory) {
            return false;
        }
        value.assign(found.dptr, static_cast<std::size_t>(found.dsize));
        return true;
    }
    bool erase(std::string_view key) { return ::gdbm_delete(file_, datum_of(key)) == 0; }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        std::string value;
        datum key = ::gdbm_firstkey(file_);
        while (key.dptr != nullptr) {
            const owned memory(key.dptr);
            const std::string_view view(key.dptr, static_cast<std::size_t>(key.dsize));
            if (get(view, value)) {
                visit(view, std::string_view(value));
            }
            key = ::gdbm_nextkey(file_, key);
        }
    }
    void flush() { require(::gdbm_sync(file_)); }

private:
    friend one_by_one<gdbm_file>;

    void require(int code) const
    {
        if (code != 0) {
            throw std::runtime_error(std::string("GDBM: ") + ::gdbm_db_strerror(file_));
        }
    }
    void put(std::string_view key, std::string_view value)
    {
        require(::gdbm_store(file_, datum_of(key), datum_of(value), GDBM_REPLACE));
    }
    void sync_if_durable()
    {
        if (durable_) {
            require(::gdbm_sync(file_));
        }
    }

    GDBM_FILE file_;
    bool durable_;
};

const registration gdbm_contestant(50, make_contestant<gdbm_file>);

}  // namespace
}  // namespace kvdb::bench
