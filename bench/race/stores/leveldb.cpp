// SPDX-License-Identifier: BSL-1.0
#include "../contestant_of.hpp"
#include "../registry.hpp"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <memory>

namespace kvdb::bench {
namespace {

leveldb::Slice slice_of(std::string_view view)
{
    return {view.data(), view.size()};
}

std::string_view view_of(const leveldb::Slice& slice)
{
    return {slice.data(), slice.size()};
}

void require(const leveldb::Status& status)
{
    if (!status.ok()) {
        throw std::runtime_error("LevelDB: " + status.ToString());
    }
}

class leveldb_store {
public:
    static description about()
    {
        return {.id = "leveldb",
                .name = "LevelDB",
                .version = std::to_string(leveldb::kMajorVersion) + "." + std::to_string(leveldb::kMinorVersion),
                .settings =
                    "a write buffer of 64 MiB, a block cache for all of it, a Bloom filter of 10 bits, no "
                    "compression; what is compacted between slices is not timed; durable rows: sync",
                .threads = true,
                .background = true};
    }

    explicit leveldb_store(const plan& how)
        : cache_(leveldb::NewLRUCache(how.entries * (how.value_size + 100) * 3 / 2 + (8U << 20U))),
          filter_(leveldb::NewBloomFilterPolicy(10))
    {
        leveldb::Options options;
        options.create_if_missing = true;
        options.write_buffer_size = std::size_t{64} << 20U;
        options.max_file_size = std::size_t{32} << 20U;
        options.block_cache = cache_.get();
        options.filter_policy = filter_.get();
        options.compression = leveldb::kNoCompression;
        leveldb::DB* opened = nullptr;
        require(leveldb::DB::Open(options, (how.folder / "race.ldb").string(), &opened));
        database_.reset(opened);
        write_.sync = how.durable;
    }

    bool get(std::string_view key, std::string& value) { return database_->Get(read_, slice_of(key), &value).ok(); }
    void set(std::string_view key, std::string_view value)
    {
        require(database_->Put(write_, slice_of(key), slice_of(value)));
    }
    void multi_set(std::span<const entry> entries)
    {
        leveldb::WriteBatch batch;
        for (const auto& [key, value] : entries) {
            batch.Put(slice_of(key), slice_of(value));
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
        const std::unique_ptr<leveldb::Iterator> at(database_->NewIterator(read_));
        for (at->SeekToFirst(); at->Valid(); at->Next()) {
            visit(view_of(at->key()), view_of(at->value()));
        }
    }
    void flush() { database_->CompactRange(nullptr, nullptr); }

private:
    std::unique_ptr<leveldb::Cache> cache_;
    std::unique_ptr<const leveldb::FilterPolicy> filter_;
    std::unique_ptr<leveldb::DB> database_;
    leveldb::ReadOptions read_;
    leveldb::WriteOptions write_;
};

const registration leveldb_contestant(80, make_contestant<leveldb_store>);

}  // namespace
}  // namespace kvdb::bench
