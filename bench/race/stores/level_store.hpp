// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_STORES_LEVEL_STORE_HPP
#define KVDB_BENCH_RACE_STORES_LEVEL_STORE_HPP

#include "../contestant_of.hpp"

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace kvdb::bench {

/// What LevelDB and its descendants have in common. `Api` names their types: db, slice, batch, iterator,
/// read_options, write_options; and has `name`, for errors.
template <class Api>
class level_store {
public:
    bool get(std::string_view key, std::string& value) { return database_->Get(read_, slice_of(key), &value).ok(); }
    void set(std::string_view key, std::string_view value)
    {
        require(database_->Put(write_, slice_of(key), slice_of(value)));
    }
    void multi_set(std::span<const entry> entries)
    {
        typename Api::batch batch;
        for (const auto& [key, value] : entries) {
            static_cast<void>(batch.Put(slice_of(key), slice_of(value)));  // what is wrong with it, Write says
        }
        require(database_->Write(write_, &batch));
    }
    bool erase(std::string_view key)
    {
        require(database_->Delete(write_, slice_of(key)));
        return true;
    }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        const std::unique_ptr<typename Api::iterator> at(database_->NewIterator(read_));
        for (at->SeekToFirst(); at->Valid(); at->Next()) {
            visit(view_of(at->key()), view_of(at->value()));
        }
    }

protected:
    using slice = typename Api::slice;

    static slice slice_of(std::string_view view) { return {view.data(), view.size()}; }
    static std::string_view view_of(const slice& of) { return {of.data(), of.size()}; }
    template <class Status>
    static void require(const Status& status)
    {
        if (!status.ok()) {
            throw std::runtime_error(Api::name + (": " + status.ToString()));
        }
    }

    std::unique_ptr<typename Api::db> database_;
    typename Api::read_options read_;
    typename Api::write_options write_;
};

}  // namespace kvdb::bench

#endif
