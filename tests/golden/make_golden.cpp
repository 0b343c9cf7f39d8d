// SPDX-License-Identifier: BSL-1.0
// make_golden FOLDER: writes the golden files of the current format version, what they contain (NAME.jsonl) and an
// index (golden.json). Run by hand when the format gets a new version; the files of older versions stay for ever.
// What has no "content" in the index is refused by every reader.
#include "album.hpp"

#include "base/hash.hpp"
#include "database/journal.hpp"
#include "make_bad.hpp"

#include <iostream>

namespace {

using namespace kvdb;
using namespace kvdb::golden;

void put(database& db, contents& model, const std::string& key, const std::string& value)
{
    db.set(key, value);
    model[key] = value;
}

void few(database& db, contents& model)
{
    for (int i = 0; i < 24; ++i) {
        put(db, model, "key-" + std::to_string(i), "value " + std::to_string(i * i));
    }
}

void rewritten(database& db, contents& model)
{
    few(db, model);
    for (int i = 0; i < 24; i += 2) {
        put(db, model, "key-" + std::to_string(i), "second value " + std::string(static_cast<std::size_t>(i), '+'));
    }
    db.sync();
    for (int i = 0; i < 24; i += 3) {
        require(db.erase("key-" + std::to_string(i)), "erase");
        model.erase("key-" + std::to_string(i));
    }
    put(db, model, "key-6", "back again");
    db.sync();
}

void binary(database& db, contents& model)
{
    put(db, model, "", "the empty key");
    put(db, model, "empty value", "");
    std::string all;
    for (int i = 0; i < 256; ++i) {
        all += static_cast<char>(i);
    }
    put(db, model, all, std::string(all.rbegin(), all.rend()));
    put(db, model, std::string("nul\0inside", 10), std::string("\0\0\0", 3));
    put(db, model, "\xc3\xa4\xe6\xbc\xa2\xf0\x9f\x98\x80", "\xed\xa0\x80 no UTF-8 \xc0\x80");
    put(db, model, "quote\" back\\slash\ttab\nline", "\xff\xfe");
    put(db, model, std::string(1'000, 'k'), "a long key");
    for (std::size_t length = 1; length < 20; ++length) {
        put(db, model, std::string(length, 'x'), std::string(20 - length, 'y'));
    }
}

void large(database& db, contents& model)
{
    std::string text;
    for (int i = 0; text.size() < 33'000; ++i) {
        text += std::to_string(i) + ' ';
    }
    put(db, model, "large", text);
    few(db, model);
}

/// Keys that no split can part while their two buckets are full.
std::vector<std::string> crowd(std::uint64_t seed, std::size_t count)
{
    std::vector<std::string> keys;
    for (int i = 0; keys.size() < count; ++i) {
        const std::string key = "crowd-" + std::to_string(i);
        const std::uint64_t hash = hash_key(key, seed);
        if (format::home_of(hash) == 5 && (format::tag_of(hash) & 62) == 10) {
            keys.push_back(key);
        }
    }
    return keys;
}

void add_good(album& pages)
{
    for (const std::uint32_t shards : {1U, 4U}) {
        const std::string end = "-" + std::to_string(shards);
        contents model;
        image made = pages.make(
            shards, true, [](database&, contents&) {}, model);
        pages.keep("empty" + end, made, "nothing in it", &model);
        made = pages.make(shards, true, few, model);
        pages.keep("few" + end, made, "set once each", &model);
        model.clear();
        made = pages.make(shards, true, rewritten, model);
        pages.keep("rewritten" + end, made, "overwrites, tombstones, two checkpoints", &model);
        model.clear();
        made = pages.make(shards, false, rewritten, model);
        pages.keep("open" + end, made, "copied while a process had it open", &model);
    }
    contents model;
    image made = pages.make(1, true, binary, model);
    pages.keep("binary-1", made, "any bytes, empty key, empty value", &model);
    model.clear();
    made = pages.make(1, true, large, model);
    pages.keep("large-1", made, "a value in an extent of its own", &model);
    model.clear();
    // The seed is known only once the file is there.
    made = pages.make(
        1, true, [](database&, contents&) {}, model);
    const std::vector<std::string> keys = crowd(made.identity().seed, 40);
    made = pages.recover(made, [&](database& db) {
        for (const std::string& key : keys) {
            put(db, model, key, "one of many");
        }
        for (std::size_t i = 0; i < keys.size(); i += 4) {
            require(db.erase(keys[i]), "erase");
            model.erase(keys[i]);
        }
    });
    bool chained = false;
    for (std::uint64_t at = 0; at + 8 <= made.bytes.size(); at += 64) {
        chained = chained || made.get<std::uint64_t>(at) >> format::ordinal_shift == 4;
    }
    require(chained, "no overflow chain came about");
    pages.keep("overflow-1", made, "an overflow chain", &model);
}

/// Loses a version in the middle, so that recovery has to write guards, and works on with the next incarnation.
void add_recovered(album& pages)
{
    for (const std::uint32_t shards : {1U, 4U}) {
        contents ignored;
        image torn = pages.make(
            shards, true,
            [](database& db, contents& model) {
                for (int version = 1; version <= 4; ++version) {
                    for (int i = 0; i < 30; ++i) {
                        put(db, model, "key-" + std::to_string(i), "version " + std::to_string(version));
                    }
                }
            },
            ignored);
        const image whole = torn;
        const std::string end = "-" + std::to_string(shards);
        contents model;
        image made;
        std::size_t wide = 0;
        for (int which = 0; wide == 0; ++which) {
            require(which < 30, "no guard was written");
            torn = whole;
            for (const placed_record& each : records_of(whole)) {
                if (each.key == "key-" + std::to_string(which) ||
                    each.key == "key-" + std::to_string((which + 14) % 30)) {
                    torn.flip(each.record.offset);  // and what follows it in its extent is lost with it
                }
            }
            torn.make_unclean();
            model = pages.log_content(torn);
            const contents before = model;
            made = pages.recover(torn, [&](database& db) {
                put(db, model, "key-1", "after the recovery");
                if (before.contains("key-2")) {
                    require(db.erase("key-2"), "erase");
                    model.erase("key-2");
                }
            });
            for (const placed_record& each : records_of(made)) {
                const auto header = made.get<format::record_header>(each.record.offset);
                wide += (header.meta & format::meta_wide_sequence) != 0 ? 1U : 0U;
            }
        }
        const contents found = pages.log_content(torn);
        pages.keep("torn" + end, torn, "not clean, extents that end in broken records", &found);
        pages.keep("recovered" + end, made, "after a recovery: sealed extents, guards with wide sequence numbers",
                   &model);
    }
}

/// Each set a commit of its own, so many that the journal begins anew now and then.
void committed(database& db, contents& model)
{
    for (int i = 0; i < 60; ++i) {
        const std::string key = "key-" + std::to_string(i % 25);
        model[key] = "commit " + std::to_string(i) + std::string(static_cast<std::size_t>(i), '.');
        db.set(key, model[key], durability::sync);
    }
}

void add_journaled(album& pages)
{
    test_policy<journal_policy> = {4 * 1'024, 0, 1};
    contents model;
    image made = pages.make(1, true, committed, model);
    pages.keep("journal-1", made, "with a journal, closed", &model);
    format::superblock block = made.get<format::superblock>(superblock_at);
    block.journal.extent = 0;
    image bad = made;
    bad.put(superblock_at, block);
    bad.seal_clean();
    pages.bad("C24", "unknown-journal", bad, "a journal that the header does not name");
    block.journal.extent = block.allocator.frontiers[0].next / format::unit_size;
    bad.put(superblock_at, block);
    bad.seal_clean();
    pages.bad("C24", "no-journal", bad, "the header names a journal where none is");

    for (const std::uint32_t shards : {1U, 4U}) {
        model.clear();
        made = pages.make(shards, false, committed, model);
        require(forget_journaled(made) > 1'000, "the journal holds next to nothing");
        pages.keep("journaled-" + std::to_string(shards), made,
                   "copied while in use; what the journal holds is missing in the log", &model);
    }
    test_policy<journal_policy> = {};
}

/// With a checkpoint before the last `count` of many overwrites.
void churned(database& db, contents& model, int count)
{
    const auto overwrite = [&](int number) {
        put(db, model, "key-" + std::to_string(number * 7 % 40),
            std::string(200, static_cast<char>('a' + number % 26)));
    };
    for (int i = 0; i < 400; ++i) {
        overwrite(i);
    }
    require(db.erase("key-3"), "erase");
    model.erase("key-3");
    db.sync();
    for (int i = 0; i < count; ++i) {
        overwrite(4 + i % 20);
    }
}

/// Extents in limbo.
void add_cleaned(album& pages)
{
    const auto has_limbo = [](const image& made) {
        const format::shard_block shard = made.shard(0);
        return shard.filled != 0 && shard.limbo != 0;
    };
    for (const bool close : {true, false}) {
        contents model;
        image made;
        for (int count = 10; count < 400 && (made.bytes.empty() || !has_limbo(made)); ++count) {
            model.clear();
            made = pages.make(
                1, close, [&](database& db, contents& of) { churned(db, of, count); }, model);
        }
        require(has_limbo(made), "no extent in limbo");
        pages.keep(close ? "cleaned-1" : "cleaning-1", made,
                   close ? "cleaned in part, extents in limbo" : "the same, copied while a process had it open",
                   &model);
        if (!close) {
            continue;
        }
        format::shard_block shard = made.shard(0);
        image bad = made;
        shard.filled = shard.limbo;
        bad.put(bad.shard_at(0), shard);
        bad.seal_clean();
        pages.bad("C25", "lists", bad, "a list that begins with another's extent");
        shard = made.shard(0);
        bad = made;
        shard.log_dead += 4;
        bad.put(bad.shard_at(0), shard);
        bad.seal_clean();
        pages.bad("C26", "log-dead", bad, "more bytes dead than there are");
    }
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        require(argc == 2, "usage: make_golden FOLDER");
        album pages(argv[1]);
        add_good(pages);
        add_recovered(pages);
        add_journaled(pages);
        add_cleaned(pages);
        contents ignored;
        const image base = pages.make(1, true, rewritten, ignored);
        const image four_shards = pages.make(4, true, rewritten, ignored);
        add_bad(pages, base, four_shards, pages.recover(base, [](database&) {}));
        pages.finish();
        return 0;
    } catch (const std::exception& failure) {
        std::cerr << "make_golden: " << failure.what() << '\n';
        return 1;
    }
}
