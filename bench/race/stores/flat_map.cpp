// SPDX-License-Identifier: BSL-1.0
#include "../contestant_of.hpp"
#include "../registry.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/version.hpp>

#include <malloc.h>

#include <functional>

namespace kvdb::bench {
namespace {

struct text_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return boost::hash<std::string_view>()(text); }
};

/// In memory, of one process, gone with it: what a hash table costs without any of what a store is for.
class flat_map_store {
public:
    static description about()
    {
        return {
            .id = "flat_map",
            .name = "unordered_flat_map",
            .version = "Boost " + std::to_string(BOOST_VERSION / 100'000) + "." +
                       std::to_string(BOOST_VERSION / 100 % 1'000),
            .settings = "<std::string, std::string>, boost::hash, look-up by string_view, not reserved in advance",
            .on_disk = false};
    }

    explicit flat_map_store(const plan&) {}

    bool get(std::string_view key, std::string& value)
    {
        const auto found = map_.find(key);
        if (found == map_.end()) {
            return false;
        }
        value.assign(found->second);
        return true;
    }
    void set(std::string_view key, std::string_view value)
    {
        const auto found = map_.find(key);
        if (found != map_.end()) {
            found->second.assign(value);
        } else {
            map_.emplace(key, value);
        }
    }
    bool erase(std::string_view key)
    {
        const auto found = map_.find(key);
        if (found == map_.end()) {
            return false;
        }
        map_.erase(found);
        return true;
    }

    template <class Visitor>
    void scan(Visitor&& visit)
    {
        for (const auto& [key, value] : map_) {
            visit(key, value);
        }
    }

    std::uint64_t bytes()
    {
        constexpr std::size_t chunk_header = 8;
        std::uint64_t total = map_.bucket_count() * (sizeof(decltype(map_)::value_type) + 1);
        const auto heap = [](const std::string& text) {
            const bool own = text.capacity() > std::string().capacity();
            return own ? ::malloc_usable_size(const_cast<char*>(text.data())) + chunk_header : 0;
        };
        for (const auto& [key, value] : map_) {
            total += heap(key) + heap(value);
        }
        return total;
    }

private:
    boost::unordered_flat_map<std::string, std::string, text_hash, std::equal_to<>> map_;
};

const registration flat_map_contestant(120, make_contestant<flat_map_store>);

}  // namespace
}  // namespace kvdb::bench
