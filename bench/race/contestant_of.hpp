// SPDX-License-Identifier: BSL-1.0
#ifndef KVDB_BENCH_RACE_CONTESTANT_OF_HPP
#define KVDB_BENCH_RACE_CONTESTANT_OF_HPP

#include "files.hpp"
#include "workloads.hpp"

#include <memory>

namespace kvdb::bench {

/// Tag of the constructor that makes a store's object for one more thread.
struct another_thread {};

/// Makes a contestant of a class with
///
///     static description about();
///     explicit Store(const plan&);                            // opens or creates
///     bool get(std::string_view key, std::string& value);
///     void set(std::string_view key, std::string_view value);
///     bool erase(std::string_view key);
///     void scan(visitor);                                     // visitor(key, value) for each entry
///
/// and, where it has them,
///
///     void multi_get(key_batch, value_batch);                 // in one go
///     void multi_set(std::span<const entry>);                 // in one commit
///     Store(Store& other, another_thread);                    // if one object is not for all threads
///     void flush();                                           // to the files, so that they can be counted
///     std::uint64_t bytes();                                  // if there are no files to count
template <class Store>
class contestant_of final : public contestant {
public:
    contestant_of() = default;

    [[nodiscard]] const description& about() const override { return about_; }

    void open(const plan& how) override
    {
        plan_ = how;
        std::filesystem::create_directories(how.folder);
        store_ = std::make_shared<Store>(how);
    }

    void close() override { store_.reset(); }

    [[nodiscard]] bool can(workload what) const override
    {
        if (!store_) {
            return false;
        }
        switch (what) {
            case workload::multi_get: return has_multi_get<Store>;
            case workload::multi_set: return has_multi_set<Store>;
            default: return true;
        }
    }

    outcome run(const job& what) override { return run_job(*store_, what); }

    std::unique_ptr<contestant> beside() override
    {
        if (!about_.threads) {
            return nullptr;
        }
        auto other = std::make_unique<contestant_of>();
        other->plan_ = plan_;
        if constexpr (requires { Store(*store_, another_thread{}); }) {
            other->store_ = std::make_shared<Store>(*store_, another_thread{});
        } else {
            other->store_ = store_;
        }
        return other;
    }

    std::uint64_t bytes() override
    {
        if constexpr (requires { store_->flush(); }) {
            store_->flush();
        }
        if constexpr (requires { store_->bytes(); }) {
            return store_->bytes();
        } else {
            return disk_bytes(plan_.folder);
        }
    }

private:
    description about_ = Store::about();
    plan plan_;
    std::shared_ptr<Store> store_;
};

template <class Store>
std::unique_ptr<contestant> make_contestant()
{
    return std::make_unique<contestant_of<Store>>();
}

}  // namespace kvdb::bench

#endif
