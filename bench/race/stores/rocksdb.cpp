// SPDX-License-Identifier: BSL-1.0
#include "../registry.hpp"
#include "level_store.hpp"

#include <rocksdb/db.h>
#include <rocksdb/version.h>

#include <memory>

namespace kvdb::bench {
namespace {

struct rocksdb_api {
    using db = rocksdb::DB;
    using slice = rocksdb::Slice;
    using batch = rocksdb::WriteBatch;
    using iterator = rocksdb::Iterator;
    using read_options = rocksdb::ReadOptions;
    using write_options = rocksdb::WriteOptions;
    static constexpr const char* name = "RocksDB";
};

class rocksdb_store : public level_store<rocksdb_api> {
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
    void flush()
    {
        require(database_->Flush(rocksdb::FlushOptions()));
        require(database_->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr));
    }
};

const registration rocksdb_contestant(90, make_contestant<rocksdb_store>);

}  // namespace
}  // namespace kvdb::bench
