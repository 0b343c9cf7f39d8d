// SPDX-License-Identifier: BSL-1.0
#include "ledger.hpp"

#include "support/child.hpp"
#include "support/fixture.hpp"
#include "support/values.hpp"

namespace kvdb::testing {

namespace {

constexpr std::uint64_t contended_keys = 3;
constexpr std::uint64_t contended = 1'000'000;

bool present(std::uint64_t version)
{
    return version % 5 != 0;  // version 0: never written
}

std::string value_of(std::uint64_t key, std::uint64_t version)
{
    return telling_value(key, version, version % 97 == 33 ? 40'000 : 16 + version * 37 % 400);
}

/// Does the database's answer show this version?
bool shows(std::uint64_t key, const std::optional<std::string>& answer, std::uint64_t version)
{
    return present(version) ? answer == value_of(key, version) : !answer;
}

std::string found_version(std::uint64_t key, const std::optional<std::string>& answer)
{
    return answer ? "version " + std::to_string(told_version(key, *answer).value_or(0)) : "nothing";
}

}  // namespace

void ledger::write_for_ever(std::size_t worker, const std::filesystem::path& path, std::uint64_t seed,
                            const options& how)
{
    chance source(seed);
    auto db = database::open(path, how);
    for (;;) {
        const std::uint64_t key = worker * keys_each + source.below(keys_each);
        const std::uint64_t version = at(key).acknowledged + 1;
        at(key).intended = version;
        if (present(version)) {
            db.set(numbered_key(key), value_of(key, version));
        } else {
            demand(db.erase(numbered_key(key)), "erase found nothing of key " + std::to_string(key));
        }
        at(key).acknowledged = version;
        const std::uint64_t shared_key = contended + source.below(contended_keys);
        db.set(numbered_key(shared_key), telling_value(shared_key, source.next(), 16 + source.below(300)));
        ++progress_[worker];
    }
}

void ledger::read_one(const database& db, std::uint64_t key)
{
    const std::uint64_t oldest = at(key).acknowledged;
    const auto value = db.get(numbered_key(key));
    const std::uint64_t newest = at(key).intended;
    bool possible = false;
    for (std::uint64_t version = oldest; version <= newest && !possible; ++version) {
        possible = shows(key, value, version);
    }
    demand(possible, "key " + std::to_string(key) + " shows " + found_version(key, value) + ", not one from " +
                         std::to_string(oldest) + " to " + std::to_string(newest));
}

void ledger::read_for_ever(std::size_t worker, const std::filesystem::path& path, std::uint64_t seed)
{
    chance source(seed);
    options how;
    how.mode = open_mode::read_only;
    const auto db = database::open(path, how);
    for (;;) {
        read_one(db, source.below(max_workers * keys_each));
        const std::uint64_t shared_key = contended + source.below(contended_keys);
        const auto value = db.get(numbered_key(shared_key));
        demand(!value || told_version(shared_key, *value).has_value(), "a torn value of a contended key");
        ++progress_[worker];
    }
}

std::string ledger::settle(std::size_t worker, database& db)
{
    finish_for_the_dead(db);  // what it had armed is settled only then
    for (std::uint64_t key = worker * keys_each; key < (worker + 1) * keys_each; ++key) {
        const std::uint64_t acknowledged = at(key).acknowledged;
        const std::uint64_t intended = at(key).intended;
        const auto value = db.get(numbered_key(key));
        if (shows(key, value, intended)) {
            at(key).acknowledged = intended;
        } else if (shows(key, value, acknowledged)) {
            at(key).intended = acknowledged;
        } else {
            return "key " + std::to_string(key) + ": acknowledged " + std::to_string(acknowledged) + ", intended " +
                   std::to_string(intended) + ", found " + found_version(key, value);
        }
    }
    return {};
}

}  // namespace kvdb::testing
