// SPDX-License-Identifier: BSL-1.0
// A log extent or two in a file of their own, written record by record, and a journal, entry by entry.
#ifndef KVDB_TESTS_LOG_LOG_FILE_HPP
#define KVDB_TESTS_LOG_LOG_FILE_HPP

#include "base/hash.hpp"
#include "format/journal.hpp"
#include "format/validate.hpp"
#include "io/file.hpp"
#include "log/append.hpp"
#include "log/walk.hpp"
#include "support/scratch.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace kvdb::testing {

struct expected_record {
    log::record_fields fields;
    std::string key;
    std::string value;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

/// What an entry of a journal says of one place.
struct journal_copy {
    std::uint64_t offset = 0;
    std::string bytes;
};

class log_image {
public:
    std::string bytes;

    explicit log_image(std::uint64_t size) : bytes(size, '\0') {}

    static format::identity_block identity()
    {
        format::identity_block id{};
        id.seed = 0x1234;
        id.shard_count = 4;
        id.first_extent_offset = 13'312;
        return id;
    }
    [[nodiscard]] std::byte* at(std::uint64_t offset) { return reinterpret_cast<std::byte*>(bytes.data()) + offset; }

    log::found_extent begin_extent(std::uint64_t offset, std::uint32_t units,
                                   format::extent_kind kind = format::extent_kind::log, std::uint32_t shard = 1,
                                   std::uint64_t base = 1'000)
    {
        log::found_extent extent;
        extent.offset = offset;
        extent.header.kind = static_cast<std::uint16_t>(kind);
        extent.header.shard = static_cast<std::uint16_t>(shard);
        extent.header.units = units;
        extent.header.order = ++orders_;
        extent.header.nonce = 0xfeedface00000000ULL + offset;
        extent.header.base_sequence = base;
        extent.header.checksum = format::extent_checksum(extent.header, identity().seed, offset);
        std::memcpy(at(offset), &extent.header, sizeof extent.header);
        return extent;
    }
    /// Writes one at `offset` and returns where the next one goes.
    std::uint64_t append(const log::found_extent& extent, std::uint64_t offset, expected_record& record)
    {
        record.offset = offset;
        record.size = format::record_size(log::meta_of(record.fields), record.key.size(), record.value.size());
        log::write_record(at(offset), offset, extent.offset, extent.header.base_sequence, extent.header.nonce,
                          record.fields, record.key, record.value);
        return offset + record.size;
    }
    void end(const log::found_extent& extent, std::uint64_t offset)
    {
        log::write_end_mark(at(offset), offset, extent.offset, extent.header.nonce);
    }
    log::found_extent begin_journal(std::uint64_t offset, std::uint32_t units)
    {
        return begin_extent(offset, units, format::extent_kind::journal, 0, 0);
    }
    [[nodiscard]] journal_copy copy(std::uint64_t from, std::uint64_t to) const
    {
        return {from, bytes.substr(from, to - from)};
    }
    /// Writes an entry at `offset` and returns where the next one goes.
    std::uint64_t append_entry(const log::found_extent& journal, std::uint64_t offset,
                               const std::vector<journal_copy>& copies, std::uint32_t lap)
    {
        std::string entry(sizeof(format::journal_entry), '\0');
        for (const journal_copy& each : copies) {
            const format::journal_range range{each.offset, each.bytes.size()};
            entry.append(reinterpret_cast<const char*>(&range), sizeof range);
        }
        for (const journal_copy& each : copies) {
            entry += each.bytes;
        }
        entry.resize((entry.size() + 7) / 8 * 8);
        const format::journal_entry head{0, lap, static_cast<std::uint32_t>(copies.size()), entry.size()};
        std::memcpy(entry.data(), &head, sizeof head);
        bytes.replace(offset, entry.size(), entry);
        sign_entry(journal, offset, entry.size());
        return offset + entry.size();
    }
    /// Makes the checksum right for an entry of that size, whatever it says.
    void sign_entry(const log::found_extent& journal, std::uint64_t offset, std::uint64_t size)
    {
        const std::uint64_t checksum =
            hash_bytes({at(offset) + format::journal_checksummed_from, size - format::journal_checksummed_from},
                       journal.header.nonce + offset);
        std::memcpy(at(offset), &checksum, sizeof checksum);
    }

private:
    std::uint64_t orders_ = 0;
};

/// The image as a file, to be walked.
struct walked_file {
    scratch_folder folder{fast_parent()};
    std::filesystem::path path = folder / "log";

    [[nodiscard]] io::file open(const std::string& bytes) const
    {
        write_bytes(path, bytes);
        return io::file::open(path, io::access::read);
    }
    /// Walks one extent and copies what comes.
    log::walk_end walk(const std::string& bytes, const log::found_extent& extent, std::vector<expected_record>& found,
                       bool verify = true) const
    {
        const io::file file = open(bytes);
        log::record_walker walker(file, verify);
        found.clear();
        return walker.walk(extent, [&](const log::parsed_record& record) {
            expected_record one;
            one.fields.kind = record.kind;
            one.fields.sequence = record.sequence;
            one.fields.supersedes = record.supersedes;
            one.fields.victim = record.victim;
            one.key = record.key;
            one.value = bytes.substr(record.key_offset + record.key.size(), record.value_length);
            one.offset = record.offset;
            one.size = record.size;
            found.push_back(one);
        });
    }
};

/// Same place, same bytes, same meaning.
[[nodiscard]] inline bool same(const expected_record& one, const expected_record& other)
{
    return one.offset == other.offset && one.size == other.size && one.key == other.key && one.value == other.value &&
           one.fields.kind == other.fields.kind && one.fields.sequence == other.fields.sequence &&
           one.fields.supersedes == other.fields.supersedes && one.fields.victim == other.fields.victim;
}

}  // namespace kvdb::testing

#endif
