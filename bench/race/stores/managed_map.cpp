// SPDX-License-Identifier: BSL-1.0
#include "../contestant_of.hpp"
#include "../registry.hpp"

#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/string.hpp>
#include <boost/interprocess/managed_mapped_file.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/unordered/unordered_map.hpp>
#include <boost/version.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <functional>
#include <system_error>

namespace kvdb::bench {
namespace {

namespace ipc = boost::interprocess;

template <class T>
using allocator_of = ipc::allocator<T, ipc::managed_mapped_file::segment_manager>;
using text = ipc::basic_string<char, std::char_traits<char>, allocator_of<char>>;

std::string_view view_of(std::string_view bytes)
{
    return bytes;
}

std::string_view view_of(const text& bytes)
{
    return {bytes.data(), bytes.size()};
}

struct text_hash {
    using is_transparent = void;
    template <class Text>
    std::size_t operator()(const Text& bytes) const
    {
        return boost::hash<std::string_view>()(view_of(bytes));
    }
};

struct text_equal {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const
    {
        return view_of(a) == view_of(b);
    }
};

/// What people write by hand. Its size is for ever the one that it was made with, and a process that is killed with
/// the mutex in its hand stops all others.
class managed_map_store {
public:
    static description about()
    {
        return {.id = "managed_map",
                .name = "Boost.Interprocess map",
                .version = "Boost " + std::to_string(BOOST_VERSION / 100'000) + "." +
                           std::to_string(BOOST_VERSION / 100 % 1'000),
                .settings =
                    "boost::unordered_map of strings in a managed_mapped_file of a size set in advance, one "
                    "interprocess_mutex around each operation; durable rows: msync",
                .processes = true,
                .threads = true};
    }

    explicit managed_map_store(const plan& how)
        : file_(ipc::open_or_create, (how.folder / "race.map").c_str(),
                (how.entries + 1'000) * (2 * how.value_size + 300) + (std::size_t{4} << 20U)),
          mutex_(file_.find_or_construct<ipc::interprocess_mutex>("mutex")()),
          map_(file_.find_or_construct<map>("map")(std::size_t{16}, text_hash(), text_equal(),
                                                   allocator_of<map::value_type>(file_.get_segment_manager()))),
          durable_(how.durable)
    {
    }

    bool get(std::string_view key, std::string& value)
    {
        const lock held(*mutex_);
        const auto found = map_->find(key);
        if (found == map_->end()) {
            return false;
        }
        value.assign(view_of(found->second));
        return true;
    }
    void set(std::string_view key, std::string_view value)
    {
        const lock held(*mutex_);
        put(key, value);
        sync_if_durable();
    }
    void multi_set(std::span<const entry> entries)
    {
        const lock held(*mutex_);
        for (const auto& [key, value] : entries) {
            put(key, value);
        }
        sync_if_durable();
    }
    bool erase(std::string_view key)
    {
        const lock held(*mutex_);
        const auto found = map_->find(key);
        if (found == map_->end()) {
            return false;
        }
        map_->erase(found);
        return true;
    }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        const lock held(*mutex_);
        for (const auto& [key, value] : *map_) {
            visit(view_of(key), view_of(value));
        }
    }

private:
    using map = boost::unordered_map<text, text, text_hash, text_equal, allocator_of<std::pair<const text, text>>>;
    using lock = ipc::scoped_lock<ipc::interprocess_mutex>;

    void put(std::string_view key, std::string_view value)
    {
        const auto found = map_->find(key);
        if (found != map_->end()) {
            found->second.assign(value.data(), value.size());
            return;
        }
        const allocator_of<char> space(file_.get_segment_manager());
        map_->emplace(text(key.data(), key.size(), space), text(value.data(), value.size(), space));
    }
    void sync_if_durable()
    {
        if (durable_) {
            sync();
        }
    }

    /// flush() of Boost's starts the writing and does not wait for its end.
    void sync()
    {
        const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        const auto address = reinterpret_cast<std::uintptr_t>(file_.get_address());
        const std::uintptr_t begin = address / page * page;
        if (::msync(reinterpret_cast<void*>(begin), file_.get_size() + (address - begin), MS_SYNC) != 0) {
            throw std::system_error(errno, std::generic_category(), "Boost.Interprocess map: msync");
        }
    }

    ipc::managed_mapped_file file_;
    ipc::interprocess_mutex* mutex_;
    map* map_;
    bool durable_;
};

const registration managed_map_contestant(100, make_contestant<managed_map_store>);

}  // namespace
}  // namespace kvdb::bench
