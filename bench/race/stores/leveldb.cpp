// SPDX-License-Identifier: BSL-1.0
#include "../registry.hpp"
#include "level_store.hpp"

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/write_batch.h>

#include <algorithm>
#include <memory>

namespace kvdb::bench {
namespace {

struct leveldb_api {
    using db = leveldb::DB;
    using slice = leveldb::Slice;
    using batch = leveldb::WriteBatch;
    using iterator = leveldb::Iterator;
    using read_options = leveldb::ReadOptions;
    using write_options = leveldb::WriteOptions;
    static constexpr const char* name = "LevelDB";
};

class leveldb_store : public level_store<leveldb_api> {
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

    ~leveldb_store() { database_.reset(); }  // before what it uses
    leveldb_store(const leveldb_store&) = delete;
    leveldb_store& operator=(const leveldb_store&) = delete;

    void flush() { database_->CompactRange(nullptr, nullptr); }

private:
    std::unique_ptr<leveldb::Cache> cache_;
    std::unique_ptr<const leveldb::FilterPolicy> filter_;
};

const registration leveldb_contestant(80, make_contestant<leveldb_store>);

}  // namespace
}  // namespace kvdb::bench
