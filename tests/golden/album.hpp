// SPDX-License-Identifier: BSL-1.0
// Collects golden files: makes them with the engine, notes what they contain, writes the index.
#ifndef KVDB_TESTS_GOLDEN_ALBUM_HPP
#define KVDB_TESTS_GOLDEN_ALBUM_HPP

#include "image.hpp"

#include <kvdb/kvdb.hpp>

#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>

namespace kvdb::golden {

using contents = std::map<std::string, std::string>;

inline void require(bool held, const std::string& what)
{
    if (!held) {
        throw std::runtime_error(what);
    }
}

inline std::string json_bytes(const std::string& bytes)
{
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bool plain = true;
    for (const char c : bytes) {
        plain = plain && c >= ' ' && c <= '~' && c != '"' && c != '\\';
    }
    if (plain) {
        return '"' + bytes + '"';
    }
    std::string text = "{\"base64\": \"";
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            group = (group << 8) | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            text += i + k > bytes.size() ? '=' : digits[(group >> (18 - 6 * k)) & 63U];
        }
    }
    return text + "\"}";
}

class album {
public:
    explicit album(std::filesystem::path folder) : folder_(std::move(folder)) { scratch_ = work_ / "golden.kvdb"; }

    /// A file of the engine's own making, as `fill` leaves it; closed in good order, or copied while in use.
    image make(std::uint32_t shards, bool close, const std::function<void(database&, contents&)>& fill,
               contents& model)
    {
        std::filesystem::remove(scratch_);
        options how;
        how.mode = open_mode::create_only;
        how.shard_count = shards;
        how.max_handles = 8;
        database db = database::open(scratch_, how);
        fill(db, model);
        if (close) {
            db.close();
        }
        return {testing::read_bytes(scratch_)};
    }
    /// What a recovery makes of an image, and of further work.
    image recover(const image& from, const std::function<void(database&)>& work)
    {
        std::filesystem::remove(scratch_);
        testing::write_bytes(scratch_, from.bytes);
        options how;
        how.distrust = true;
        database db = database::open(scratch_, how);
        work(db);
        db.close();
        return {testing::read_bytes(scratch_)};
    }
    /// The content by the log alone.
    contents log_content(const image& of)
    {
        std::filesystem::remove(scratch_);
        image alone = of;
        alone.make_unclean();
        testing::write_bytes(scratch_, alone.bytes);
        options how;
        how.mode = open_mode::read_only;
        how.distrust = true;
        contents all;
        database::open(scratch_, how).for_each([&](std::string_view key, std::string_view value) {
            all.emplace(key, value);
        });
        return all;
    }

    void keep(const std::string& name, const image& of, const std::string& about, const contents* content,
              const char* verdict = "good", const char* check = nullptr)
    {
        require(of.bytes.size() < 80 * 1024, name + " is too large");
        testing::write_bytes(folder_ / (name + ".kvdb"), of.bytes);
        const bool refused = content == nullptr;
        const bool clean = !refused && of.get<std::uint32_t>(state_at + offsetof(format::state_block, clean)) == 1;
        index_ += index_.empty() ? "" : ",\n";
        index_ += "  {\"name\": \"" + name + "\", \"version\": " + std::to_string(format::version) +
                  ", \"marked_clean\": " + (clean ? "true" : "false") + ", \"verdict\": \"" + verdict +
                  "\", \"check\": " + (check != nullptr ? '"' + std::string(check) + '"' : "null") +
                  ",\n   \"content\": " + (refused ? "null" : '"' + name + ".jsonl\"") + ", \"about\": \"" + about +
                  "\"}";
        if (!refused) {
            std::ofstream out(folder_ / (name + ".jsonl"), std::ios::binary);
            for (const auto& [key, value] : *content) {
                out << "{\"key\": " << json_bytes(key) << ", \"value\": " << json_bytes(value) << "}\n";
            }
            require(static_cast<bool>(out.flush()), "cannot write the content of " + name);
        }
    }
    void bad(const std::string& check, const std::string& name, const image& of, const std::string& about)
    {
        const bool refused = check.size() == 2 && check[1] < '8';
        const contents content = refused ? contents{} : log_content(of);
        keep("bad-" + check + "-" + name, of, about, refused ? nullptr : &content, refused ? "refused" : "damage",
             check.c_str());
    }
    void finish() const
    {
        std::ofstream out(folder_ / "golden.json", std::ios::binary);
        out << "[\n" << index_ << "\n]\n";
        require(static_cast<bool>(out.flush()), "cannot write golden.json");
    }

private:
    testing::scratch_folder work_;
    std::filesystem::path scratch_;
    std::filesystem::path folder_;
    std::string index_;
};

}  // namespace kvdb::golden

#endif
