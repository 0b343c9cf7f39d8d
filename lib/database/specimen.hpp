// SPDX-License-Identifier: BSL-1.0
// What the inspect functions share: a file opened for looking alone, and lists of explained fields.
#ifndef KVDB_DATABASE_SPECIMEN_HPP
#define KVDB_DATABASE_SPECIMEN_HPP

#include "database/file_head.hpp"
#include "format/validate.hpp"
#include "io/file.hpp"
#include "log/journal.hpp"

#include <kvdb/error.hpp>
#include <kvdb/inspect.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace kvdb::inspection {

using fields = std::vector<inspected_field>;

[[nodiscard]] inline std::string hex(std::uint64_t value)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    do {
        text.insert(text.begin(), digits[value & 15]);
        value >>= 4;
    } while (value != 0);
    return "0x" + text;
}

/// A file opened for looking alone.
class specimen {
public:
    explicit specimen(const std::filesystem::path& path)
        : file_(io::file::open(path, io::access::read)), size_(file_.size())
    {
        std::array<std::byte, format::header_size> bytes{};
        static_cast<void>(file_.read_at(0, bytes));
        verdict_ = format::judge_header(bytes, size_);
        std::memcpy(&boost_word_, bytes.data(), sizeof boost_word_);
        std::memcpy(&block_, bytes.data() + format::superblock_offset, sizeof block_);
        if (verdict_ == format::verdict::too_short || verdict_ == format::verdict::not_initialised ||
            verdict_ == format::verdict::wrong_magic) {
            throw error(errc::not_a_database, "'" + path.string() + "': " + format::describe(verdict_));
        }
    }

    /// Everything behind the header relies on a header that is whole.
    void require_whole() const
    {
        if (verdict_ != format::verdict::good && verdict_ != format::verdict::write_forbidden) {
            throw error(errc::damaged, "'" + file_.path().string() + "': " + format::describe(verdict_));
        }
    }
    template <class Struct>
    [[nodiscard]] Struct load(std::uint64_t offset) const
    {
        Struct result;
        if (offset > size_ || sizeof(Struct) > size_ - offset ||
            file_.read_at(offset, std::as_writable_bytes(std::span(&result, 1))) != 0) {
            throw error(errc::damaged, "'" + file_.path().string() + "' ends before offset " +
                                           std::to_string(offset) + " + " + std::to_string(sizeof(Struct)));
        }
        return result;
    }
    /// Shows the log of an unclean file as recovery would complete it.
    void complete_log()
    {
        if (block_.state.clean != 1 || !clean_checksum_holds(file_, block_)) {
            file_.overlay(log::missing_from_log(file_, block_.identity, usable()));
        }
    }
    [[nodiscard]] const io::file& file() const noexcept { return file_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] std::uint64_t usable() const noexcept
    {
        const std::uint64_t end = block_.state.clean == 1 ? std::min(size_, block_.state.file_size) : size_;
        return std::min(end, format::max_file_size) / format::unit_size * format::unit_size;
    }
    [[nodiscard]] const format::superblock& block() const noexcept { return block_; }
    [[nodiscard]] const format::identity_block& identity() const noexcept { return block_.identity; }
    [[nodiscard]] std::uint32_t boost_word() const noexcept { return boost_word_; }
    [[nodiscard]] format::verdict verdict() const noexcept { return verdict_; }

private:
    io::file file_;
    std::uint64_t size_;
    std::uint32_t boost_word_ = 0;
    format::superblock block_{};
    format::verdict verdict_ = format::verdict::good;
};

/// Collects the fields of one structure that begins at `base`.
class describer {
public:
    describer(fields& into, std::uint64_t base) : into_(into), base_(base) {}

    void add(std::uint64_t offset, std::uint64_t size, std::string name, std::string value, std::string meaning) const
    {
        into_.push_back({base_ + offset, size, std::move(name), std::move(value), std::move(meaning)});
    }
    void number(std::uint64_t offset, std::uint64_t size, std::string name, std::uint64_t value,
                std::string meaning) const
    {
        add(offset, size, std::move(name), std::to_string(value), std::move(meaning));
    }
    void bits(std::uint64_t offset, std::uint64_t size, std::string name, std::uint64_t value,
              std::string meaning) const
    {
        add(offset, size, std::move(name), hex(value), std::move(meaning));
    }

private:
    fields& into_;
    std::uint64_t base_;
};

}  // namespace kvdb::inspection

#endif
