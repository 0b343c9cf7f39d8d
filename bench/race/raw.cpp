// SPDX-License-Identifier: BSL-1.0
// What the machine allows: the cache misses of a get and nothing else, a pwrite and fdatasync and nothing else.
#include "registry.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace kvdb::bench {
namespace {

void require(bool good, const char* what)
{
    if (!good) {
        throw std::system_error(errno, std::generic_category(), std::string("raw limit: ") + what);
    }
}

/// A file of `size` zeros, written out, so that nothing is allocated or met for the first time later.
class zero_file {
public:
    zero_file(const std::filesystem::path& path, std::uint64_t size)
        : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644))
    {
        require(descriptor_ >= 0, "open");
        const std::string zeros(1U << 20U, '\0');
        for (std::uint64_t at = 0; at < size; at += zeros.size()) {
            write(zeros, at);
        }
    }
    zero_file(const zero_file&) = delete;
    zero_file& operator=(const zero_file&) = delete;
    ~zero_file() { ::close(descriptor_); }

    void write(const std::string& bytes, std::uint64_t at) const
    {
        require(::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(at)) ==
                    static_cast<ssize_t>(bytes.size()),
                "pwrite");
    }
    void flush() const { require(::fdatasync(descriptor_) == 0, "fdatasync"); }
    [[nodiscard]] int descriptor() const { return descriptor_; }

private:
    int descriptor_;
};

/// Records as large as kvdb's, and an index of as many bytes as its, in a mapped file. The word of the index at an
/// entry's place says where its record lies; the record says which entry is next.
class reads {
public:
    reads(const std::filesystem::path& path, std::uint64_t entries, std::size_t value_size)
        : entries_(entries),
          value_size_(value_size),
          record_size_((16 + key_size + value_size + 3) / 4 * 4),
          size_(entries * (index_bytes + record_size_) + 64),
          file_(path, size_)
    {
        void* const address = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, file_.descriptor(), 0);
        require(address != MAP_FAILED, "mmap");
        base_ = static_cast<char*>(address);
        std::mt19937_64 random(42);
        const auto place = shuffled(entries, random);
        const auto record = shuffled(entries, random);
        for (std::uint64_t i = 0; i < entries; ++i) {
            const std::uint64_t next = place[(i + 1) % entries];
            const std::uint64_t at = record[i];
            std::memcpy(word_of(place[i]), &at, sizeof at);
            std::memset(record_of(at), 'r', record_size_);
            std::memcpy(record_of(at) + 16 + key_size, &next, std::min(sizeof next, value_size));
        }
        order_ = shuffled(entries, random);
        places_ = shuffled(entries, random);
    }
    reads(const reads&) = delete;
    reads& operator=(const reads&) = delete;
    ~reads() { ::munmap(base_, size_); }

    /// A line of the index and a record at addresses that are known in advance: the processor overlaps what it can.
    void independent(std::uint64_t count)
    {
        for (std::uint64_t i = 0; i < count; ++i) {
            at_ = at_ + 1 < entries_ ? at_ + 1 : 0;
            seen_ += static_cast<unsigned char>(*word_of(places_[at_]));
            copy(order_[at_]);
        }
    }

    /// Each address comes from the line before it.
    void dependent(std::uint64_t count)
    {
        for (std::uint64_t i = 0; i < count; ++i) {
            std::uint64_t record = 0;
            std::memcpy(&record, word_of(chain_), sizeof record);
            copy(record);
            std::memcpy(&chain_, value_.data(), sizeof chain_);
        }
    }

    /// Of what was read, so that it is.
    [[nodiscard]] std::uint64_t seen() const { return seen_; }

private:
    static constexpr std::uint64_t index_bytes = 12;

    char* word_of(std::uint64_t place) { return base_ + place * index_bytes; }
    char* record_of(std::uint64_t record) { return base_ + entries_ * index_bytes + record * record_size_; }
    void copy(std::uint64_t record)
    {
        const char* const from = record_of(record);
        seen_ += static_cast<unsigned char>(*from);
        value_.assign(from + 16 + key_size, value_size_);
    }

    std::uint64_t entries_;
    std::size_t value_size_;
    std::size_t record_size_;
    std::uint64_t size_;
    zero_file file_;
    char* base_ = nullptr;
    std::vector<std::uint32_t> order_;
    std::vector<std::uint32_t> places_;
    std::uint64_t at_ = 0;
    std::uint64_t chain_ = 0;
    std::uint64_t seen_ = 0;
    std::string value_;
};

/// Commits of as many bytes as kvdb's records have.
class commits {
public:
    commits(const std::filesystem::path& path, std::size_t value_size)
        : record_((16 + key_size + value_size + 3) / 4 * 4, 'r'), file_(path, size)
    {
        file_.flush();
    }

    void commit(std::uint64_t records)
    {
        for (std::uint64_t i = 0; i < records; ++i) {
            at_ = at_ + 2 * record_.size() < size ? at_ + record_.size() : 0;
            file_.write(record_, at_);
        }
        file_.flush();
    }

private:
    static constexpr std::uint64_t size = std::uint64_t{64} << 20U;

    std::string record_;
    zero_file file_;
    std::uint64_t at_ = 0;
};

class raw_limit final : public contestant {
public:
    [[nodiscard]] const description& about() const override { return about_; }

    void open(const plan& how) override
    {
        std::filesystem::create_directories(how.folder);
        if (how.durable) {
            commits_ = std::make_unique<commits>(how.folder / "raw", how.value_size);
        } else {
            reads_ = std::make_unique<reads>(how.folder / "raw", how.entries, how.value_size);
        }
    }
    void close() override
    {
        reads_.reset();
        commits_.reset();
    }
    [[nodiscard]] bool can(workload what) const override
    {
        if (commits_) {
            return what == workload::set || what == workload::multi_set;
        }
        return reads_ && (what == workload::get || what == workload::dependent_get);
    }
    outcome run(const job& what) override
    {
        const std::uint64_t count = what.keys.count;
        switch (what.what) {
            case workload::get: reads_->independent(count); break;
            case workload::dependent_get: reads_->dependent(count); break;
            case workload::set: commit(count, 1); break;
            case workload::multi_set: commit(count, what.batch); break;
            default: throw std::logic_error("no raw limit");
        }
        return {count, reads_ && reads_->seen() == 0 ? 0 : count};
    }
    std::unique_ptr<contestant> beside() override { return nullptr; }
    std::uint64_t bytes() override { return 0; }

private:
    void commit(std::uint64_t count, std::uint64_t batch)
    {
        for (std::uint64_t i = 0; i < count; i += batch) {
            commits_->commit(std::min(batch, count - i));
        }
    }

    description about_{.id = "raw",
                       .name = "raw limit",
                       .version = "",
                       .settings =
                           "gets: a cache line of an index and the lines of the record, in a mapped file; "
                           "durable rows: pwrite + fdatasync of the same bytes",
                       .limit = true};
    std::unique_ptr<reads> reads_;
    std::unique_ptr<commits> commits_;
};

const registration raw_contestant(130, [] { return std::unique_ptr<contestant>(new raw_limit); });

}  // namespace
}  // namespace kvdb::bench
