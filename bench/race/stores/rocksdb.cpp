// SPDX-License-Identifier: BSL-1.0
#include "../contestant_of.hpp"
#include "../registry.hpp"

#include <rocksdb/db.h>
#include <rocksdb/version.h>

#include <memory>

namespace kvdb::bench {
namespace {

rocksdb::Slice slice_of(std::string_view view)
{
    return {view.data(), view.size()};
}

void require(const rocksdb::Status& status)
{
    if (!status.ok()) {
        throw std::runtime_error("RocksDB: " + status.ToString());
    }
}

class rocksdb_store {
public:
    static description about()
    {
        return {.id = "rocksdb",
                .name = "RocksDB",
                .version = rocksdb::GetRocksVersionAsString(),
                .settings =
                    "OptimizeForPointLookup with a block cache for all of it, write buffers of 64 MiB, no "
                    "compression, no log before writing; what is compacted between slices is not timed; "
                    "durable rows: with the log, sync",
                .threads = true,
                .background = true};
    }

    explicit rocksdb_store(const plan& how)
    {
        rocksdb::Options options;
        options.create_if_missing = true;
        options.IncreaseParallelism();
        options.OptimizeForPointLookup((how.entries * (how.value_size + 100) * 3 / 2 >> 20U) + 8);
        options.write_buffer_size = std::size_t{64} << 20U;
        options.compression = rocksdb::kNoCompression;
        rocksdb::DB* opened = nullptr;
        const std::string name = how.folder / "race.rocks";
        require(how.read_only ? rocksdb::DB::OpenForReadOnly(options, name, &opened)
                              : rocksdb::DB::Open(options, name, &opened));
        database_.reset(opened);
        write_.sync = how.durable;
        write_.disableWAL = !how.durable;
    }
    rocksdb_store(const rocksdb_store&) = delete;
    rocksdb_store& operator=(const rocksdb_store&) = delete;
    /// Without a log, what is not flushed is gone.
    ~rocksdb_store() { static_cast<void>(database_->Flush(rocksdb::FlushOptions())); }

    bool get(std::string_view key, std::string& value) { return database_->Get(read_, slice_of(key), &value).ok(); }
    void multi_get(key_batch keys, value_batch values)
    {
        std::vector<rocksdb::Slice> slices(keys.size());
        std::vector<rocksdb::PinnableSlice> found(keys.size());
        std::vector<rocksdb::Status> statuses(keys.size());
        for (std::size_t i = 0; i < keys.size(); ++i) {
            slices[i] = slice_of(keys[i]);
        }
        database_->MultiGet(read_, database_->DefaultColumnFamily(), keys.size(), slices.data(), found.data(),
                            statuses.data());
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (!statuses[i].ok()) {
                values[i].reset();
            } else if (values[i]) {
                values[i]->assign(found[i].data(), found[i].size());
            } else {
                values[i].emplace(found[i].data(), found[i].size());
            }
        }
    }
    void set(std::string_view key, std::string_view value)
    {
        require(database_->Put(write_, slice_of(key), slice_of(value)));
    }
    void multi_set(std::span<const entry> entries)
    {
        rocksdb::WriteBatch batch;
        for (const auto& [key, value] : entries) {
            require(batch.Put(slice_of(key), slice_of(value)));
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
        const std::unique_ptr<rocksdb::Iterator> at(database_->NewIterator(read_));
        for (at->SeekToFirst(); at->Valid(); at->Next()) {
            visit(at->key().ToStringView(), at->value().ToStringView());
        }
    }
    void flush()
    {
        require(database_->Flush(rocksdb::FlushOptions()));
        require(database_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr));
    }

private:
    std::unique_ptr<rocksdb::DB> database_;
    rocksdb::ReadOptions read_;
    rocksdb::WriteOptions write_;
};

const registration rocksdb_contestant(90, make_contestant<rocksdb_store>);

}  // namespace
}  // namespace kvdb::bench
