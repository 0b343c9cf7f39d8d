// SPDX-License-Identifier: BSL-1.0
#include "registry.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace kvdb::bench {
namespace {

std::map<int, maker>& makers()
{
    static std::map<int, maker> all;
    return all;
}

}  // namespace

registration::registration(int place, maker make)
{
    makers().emplace(place, make);
}

std::vector<std::unique_ptr<contestant>> contestants(const std::vector<std::string>& only)
{
    std::vector<std::unique_ptr<contestant>> chosen;
    std::string known;
    for (const auto& [place, make] : makers()) {
        auto one = make();
        known += " " + one->about().id;
        if (only.empty() || std::find(only.begin(), only.end(), one->about().id) != only.end()) {
            chosen.push_back(std::move(one));
        }
    }
    if (chosen.empty() || (!only.empty() && chosen.size() != only.size())) {
        throw std::runtime_error("--only: the contestants are" + known);
    }
    return chosen;
}

}  // namespace kvdb::bench
