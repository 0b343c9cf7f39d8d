// SPDX-License-Identifier: BSL-1.0
#include "../registry.hpp"
#include "one_by_one.hpp"

#include <tkrzw_dbm_hash.h>

namespace kvdb::bench {
namespace {

void require(const tkrzw::Status& status)
{
    if (!status.IsOK()) {
        throw std::runtime_error("tkrzw: " + tkrzw::ToString(status));
    }
}

template <class Visitor>
class visiting final : public tkrzw::DBM::RecordProcessor {
public:
    explicit visiting(Visitor& visit) : visit_(visit) {}
    std::string_view ProcessFull(std::string_view key, std::string_view value) override
    {
        visit_(key, value);
        return NOOP;
    }

private:
    Visitor& visit_;
};

class tkrzw_store : public one_by_one<tkrzw_store> {
public:
    static description about()
    {
        return {.id = "tkrzw",
                .name = "tkrzw HashDBM",
                .version = tkrzw::PACKAGE_VERSION,
                .settings =
                    "MemoryMapParallelFile, updates in place, as many buckets as keys; durable rows: "
                    "Synchronize(true)",
                .threads = true};
    }

    explicit tkrzw_store(const plan& how) : durable_(how.durable)
    {
        tkrzw::HashDBM::TuningParameters tuning;
        tuning.update_mode = tkrzw::HashDBM::UPDATE_IN_PLACE;
        tuning.num_buckets = static_cast<std::int64_t>(how.entries);
        require(database_.OpenAdvanced(how.folder / "race.tkh", !how.read_only, tkrzw::File::OPEN_DEFAULT, tuning));
    }
    tkrzw_store(const tkrzw_store&) = delete;
    tkrzw_store& operator=(const tkrzw_store&) = delete;
    ~tkrzw_store() { database_.Close(); }

    bool get(std::string_view key, std::string& value) { return database_.Get(key, &value).IsOK(); }
    bool erase(std::string_view key) { return database_.Remove(key).IsOK(); }
    template <class Visitor>
    void scan(Visitor&& visit)
    {
        visiting<Visitor> processor(visit);
        require(database_.ProcessEach(&processor, false));
    }
    void flush() { require(database_.Synchronize(false)); }

private:
    friend one_by_one<tkrzw_store>;

    void put(std::string_view key, std::string_view value) { require(database_.Set(key, value)); }
    void sync_if_durable()
    {
        if (durable_) {
            require(database_.Synchronize(true));
        }
    }

    tkrzw::HashDBM database_;
    bool durable_;
};

const registration tkrzw_contestant(20, make_contestant<tkrzw_store>);

}  // namespace
}  // namespace kvdb::bench
