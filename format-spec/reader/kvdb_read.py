#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""An independent reader and checker for .kvdb files, version 1.

It is written from format.md alone and shares no code with any other implementation. It needs nothing but the standard
library and never writes to the file.

    kvdb_read.py list FILE      the entries, one JSON object a line, sorted by the bytes of the key
    kvdb_read.py check FILE     the checks C1 to C26 of section 12
    kvdb_read.py header FILE    the fields of the header and of the tables, with their offsets
    kvdb_read.py dump FILE      the extents and their records in the order of the file

Exit status: 0 good, 1 damage, 2 wrong usage, 3 not readable or no database.

The file may hold any bytes. Every length is checked before it is used and every chain is bounded; time is linear in
the size of the file (times a logarithm), memory in the number of its extents and records and the bytes of its keys.
Values are never held as a whole unless they are short. Section numbers in comments are those of format.md.

An unclean file is read as its journal completes it (5.5); what the journal adds is kept beside the file.
"""

import argparse
import base64
import codecs
import errno
import json
import os
import stat
import struct
import sys
from array import array
from bisect import bisect_left, bisect_right, insort
from collections import namedtuple
from operator import mul

# ---------------------------------------------------------------------------------------------------------------------
# Constants of section 1

MAGIC = 0x0A1A0D0A6264766B
HEADER_SIZE = 4096
UNIT = 1024
MAX_FILE_SIZE = 1 << 42
SLOT_SIZE = 4096
SHARD_TABLE = 12288
SHARD_SIZE = 448
ATTACHMENT_SIZE = 64
SEGMENT_SIZE = 4160
MAX_LOG_EXTENT = 262144
MAX_JOURNAL = 1048576
EXTENT_HEADER = 64
RECORD_HEADER = 16
MAX_DEPTH = 22
KNOWN_INCOMPATIBLE = 0

LOG, INDEX, LARGE, JOURNAL = 1, 2, 3, 4
EXTENT_KINDS = {LOG: "log", INDEX: "index", LARGE: "large", JOURNAL: "journal"}
MAX_EXTENT = {LOG: MAX_LOG_EXTENT, JOURNAL: MAX_JOURNAL}
HOLD_RECORDS = (LOG, LARGE)
VALUE, TOMBSTONE, END_MARK = 1, 2, 3
RECORD_KINDS = {VALUE: "value", TOMBSTONE: "tombstone", END_MARK: "end mark"}

CHUNK = 1 << 20  # bytes read at once where much is to be read; a multiple of UNIT
SMALL_WORK = 4 << 20  # with fewer bytes of records than this, further processes do not pay
LISTED_FAULTS = 1000  # faults of one check that are listed, for each shard; the others are counted


class NotADatabase(Exception):
    """The file is to be refused: (offset, check, what)."""


# ---------------------------------------------------------------------------------------------------------------------
# The hash, section 13

M64 = (1 << 64) - 1
M32 = (1 << 32) - 1
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64_1, P64_2, P64_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P64_4, P64_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
PM_1, PM_2 = 0x165667919E3779F9, 0x9FB21C651E98DF25

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221"
    "b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb"
    "170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)


def _k64(i):
    return int.from_bytes(SECRET[i : i + 8], "little")


def _key_pair(i):
    return (_k64(i), _k64(i + 8))


WORDS = [struct.Struct("<%dQ" % n) for n in range(129)]
HALVES = [struct.Struct("<%dI" % n) for n in range(257)]
U32 = struct.Struct("<I")
U64 = WORDS[1]
BUCKETS = struct.Struct("<512Q")

K_0 = _k64(56) ^ _k64(64)
K_1_3 = (_k64(0) & M32) ^ (_k64(0) >> 32)
K_4_8 = _k64(8) ^ _k64(16)
K_9_16_A = _k64(24) ^ _k64(32)
K_9_16_B = _k64(40) ^ _k64(48)
# For 17 to 128 bytes, by the number of pairs of words on each side: the keys of the first half, going forward, then
# those of the second half, whose pairs are met in the reverse order.
K_17_128 = [
    tuple([_key_pair(32 * i) for i in range(n)] + [_key_pair(32 * i + 16) for i in reversed(range(n))])
    for n in range(5)
]
K_129_FIRST = tuple(_key_pair(16 * i) for i in range(8))
K_129_THEN = tuple(_key_pair(16 * i + 3) for i in range(7))
K_129_LAST = (_key_pair(119),)


def _mix(h):
    h &= M64
    h = (h ^ (h >> 33)) * P64_2 & M64
    h = (h ^ (h >> 29)) * P64_3 & M64
    return h ^ (h >> 32)


def _avalanche(h):
    h &= M64
    h = (h ^ (h >> 37)) * PM_1 & M64
    return h ^ (h >> 32)


def _fold_pairs(words, keys, s):
    """The sum of mix16 over pairs of words; only its lower 64 bits count."""
    total = 0
    for a, b, (ka, kb) in zip(words[::2], words[1::2], keys):
        p = (a ^ (ka + s & M64)) * (b ^ (kb - s & M64))
        total += p ^ (p >> 64)
    return total


def _hash_0_to_8(data, n, s):
    if n >= 4:
        t = s ^ (int.from_bytes(U32.pack(s & M32), "big") << 32)
        h = U32.unpack_from(data, n - 4)[0] + (U32.unpack_from(data, 0)[0] << 32)
        h ^= (K_4_8 - t) & M64
        h ^= (h << 49 | h >> 15) & M64 ^ (h << 24 | h >> 40) & M64
        h = h * PM_2 & M64
        h = (h ^ ((h >> 35) + n)) * PM_2 & M64
        return h ^ (h >> 28)
    if n:
        c = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
        return _mix(c ^ (K_1_3 + s & M64))
    return _mix(s ^ K_0)


def _hash_9_to_16(data, n, s):
    a = U64.unpack_from(data, 0)[0] ^ (K_9_16_A + s & M64)
    b = U64.unpack_from(data, n - 8)[0] ^ (K_9_16_B - s & M64)
    p = a * b
    h = n + int.from_bytes(a.to_bytes(8, "little"), "big") + b + (p & M64 ^ p >> 64) & M64
    h = (h ^ (h >> 37)) * PM_1 & M64
    return h ^ (h >> 32)


def _hash_17_to_128(data, n, s):
    pairs = (n + 31) >> 5
    take = WORDS[2 * pairs].unpack_from
    words = take(data, 0) + take(data, n - 16 * pairs)
    h = n * P64_1 + _fold_pairs(words, K_17_128[pairs], s) & M64
    h = (h ^ (h >> 37)) * PM_1 & M64
    return h ^ (h >> 32)


def _hash_129_to_240(data, n, s):
    h = _avalanche(n * P64_1 + _fold_pairs(WORDS[16].unpack_from(data, 0), K_129_FIRST, s))
    h += _fold_pairs(WORDS[2 * ((n >> 4) - 8)].unpack_from(data, 128), K_129_THEN, s)
    h += _fold_pairs(WORDS[2].unpack_from(data, n - 16), K_129_LAST, s)
    return _avalanche(h)


def _derived_secret(s):
    words = list(WORDS[24].unpack(SECRET))
    words[0::2] = [k + s & M64 for k in words[0::2]]
    words[1::2] = [k - s & M64 for k in words[1::2]]
    return WORDS[24].pack(*words)


def _stripes(acc, data, key):
    """Takes up to 16 stripes of 64 bytes into acc, without reducing the sums; key is as long as data."""
    size = len(data)
    x = int.from_bytes(data, "little") ^ int.from_bytes(key, "little")
    halves = HALVES[size >> 2].unpack(x.to_bytes(size, "little"))
    products = tuple(map(mul, halves[::2], halves[1::2]))
    words = WORDS[size >> 3].unpack(data)
    for i in range(8):
        acc[i] += sum(products[i::8]) + sum(words[i ^ 1 :: 8])


def hash_long(read, n, s):
    """The hash of n >= 241 bytes, of which read(at, count) gives a part."""
    secret = _derived_secret(s)
    block_key = b"".join(secret[8 * i : 8 * i + 64] for i in range(16))
    scramble = WORDS[8].unpack_from(secret, 128)
    acc = [P32_3, P64_1, P64_2, P64_3, P64_4, P32_2, P64_5, P32_1]
    at = 0
    whole = (n - 1) // 1024 * 1024
    while at < whole:
        chunk = read(at, min(CHUNK, whole - at))
        for start in range(0, len(chunk), 1024):
            _stripes(acc, chunk[start : start + 1024], block_key)
            for i in range(8):
                a = acc[i] & M64
                acc[i] = (a ^ (a >> 47) ^ scramble[i]) * P32_1 & M64
        at += len(chunk)
    rest = (n - 1 - whole) // 64 * 64
    if rest:
        _stripes(acc, read(whole, rest), block_key[:rest])
    _stripes(acc, read(n - 64, 64), secret[121:185])
    merge = WORDS[8].unpack_from(secret, 11)
    h = n * P64_1
    for i in range(0, 8, 2):
        p = ((acc[i] & M64) ^ merge[i]) * ((acc[i + 1] & M64) ^ merge[i + 1])
        h += p ^ (p >> 64)
    return _avalanche(h)


def hash64(data, s):
    """hash(bytes, seed) of section 13; s is below 2^64."""
    n = len(data)
    if n <= 128:
        if n > 16:
            return _hash_17_to_128(data, n, s)
        if n > 8:
            return _hash_9_to_16(data, n, s)
        return _hash_0_to_8(data, n, s)
    if n <= 240:
        return _hash_129_to_240(data, n, s)
    return hash_long(lambda at, count: data[at : at + count], n, s)


# ---------------------------------------------------------------------------------------------------------------------
# The file


class File:
    """A regular file, opened for reading.

    Pieces, (offset, bytes) that are sorted and do not overlap, are read instead of what the file has there.
    """

    def __init__(self, path, pieces=()):
        self.path = path
        self.pieces = pieces
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        self.fd = os.open(path, flags)
        status = os.fstat(self.fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(self.fd)
            raise OSError("not a regular file")
        self.size = status.st_size

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def __reduce__(self):
        return (File, (self.path, self.pieces))

    def read(self, offset, count):
        """Exactly count bytes; zeros stand for what is behind the end."""
        data = os.pread(self.fd, count, offset)
        while len(data) < count:
            more = os.pread(self.fd, count - len(data), offset + len(data))
            if not more:
                data = data.ljust(count, b"\0")
                break
            data += more
        return self._with_pieces(offset, data) if self.pieces else data

    def _piece_behind(self, offset):
        """The number of the first piece that ends behind offset."""
        i = bisect_left(self.pieces, (offset,))
        if i and self.pieces[i - 1][0] + len(self.pieces[i - 1][1]) > offset:
            return i - 1
        return i

    def _with_pieces(self, offset, data):
        """The bytes from offset on, where the file has these ones."""
        end = offset + len(data)
        first, behind = self._piece_behind(offset), bisect_left(self.pieces, (end,))
        if first >= behind:
            return data
        data = bytearray(data)
        for start, piece in self.pieces[first:behind]:
            begin, stop = max(start, offset), min(start + len(piece), end)
            data[begin - offset : stop - offset] = piece[begin - start : stop - start]
        return bytes(data)

    def u64(self, offset):
        return U64.unpack(self.read(offset, 8))[0]

    def next_data(self, offset, end):
        """The first offset from offset on that is not in a hole, at most end; offset where that is not known."""
        if not hasattr(os, "SEEK_DATA") or offset >= self.size:
            return offset
        i = self._piece_behind(offset)
        if i < len(self.pieces):
            end = min(end, max(offset, self.pieces[i][0]))
        try:
            return min(os.lseek(self.fd, offset, os.SEEK_DATA), end)
        except OSError as error:
            return end if error.errno == errno.ENXIO else offset

    def last_nonzero(self, start, end):
        """The offset behind the last byte of start..end that is not zero; start if there is none."""
        last = start
        at = self.next_data(start, end)
        while at < end:
            count = min(CHUNK, end - at)
            used = len(self.read(at, count).rstrip(b"\0"))
            if used:
                last = at + used
            at = self.next_data(at + count, end)
        return last


def is_zero(data):
    return not data.strip(b"\0")


# ---------------------------------------------------------------------------------------------------------------------
# Header and tables, sections 3 and 4

# (offset in the structure, format, name); a repeated format gives a list, "s" hexadecimal digits.
IDENTITY_AT = 16
IDENTITY = (
    (0, "Q", "magic"), (8, "I", "version"), (12, "I", "header_size"), (16, "Q", "features_compatible"),
    (24, "Q", "features_read_only"), (32, "Q", "features_incompatible"), (40, "16s", "uuid"), (56, "Q", "seed"),
    (64, "I", "hash_id"), (68, "I", "shard_count"), (72, "I", "unit_size"), (76, "I", "attachment_count"),
    (80, "2Q", "checkpoint_offset"), (96, "Q", "shard_table_offset"), (104, "Q", "attachment_table_offset"),
    (112, "Q", "first_extent_offset"), (120, "Q", "created_unix_ms"), (128, "I", "checkpoint_slot_size"),
    (132, "I", "shard_block_size"), (136, "I", "attachment_slot_size"), (140, "I", "segment_size"),
    (232, "Q", "checksum"),
)  # fmt: skip
STATE_AT = 256
STATE = (
    (0, "Q", "file_size"), (8, "I", "clean"), (12, "I", "volatile_layout"), (16, "Q", "incarnation"),
    (24, "Q", "epoch"), (32, "Q", "poison"), (40, "Q", "clean_checksum"), (48, "Q", "rebuilds"),
    (56, "Q", "clock_ms"), (64, "16s", "file.boot_id"), (80, "Q", "file.device"), (88, "Q", "file.inode"),
    (96, "Q", "file.birth_ns"), (104, "Q", "file.mount_id"), (112, "Q", "file.checksum"),
    (120, "Q", "checkpoint_number"), (128, "Q", "last_recovery.at_unix_ms"),
    (136, "Q", "last_recovery.duration_us"), (144, "Q", "last_recovery.records_kept"),
    (152, "Q", "last_recovery.entries"), (160, "Q", "last_recovery.bytes_dropped"),
)  # fmt: skip
LOCKS_AT = 448
LOCKS = (
    (0, "Q", "checkpoint"), (8, "Q", "allocator"), (16, "Q", "growth"),
    (32, "Q", "checkpoints_started"), (40, "Q", "checkpoints_finished"),
)  # fmt: skip
COMMITS_AT = 1536
COMMITS = (
    (0, "Q", "lock"), (8, "Q", "started"), (16, "Q", "finished"), (24, "Q", "whole_wanted"), (32, "Q", "whole_done"),
    (40, "Q", "behind"), (48, "Q", "behind_done"), (56, "Q", "slot_flushed"),
)  # fmt: skip
JOURNAL_AT = 1600
JOURNAL_BLOCK = ((0, "Q", "extent"), (8, "Q", "next"))
ALLOCATOR_AT = 512
ALLOCATOR = (
    (0, "2Q", "frontiers[0]"), (16, "2Q", "frontiers[1]"), (32, "Q", "free_bytes"), (40, "Q", "next_order"),
    (64, "32Q", "free_lists[0]"), (320, "32Q", "free_lists[1]"), (576, "Q", "log_bytes"), (584, "Q", "index_bytes"),
    (640, "Q", "intent.armed"),
)  # fmt: skip
CHECKPOINT = (
    (0, "Q", "checksum"), (8, "Q", "number"), (16, "Q", "incarnation"), (24, "Q", "finished_unix_ms"),
    (64, "256Q", "marks"),
)  # fmt: skip
SHARD_NAMES = (
    "shape", "directory", "commit", "promised", "index_extents", None, "left_from", "left_to", "lock", "next_sequence",
    "log_extent", "log_tail", "log_end", "base_sequence", "nonce", "accepted_log", "entries", "live_bytes",
    "dead_bytes", "index_tail", "index_end", "free_segment", "segments", "log_dead", "incoming_log", "incoming_index",
    "log_bytes", "index_bytes", "boundary", "accepted_index", "log_wanted", "log_durable", "intent.armed",
    *[None] * 17, "filled", "emptying", "limbo", "limbo_bytes", "releasing", "releasing_bytes",
)  # fmt: skip
SHARD = tuple((8 * i, "Q", name) for i, name in enumerate(SHARD_NAMES) if name)
SHARD_OFFSETS = {name: offset for offset, _, name in SHARD}


def parse(table, data):
    """The fields of a structure as a dictionary."""
    fields = {}
    for offset, form, name in table:
        values = struct.unpack_from("<" + form, data, offset)
        if form.endswith("s"):
            fields[name] = values[0].hex()
        else:
            fields[name] = values[0] if len(form) == 1 else list(values)
    return fields


class Faults:
    """What a checker found, listed up to a limit for each check."""

    def __init__(self):
        self.listed = []
        self.counts = {}

    def add(self, offset, check, what):
        count = self.counts.get(check, 0)
        self.counts[check] = count + 1
        if count < LISTED_FAULTS:
            self.listed.append((offset, check, what))

    def merge(self, other):
        for check, count in other.counts.items():
            self.counts[check] = self.counts.get(check, 0) + count
        self.listed += other.listed

    def total(self):
        return sum(self.counts.values())

    def ordered(self):
        return sorted(self.listed, key=lambda fault: (int(fault[1][1:]), fault[0]))


def refuse(offset, check, what):
    raise NotADatabase(offset, check, what)


def check_geometry(identity, size):
    """C7."""

    def demand(name, right, offset):
        if not right:
            refuse(IDENTITY_AT + offset, "C7", "%s is %s" % (name, identity[name]))

    shards = identity["shard_count"]
    attachments = identity["attachment_count"]
    attachment_table = SHARD_TABLE + SHARD_SIZE * shards
    first = (attachment_table + ATTACHMENT_SIZE * attachments + UNIT - 1) // UNIT * UNIT
    rules = {
        "header_size": identity["header_size"] == HEADER_SIZE,
        "hash_id": identity["hash_id"] == 1,
        "shard_count": 1 <= shards <= 256 and shards & (shards - 1) == 0,
        "unit_size": identity["unit_size"] == UNIT,
        "attachment_count": 8 <= attachments <= 65000,
        "checkpoint_offset": identity["checkpoint_offset"] == [4096, 8192],
        "shard_table_offset": identity["shard_table_offset"] == SHARD_TABLE,
        "attachment_table_offset": identity["attachment_table_offset"] == attachment_table,
        "first_extent_offset": identity["first_extent_offset"] == first and first <= size,
        "checkpoint_slot_size": identity["checkpoint_slot_size"] == SLOT_SIZE,
        "shard_block_size": identity["shard_block_size"] == SHARD_SIZE,
        "attachment_slot_size": identity["attachment_slot_size"] == ATTACHMENT_SIZE,
        "segment_size": identity["segment_size"] == SEGMENT_SIZE,
    }
    for offset, _, name in IDENTITY:
        if name in rules:
            demand(name, rules[name], offset)


def read_identity(file):
    """C1 to C7: the fields of the identity block, or NotADatabase."""
    if file.size < HEADER_SIZE:
        refuse(0, "C1", "the file has %d bytes, fewer than %d" % (file.size, HEADER_SIZE))
    head = file.read(0, HEADER_SIZE)
    word = U32.unpack_from(head, 0)[0]
    if word != 2:
        refuse(0, "C2", "the first word is %d and not 2" % word)
    identity = parse(IDENTITY, head[IDENTITY_AT:])
    if identity["magic"] != MAGIC:
        refuse(16, "C3", "the magic number is not that of a kvdb file")
    if hash64(head[16:248], 16) != identity["checksum"]:
        refuse(248, "C4", "wrong checksum of the identity block")
    if identity["version"] != 1:
        refuse(24, "C5", "unknown version %d" % identity["version"])
    if identity["features_incompatible"] & ~KNOWN_INCOMPATIBLE:
        refuse(48, "C6", "unknown incompatible features 0x%x" % identity["features_incompatible"])
    check_geometry(identity, file.size)
    return identity


def clean_checksum(head, shard_table):
    """Section 3.2."""
    block = bytearray(head[16:4080])
    block[264 - 16 : 268 - 16] = bytes(4)
    block[296 - 16 : 304 - 16] = bytes(8)
    return hash64(shard_table, hash64(bytes(block), 0))


class Header:
    """Header and tables of a file that is not refused, with the verdict on C8 to C11."""

    def __init__(self, file):
        self.identity = read_identity(file)
        head = file.read(0, HEADER_SIZE)
        self.shard_count = self.identity["shard_count"]
        self.seed = self.identity["seed"]
        self.first_extent = self.identity["first_extent_offset"]
        self.state = parse(STATE, head[STATE_AT:])
        self.locks = parse(LOCKS, head[LOCKS_AT:])
        self.allocator = parse(ALLOCATOR, head[ALLOCATOR_AT:])
        self.commits = parse(COMMITS, head[COMMITS_AT:])
        self.journal = parse(JOURNAL_BLOCK, head[JOURNAL_AT:])
        table = file.read(SHARD_TABLE, SHARD_SIZE * self.shard_count)
        self.shards = [parse(SHARD, table[SHARD_SIZE * i :]) for i in range(self.shard_count)]
        self.faults = Faults()
        self.clean = self._judge_clean(file, head, table)
        size = self.state["file_size"] if self.clean else min(file.size, MAX_FILE_SIZE)
        self.end = size // UNIT * UNIT
        self.checkpoints = [file.read(offset, SLOT_SIZE) for offset in self.identity["checkpoint_offset"]]
        self._judge_checkpoints()

    def _judge_clean(self, file, head, table):
        """C8, C9, C10: whether the file is clean."""
        state = self.state
        if state["clean"] > 1:
            self.faults.add(264, "C8", "`clean` is %d" % state["clean"])
        if state["clean"] != 1:
            return False
        if clean_checksum(head, table) != state["clean_checksum"]:
            self.faults.add(296, "C9", "wrong clean checksum")
            return False
        size = state["file_size"]
        if not self.first_extent <= size <= min(file.size, MAX_FILE_SIZE) or size % UNIT:
            self.faults.add(256, "C10", "the published size %d does not fit the file of %d bytes" % (size, file.size))
            return False
        return state["volatile_layout"] == 1

    def checkpoint_status(self, i):
        slot = self.checkpoints[i]
        if U64.unpack_from(slot, 8)[0] == 0:
            return "unused"
        return "valid" if hash64(slot[8:2112], 0) == U64.unpack_from(slot, 0)[0] else "invalid"

    def _judge_checkpoints(self):
        """C11."""
        invalid = [i for i in (0, 1) if self.checkpoint_status(i) == "invalid"]
        if self.clean or len(invalid) == 2:
            for i in invalid:
                self.faults.add(self.identity["checkpoint_offset"][i], "C11", "checkpoint slot %d is invalid" % i)


# ---------------------------------------------------------------------------------------------------------------------
# Extents, section 5

Extent = namedtuple("Extent", "offset kind shard size order nonce base_sequence link wear since")
EXTENT_STRUCT = struct.Struct("<QHHIQQQQQQ")
LINK_AT, WEAR_AT = 40, 48


def parse_extent(data, at, offset, header, any_checksum=False):
    """The extent at offset, whose header is at data[at:], or None (5.1)."""
    checksum, kind, shard, units, order, nonce, base, link, wear, since = EXTENT_STRUCT.unpack_from(data, at)
    if kind not in EXTENT_KINDS or shard >= header.shard_count or units == 0:
        return None
    size = UNIT * units
    if offset + size > header.end or size > MAX_EXTENT.get(kind, size):
        return None
    if not any_checksum and hash64(data[at + 8 : at + 40], header.seed + offset & M64) != checksum:
        return None
    return Extent(offset, kind, shard, size, order, nonce, base, link, wear, since)


def walk_extents(file, header):
    """The extents of the file in its order (5.2)."""
    end = header.end
    offset = header.first_extent
    while offset + UNIT <= end:
        data_at = file.next_data(offset, end) // UNIT * UNIT
        offset = max(offset, data_at)
        start = offset
        data = file.read(start, min(CHUNK, end - start))
        while offset - start < len(data):
            extent = parse_extent(data, offset - start, offset, header)
            if extent:
                yield extent
                offset += extent.size
            else:
                offset += UNIT


# ---------------------------------------------------------------------------------------------------------------------
# Lists of extents, section 5.6


class Lists:
    """The lists of one shard of a clean file, and their part of C25."""

    IN_LIMBO = ("limbo", "releasing")
    NAMES = IN_LIMBO + ("filled", "emptying", "index_extents")
    ALLOWED = {
        LOG: IN_LIMBO + ("filled", "emptying"),
        LARGE: IN_LIMBO + ("emptying",),
        INDEX: IN_LIMBO + ("index_extents",),
    }

    def __init__(self, file, header, shard, own, extents):
        """`own` are the extents of this shard, `extents` all of them."""
        self.damage = []  # C25: (offset of the word that leads astray, what)
        self.members = {}  # by the name of the list: its extents, and their offsets
        self.offsets = {}
        valid = {extent.offset: extent for extent in own if extent.kind != JOURNAL}
        for name in self.NAMES:
            members, met = [], set()
            word_at = SHARD_TABLE + SHARD_SIZE * shard + SHARD_OFFSETS[name]
            at = header.shards[shard][name]
            while at:
                extent = valid.get(at)
                if extent is None and name == "releasing":
                    extent = released_extent(file, header, shard, at, extents)
                if extent is None or at in met:
                    what = "which was met before" if extent else "where no extent of this shard is"
                    self.damage.append((word_at, "the list `%s` leads to %d, %s" % (name, at, what)))
                    break
                met.add(at)
                members.append(extent)
                word_at = at + LINK_AT
                at = (extent.link & M32) * UNIT
            self.members[name], self.offsets[name] = members, met

    def in_limbo(self, extent):
        return any(extent.offset in self.offsets[name] for name in self.IN_LIMBO)

    def places(self, extent):
        """(lists that the extent is in and may be in, lists that it is in but may not be in by its kind)."""
        names = [name for name in self.NAMES if extent.offset in self.offsets[name]]
        allowed = self.ALLOWED[extent.kind]
        return [name for name in names if name in allowed], [name for name in names if name not in allowed]

    def limbo_bytes(self):
        return sum(extent.size for name in self.IN_LIMBO for extent in self.members[name])


def released_extent(file, header, shard, at, extents):
    """The extent of this shard at this offset whose checksum alone is wrong, or None."""
    if at % UNIT or at < header.first_extent or at + UNIT > header.end or overlapped(extents, at, at + 1):
        return None
    extent = parse_extent(file.read(at, EXTENT_HEADER), 0, at, header, any_checksum=True)
    return extent if extent and extent.shard == shard and extent.kind != JOURNAL else None


# ---------------------------------------------------------------------------------------------------------------------
# Records, section 6

Record = namedtuple("Record", "offset size kind sequence key value_offset value_length")
RECORD_STRUCT = struct.Struct("<IHHII")
# Key start by bits 2 to 6 of meta; bit 5 stands for two fields.
KEY_START = [16 + 8 * (bin(flags).count("1") + (flags >> 3 & 1)) for flags in range(32)]
WIDE = 0x40

# How the walk over an extent ended.
AT_MARK, AT_END, AT_STOP = "end mark", "end of the extent", "no valid record"


def record_size(key_length, meta, value_length, sequence, distance):
    """The size of a record by its header, 0 if the header is not that of a valid record (6.1, rules 2 to 4)."""
    kind = meta & 3
    if kind == 0 or meta & 0x80 or meta >> 8 != distance:
        return 0
    if kind != VALUE:
        if value_length:
            return 0
        if kind == END_MARK and (meta & 0x7C or key_length or sequence):
            return 0
    if meta & WIDE and sequence:
        return 0
    return KEY_START[meta >> 2 & 31] + key_length + value_length + 3 & ~3


def walk_log(data, extent):
    """The records of a log extent: (records, offset where the walk ended, how)."""
    records = []
    unpack = RECORD_STRUCT.unpack_from
    base, nonce = extent.base_sequence, extent.nonce
    origin, end = extent.offset, extent.size
    q = EXTENT_HEADER
    while q + RECORD_HEADER <= end:
        checksum, key_length, meta, value_length, sequence = unpack(data, q)
        size = record_size(key_length, meta, value_length, sequence, q >> 10)
        if size == 0 or q + size > end:
            return records, origin + q, AT_STOP
        if hash64(data[q + 4 : q + size], nonce + origin + q & M64) & M32 != checksum:
            return records, origin + q, AT_STOP
        kind = meta & 3
        if kind == END_MARK:
            return records, origin + q, AT_MARK
        if meta & WIDE:
            sequence = U64.unpack_from(data, q + 16)[0]
        else:
            sequence = base + sequence & M64
        key_at = q + KEY_START[meta >> 2 & 31]
        value_at = key_at + key_length
        records.append(
            Record(origin + q, size, kind, sequence, data[key_at:value_at], origin + value_at, value_length)
        )
        q += size
    return records, origin + q, AT_END


def walk_large(file, extent):
    """The same for a large extent."""
    q = extent.offset + EXTENT_HEADER
    head = file.read(q, 64)
    checksum, key_length, meta, value_length, sequence = RECORD_STRUCT.unpack_from(head, 0)
    size = record_size(key_length, meta, value_length, sequence, 0)
    if size == 0 or EXTENT_HEADER + size > extent.size:
        return [], q, AT_STOP
    key_start = KEY_START[meta >> 2 & 31]
    content = hash_range(file, q + key_start, key_length + value_length, extent.nonce)
    if hash64(head[4:key_start] + U64.pack(content), extent.nonce + q & M64) & M32 != checksum:
        return [], q, AT_STOP
    kind = meta & 3
    if kind == END_MARK:
        return [], q, AT_MARK
    if meta & WIDE:
        sequence = U64.unpack_from(head, 16)[0]
    else:
        sequence = extent.base_sequence + sequence & M64
    key = file.read(q + key_start, key_length)
    return [Record(q, size, kind, sequence, key, q + key_start + key_length, value_length)], q + size, AT_END


def hash_range(file, offset, count, seed):
    """The hash of bytes of the file."""
    if count <= 240:
        return hash64(file.read(offset, count), seed)
    return hash_long(lambda at, part: file.read(offset + at, part), count, seed)


def walk_extent(file, extent):
    """(records, offset of the end, how, dropped bytes) of an extent of kind log or large (6.3)."""
    if extent.kind == LARGE:
        records, q, how = walk_large(file, extent)
        dropped = file.last_nonzero(q, extent.offset + extent.size) - q if how == AT_STOP else 0
    else:
        data = file.read(extent.offset, extent.size)
        records, q, how = walk_log(data, extent)
        dropped = len(data[q - extent.offset :].rstrip(b"\0")) if how == AT_STOP else 0
    return records, q, how, dropped


# ---------------------------------------------------------------------------------------------------------------------
# The journal, section 5.5

Entry = namedtuple("Entry", "lap size ranges")
ENTRY_STRUCT = struct.Struct("<QIIQ")
RANGE_STRUCT = struct.Struct("<QQ")


def find_extents(file, header):
    """The extents in the order of the file. An unclean file is from now on read as the journal completes it."""
    extents = list(walk_extents(file, header))
    return extents if header.clean else complete_log(file, header, extents)


def complete_log(file, header, extents):
    """Adds to the file what the journal holds; the extents, with those that this made."""
    journals = [extent for extent in extents if extent.kind == JOURNAL]
    if not journals:
        return extents
    journal = max(journals, key=lambda extent: extent.order)
    made, pieces, ranges_of = place_ranges(header, extents, read_journal(file, header, journal))
    for extent, ranges in ranges_of.items():
        pieces += missing_pieces(file, extent, ranges)
    file.pieces = sorted(pieces)
    return sorted(extents + made)


def read_journal(file, header, journal):
    """(offset, bytes) of each range of the entries that count, in order."""
    data = file.read(journal.offset, journal.size)
    q = EXTENT_HEADER
    first = entry = parse_entry(data, q, header, journal)
    while entry and entry.lap == first.lap:
        yield from entry.ranges
        q += entry.size
        entry = parse_entry(data, q, header, journal)


def parse_entry(data, q, header, journal):
    """The entry at q in the bytes of the journal if the rules 1 to 4 make it a valid one, or None."""
    if q + ENTRY_STRUCT.size > len(data):
        return None
    checksum, lap, count, size = ENTRY_STRUCT.unpack_from(data, q)
    table = q + ENTRY_STRUCT.size
    at, end = table + RANGE_STRUCT.size * count, q + size
    if size % 8 or not at <= end <= len(data):
        return None
    if hash64(data[q + 8 : end], journal.nonce + journal.offset + q & M64) != checksum:
        return None
    ranges = []
    for offset, length in RANGE_STRUCT.iter_unpack(data[table:at]):
        if at + length > end or offset % 4 or length % 4:
            return None
        behind = offset + length  # not modulo 2^64
        in_journal = behind > journal.offset and offset < journal.offset + journal.size
        if offset < header.first_extent or behind > header.end or in_journal:
            return None
        ranges.append((offset, data[at : at + length]))
        at += length
    return Entry(lap, size, ranges)


def overlapped(extents, start, end):
    """The last of these extents, sorted by offset, that has bytes of start..end, or None."""
    i = bisect_left(extents, (end,)) - 1
    return extents[i] if i >= 0 and extents[i].offset + extents[i].size > start else None


def place_ranges(header, extents, ranges):
    """(extents made, their headers as pieces, {log extent: the ranges that belong to it})."""
    made, pieces, ranges_of = [], [], {}
    for offset, data in ranges:
        extent = overlapped(extents, offset, offset + 1) or overlapped(made, offset, offset + 1)
        if extent is None:
            if offset % UNIT or len(data) < EXTENT_HEADER:
                continue
            extent = parse_extent(data, 0, offset, header)
            if extent is None or extent.kind != LOG:
                continue
            end = offset + extent.size
            if overlapped(extents, offset, end) or overlapped(made, offset, end):
                continue
            insort(made, extent)
            pieces.append((offset, data[:EXTENT_HEADER]))
        if extent.kind == LOG and offset + len(data) <= extent.offset + extent.size:
            ranges_of.setdefault(extent, []).append((offset, data))
    return made, pieces, ranges_of


def missing_pieces(file, extent, ranges):
    """What these ranges add to a log extent: pieces of what is behind its last record, later ranges over earlier."""
    _, q, how = walk_log(file.read(extent.offset, extent.size), extent)
    if how != AT_STOP:
        return
    data = bytearray(extent.size)
    held = bytearray(extent.size + 1)  # 1 for each byte that data has; one more, so that the last run of them ends
    for offset, part in ranges:
        part = part[max(q - offset, 0) :]
        at = max(q, offset) - extent.offset
        data[at : at + len(part)] = part
        held[at : at + len(part)] = b"\1" * len(part)
    start = held.find(1)
    while start >= 0:
        end = held.find(0, start)
        yield extent.offset + start, bytes(data[start:end])
        start = held.find(1, end)


def check_journal(header, extents, faults):
    """C24."""
    word = header.journal["extent"]
    named = (word & M32) * UNIT
    journals = [extent.offset for extent in extents if extent.kind == JOURNAL]
    if word and named not in journals:
        faults.add(JOURNAL_AT, "C24", "`extent` leads to %d, where no extent of kind journal is" % named)
    for offset in journals:
        if offset != named:
            faults.add(offset, "C24", "the extent of kind journal is not the one that the header names")


# ---------------------------------------------------------------------------------------------------------------------
# Content, section 7


class Content:
    """The records of one shard, reduced to the winner of each key.

    A key has a number; the arrays hold what is known of its winner so far. What only few keys have is in dictionaries.
    """

    def __init__(self):
        self.ids = {}  # key -> number
        self.hashes = array("Q")
        self.sequences = array("Q")
        self.kinds = bytearray()
        self.offsets = array("Q")  # of the winning record
        self.sizes = array("Q")
        self.copies = {}  # number -> [(offset, size)], other records as good as the winner
        self.earlier = {}  # number -> {sequence: offset of the first value record}, for keys with several records
        self.taken = {}  # offset of an extent -> sum of the sizes of the records taken there

    def add(self, record, key_hash, extent):
        """Takes a record. Returns the offset of a value record with the same key and sequence number, or None."""
        self.taken[extent.offset] = self.taken.get(extent.offset, 0) + record.size
        number = self.ids.setdefault(record.key, len(self.hashes))
        if number == len(self.hashes):
            self.hashes.append(key_hash)
            self.sequences.append(record.sequence)
            self.kinds.append(record.kind)
            self.offsets.append(record.offset)
            self.sizes.append(record.size)
            return None
        twin = self._remember(number, record)
        self._contest(number, record)
        return twin

    def add_from_limbo(self, record, key_hash):
        """The same for a record that does not count. After all those that do."""
        number = self.ids.setdefault(record.key, len(self.hashes))
        if number == len(self.hashes):
            self.hashes.append(key_hash)
            self.sequences.append(0)
            self.kinds.append(0)  # no winner
            self.offsets.append(0)
            self.sizes.append(0)
        return self._remember(number, record)

    def _remember(self, number, record):
        earlier = self.earlier.get(number)
        if earlier is None:
            earlier = self.earlier[number] = {}
            if self.kinds[number] == VALUE:
                earlier[self.sequences[number]] = self.offsets[number]
        if record.kind != VALUE:
            return None
        first = earlier.setdefault(record.sequence, record.offset)
        return None if first == record.offset else first

    def _contest(self, number, record):
        ours = (self.sequences[number], self.kinds[number] == VALUE)
        theirs = (record.sequence, record.kind == VALUE)
        if theirs > ours:
            self.sequences[number] = record.sequence
            self.kinds[number] = record.kind
            self.offsets[number] = record.offset
            self.sizes[number] = record.size
            self.copies.pop(number, None)
        elif theirs == ours and record.kind == VALUE:
            self.copies.setdefault(number, []).append((record.offset, record.size))

    def entries(self):
        return self.kinds.count(VALUE)

    def candidates(self, number):
        """(offset, size) of the records any of which may count as the winner of this key."""
        return [(self.offsets[number], self.sizes[number])] + self.copies.get(number, [])

    def settle(self, number, offset):
        """Makes the one of the candidates that is at this offset the winner, and the others losers."""
        self.sizes[number] = dict(self.candidates(number))[offset]
        self.offsets[number] = offset
        del self.copies[number]

    def total_bytes(self):
        return sum(self.taken.values())

    def dead_bytes(self):
        """{offset of an extent: sum of the sizes of the records there that are no winning values}."""
        dead = dict(self.taken)
        starts = sorted(dead)
        for kind, offset, size in zip(self.kinds, self.offsets, self.sizes):
            if kind == VALUE:
                dead[starts[bisect_left(starts, offset) - 1]] -= size
        return dead


def value_place(file, offset):
    """(offset, length) of the value of a record known to be valid."""
    _, key_length, meta, value_length, _ = RECORD_STRUCT.unpack(file.read(offset, RECORD_HEADER))
    return offset + KEY_START[meta >> 2 & 31] + key_length, value_length


def equal_values(file, record, other_offset):
    at, length = value_place(file, other_offset)
    if length != record.value_length:
        return False
    for start in range(0, length, CHUNK):
        count = min(CHUNK, length - start)
        if file.read(at + start, count) != file.read(record.value_offset + start, count):
            return False
    return True


def describe(key):
    """A key for people, shortened."""
    text = repr(key[:40])[1:]
    return text + "..." if len(key) > 40 else text


# ---------------------------------------------------------------------------------------------------------------------
# One shard: content, C12 to C21, C23, C25, C26 and the index of section 8


class ShardCheck:
    """All that is judged of one shard. `extents` are those of this shard; `lists` is None for an unclean file."""

    def __init__(self, file, header, shard, extents, lists):
        self.file = file
        self.header = header
        self.shard = shard
        self.lists = lists
        self.in_limbo = [extent for extent in extents if lists and lists.in_limbo(extent)]
        self.extents = [extent for extent in extents if not lists or not lists.in_limbo(extent)]
        self.block = header.shards[shard]
        self.content = Content()
        self.faults = Faults()
        self.records = 0
        self.dropped = 0
        self.large_keys = {}  # offset of a large extent -> number of the key of its record

    def field_at(self, name):
        return SHARD_TABLE + SHARD_SIZE * self.shard + SHARD_OFFSETS[name]

    def fault(self, offset, check, what):
        self.faults.add(offset, check, "shard %d: %s" % (self.shard, what))

    def field_fault(self, name, check, what):
        self.fault(self.field_at(name), check, "`%s` is %d, %s" % (name, self.block[name], what))

    def run(self):
        for extent in self.extents:
            if extent.kind in HOLD_RECORDS:
                self._walk(extent)
        for extent in self.in_limbo:
            if extent.kind in HOLD_RECORDS:
                self._walk_in_limbo(extent)
        if self.header.clean:
            self._check_intent()
            self._check_log_extent()
            self._check_index()

    def _walk(self, extent):
        records, q, how, dropped = walk_extent(self.file, extent)
        self.records += len(records)
        self.dropped += dropped
        if self.header.clean and extent.kind == LOG:
            self._check_log_tail(extent, q)
            if how == AT_STOP:
                self._check_log_end(extent, q)
        if self.header.clean and extent.kind == LARGE and not records:
            self.fault(extent.offset, "C15", "the large extent has no valid record")
        take = self.content.add
        limit = self.block["next_sequence"] if self.header.clean else 1 << 64
        for record, key_hash in self._of_this_shard(records):
            if record.sequence >= limit:
                text = "sequence number %d is not below `next_sequence` %d" % (record.sequence, limit)
                self.fault(record.offset, "C17", text)
            twin = take(record, key_hash, extent)
            if extent.kind == LARGE:
                self.large_keys[extent.offset] = self.content.ids[record.key]
            if twin is not None:
                self._compare(record, twin)

    def _walk_in_limbo(self, extent):
        """C12 and C13 for records that do not count."""
        records, _, _, dropped = walk_extent(self.file, extent)
        self.records += len(records)
        self.dropped += dropped
        for record, key_hash in self._of_this_shard(records):
            twin = self.content.add_from_limbo(record, key_hash)
            if twin is not None:
                self._compare(record, twin)

    def _of_this_shard(self, records):
        """C12: (record, hash of its key) of those that belong to this shard."""
        seed, shard = self.header.seed, self.shard
        shift = 64 - (self.header.shard_count.bit_length() - 1)  # section 7
        for record in records:
            key_hash = hash64(record.key, seed)
            if key_hash >> shift == shard:
                yield record, key_hash
            else:
                text = "the key %s belongs to shard %d" % (describe(record.key), key_hash >> shift)
                self.fault(record.offset, "C12", text)

    def _compare(self, record, twin):
        """C13."""
        if not equal_values(self.file, record, twin):
            text = "the record at %d has the same key and sequence number, but another value" % twin
            self.fault(record.offset, "C13", text)

    def _check_intent(self):
        """C14 for this shard."""
        if self.block["intent.armed"]:
            self.field_fault("intent.armed", "C14", "not 0")

    def _check_log_end(self, extent, q):
        """C15 for a log extent that ends neither at an end mark nor at its own end."""
        block = self.block
        zeros = is_zero(self.file.read(q, RECORD_HEADER))
        if zeros and block["log_extent"] == extent.offset and block["log_tail"] == q:
            return
        if zeros and self._handed("log") == extent.offset and q == extent.offset + EXTENT_HEADER:
            return
        self.fault(q, "C15", "the log extent at %d ends here without an end mark" % extent.offset)

    def _handed(self, use):
        """Offset of the run that was handed over for the log or the index and not taken, or None."""
        word = self.block["incoming_" + use]
        return None if word == self.block["accepted_" + use] else (word & M32) * UNIT

    def _check_log_tail(self, extent, q):
        """C16 for the place where the walk of the shard's own extent ended."""
        if self.block["log_extent"] == extent.offset and self.block["log_tail"] != q:
            self.field_fault("log_tail", "C16", "but the walk of its extent ended at %d" % q)

    def _check_log_extent(self):
        """C16 for what the extent's header says."""
        block = self.block
        if block["log_extent"] == 0:
            return
        for extent in self.extents:
            if extent.offset == block["log_extent"] and extent.kind == LOG:
                break
        else:
            self.field_fault("log_extent", "C16", "where no log extent of this shard is")
            return
        rights = (
            ("log_end", extent.offset + extent.size),
            ("base_sequence", extent.base_sequence),
            ("nonce", extent.nonce),
        )
        for name, right in rights:
            if block[name] != right:
                self.field_fault(name, "C16", "the extent says %d" % right)

    def _check_index(self):
        """C18 to C21, C23, C25, C26."""
        index = IndexCheck(self.file, self.shard, self.block, self.extents, self.content)
        index.run()
        for offset, what in index.damage:
            self.fault(offset or self.field_at("directory"), "C18", what)
        if index.segments is not None and index.segments != self.block["segments"]:
            self.field_fault("segments", "C18", "there are %d" % index.segments)
        counts = None
        if not index.damage:
            counts = index.counts
            self.faults.merge(index.wrong_slots)
            self._check_reached(counts)
            self._settle(counts, index.chosen)
            self._check_incoming(index)
            for name, what in index.wrong_space():
                self.field_fault(name, "C23", what)
            self._check_lists()
            self._check_wear()
        self._check_totals()

    def _check_incoming(self, index):
        """C23 for runs that were handed over and not taken."""
        block = self.block
        for kind, use in ((LOG, "log"), (INDEX, "index")):
            at = self._handed(use)
            if at is None:
                continue
            run = next((e for e in self.extents if e.offset == at and e.kind == kind), None)
            if run is None:
                used = True
            elif kind == LOG:
                used = at == block["log_extent"] or at in self.content.taken
            else:
                inside = any(at < block[word] < at + run.size for word in ("index_tail", "free_segment"))
                used = inside or index.holds(at, at + run.size)
            if used:
                self.field_fault("incoming_" + use, "C23", "where no empty run of this shard is")

    def _check_reached(self, counts):
        """C19."""
        content = self.content
        if content.kinds.count(VALUE) == counts.count(1):
            return
        for key, number in content.ids.items():
            if content.kinds[number] == VALUE and counts[number] != 1:
                text = "%s slots lead to the key %s" % (("no", "", "several")[counts[number]], describe(key))
                self.fault(content.offsets[number], "C19", text)

    def _settle(self, counts, chosen):
        """Which of several copies counts as the winner is for the index to say, where it names one of them (5.6)."""
        for number in list(self.content.copies):
            if counts[number] == 1:
                self.content.settle(number, chosen[number])

    def _check_totals(self):
        """C21. Where copies are left, any of them may be the winner."""
        content, block = self.content, self.block
        if block["entries"] != content.entries():
            self.field_fault("entries", "C21", "there are %d" % content.entries())
        low = high = 0
        if content.copies:
            for number, kind in enumerate(content.kinds):
                if kind == VALUE:
                    sizes = [size for _, size in content.candidates(number)]
                    low, high = low + min(sizes), high + max(sizes)
        else:
            low = high = sum(size for size, kind in zip(content.sizes, content.kinds) if kind == VALUE)
        live = block["live_bytes"]
        if not low <= live <= high:
            self.field_fault("live_bytes", "C21", "there are %d" % low)
            live = low
        dead = content.total_bytes() - live
        if block["dead_bytes"] != dead:
            self.field_fault("dead_bytes", "C21", "there are %d" % dead)

    def _check_lists(self):
        """C25."""
        for offset, what in self.lists.damage:
            self.fault(offset, "C25", what)
        for extent in self.extents + self.in_limbo:
            if extent.kind == JOURNAL:
                continue
            right, wrong = self.lists.places(extent)
            kind = EXTENT_KINDS[extent.kind]
            for name in wrong:
                self.fault(extent.offset, "C25", "the extent of kind %s is in the list `%s`" % (kind, name))
            fewest, most = self._other_places(extent)
            if not fewest <= 1 - len(right) <= most:
                text = "the extent of kind %s is in %d of the places where it is to be in one"
                self.fault(extent.offset, "C25", text % (kind, len(right) + most))

    def _other_places(self, extent):
        """In how many of the places that are no lists the extent is: at least and at most."""
        at = extent.offset
        if extent.kind == LOG:
            count = (at == self.block["log_extent"]) + (at == self._handed("log"))
        elif extent.kind == INDEX:
            count = int(at == self._handed("index"))
        else:
            count = int(self._may_hold_winner(extent))
            if count and self.large_keys[at] in self.content.copies:
                return 0, 1  # none of the copies is known to be the winner; C19 has told of them
        return count, count

    def _may_hold_winner(self, extent):
        """Whether the record of a large extent is the winner of its key, or one of the copies that may be."""
        number = self.large_keys.get(extent.offset)
        winners = self.content.candidates(number) if number is not None else []
        return any(offset == extent.offset + EXTENT_HEADER for offset, _ in winners)

    def _check_wear(self):
        """C26, without what is in limbo.

        Extents with copies of which none is known to be the winner are passed over; C19 has told of them.
        """
        block, content, lists = self.block, self.content, self.lists
        dead = content.dead_bytes()
        starts = sorted(dead)
        doubtful = set()
        for number in content.copies:
            for offset, _ in content.candidates(number):
                doubtful.add(starts[bisect_left(starts, offset) - 1])
        if block["log_extent"] not in doubtful and block["log_dead"] != dead.get(block["log_extent"], 0):
            self.field_fault("log_dead", "C26", "there are %d" % dead.get(block["log_extent"], 0))
        for extent in lists.members["filled"]:
            at, worn = extent.offset, extent.wear & M32
            if at not in doubtful and not lists.in_limbo(extent) and worn != dead.get(at, 0):
                text = "by its `wear` the extent has %d dead bytes, there are %d" % (worn, dead.get(at, 0))
                self.fault(at + WEAR_AT, "C26", text)
        if block["limbo_bytes"] + block["releasing_bytes"] & M64 != lists.limbo_bytes():
            text = "with `releasing_bytes` %d, in limbo are %d" % (block["releasing_bytes"], lists.limbo_bytes())
            self.field_fault("limbo_bytes", "C26", text)


class IndexCheck:
    """The index of one shard (section 8, C18 to C20, and its part of C23).

    The structures must not overlap. This follows from what they are, and it also bounds the work by the bytes of the
    index extents.
    """

    POSITION = (1 << 40) - 1
    TAG = (1 << 22) - 1

    def __init__(self, file, shard, block, extents, content):
        self.file = file
        self.shard = shard
        self.block = block
        self.content = content
        spaces = [(e.offset + EXTENT_HEADER, e.offset + e.size) for e in extents if e.kind == INDEX]
        self.space_starts = [start for start, _ in spaces]
        self.space_ends = [end for _, end in spaces]
        self.damage = []  # C18: (offset, or None for the directory word, what); the first fault only
        self.segments = None  # the number of segments, where it could be found
        self.counts = bytearray(len(content.hashes))  # slots that lead to each key, 2 for more
        self.chosen = {}  # key with copies -> offset of the record that a slot leads to
        self.wrong_slots = Faults()  # C20
        self.starts, self.ends = [], []  # of directory and segments
        self.blocks_seen = set()
        self.by_position = {}

    def run(self):
        word = self.block["directory"]
        if word == 0:
            self.segments = 0
            return
        depth, offset = word >> 56, (word & (1 << 56) - 1) * 64
        if depth > MAX_DEPTH:
            self._damage(None, "the depth is %d" % depth)
        elif not self._inside(offset, 8 << depth):
            self._damage(None, "the directory at %d is in no index extent of the shard" % offset)
        else:
            ranges = self._read_directory(depth, offset)
            if ranges is not None and self._disjoint(offset, depth, ranges):
                self._note_positions()
                for segment, first, last in ranges:
                    if not self._check_segment(segment, first, last):
                        break

    def _damage(self, offset, what):
        self.damage.append((offset, what))

    def _inside(self, offset, size):
        """Whether the bytes are in an index extent of the shard, behind its header."""
        i = bisect_right(self.space_starts, offset) - 1
        return i >= 0 and offset + size <= self.space_ends[i]

    def _read_directory(self, depth, offset):
        """[(offset of a segment, first tag, last tag)], or None after damage."""
        entries = array("Q")
        entries.frombytes(self.file.read(offset, 8 << depth))
        if sys.byteorder == "big":
            entries.byteswap()
        ranges = []
        i = 0
        while i < len(entries):
            entry = entries[i]
            local, segment = entry >> 56, (entry & (1 << 56) - 1) * 64
            at = offset + 8 * i
            if local > depth:
                return self._damage(at, "directory entry %d has the local depth %d" % (i, local))
            span = 1 << depth - local
            if i % span:
                return self._damage(at, "directory entry %d begins no range of its local depth" % i)
            if not self._inside(segment, SEGMENT_SIZE):
                return self._damage(at, "the segment at %d is in no index extent of the shard" % segment)
            if span > 1 and entries[i : i + span].count(entry) != span:
                return self._damage(at, "the range from directory entry %d is not of equal entries" % i)
            ranges.append((segment, i << 22 - depth, (i + span << 22 - depth) - 1))
            i += span
        self.segments = len({segment for segment, _, _ in ranges})
        return ranges

    def _disjoint(self, offset, depth, ranges):
        pieces = sorted([(offset, offset + (8 << depth))] + [(s, s + SEGMENT_SIZE) for s, _, _ in ranges])
        self.starts = [start for start, _ in pieces]
        self.ends = [end for _, end in pieces]
        for i in range(1, len(pieces)):
            if self.starts[i] < self.ends[i - 1]:
                return self._damage(self.starts[i], "what stands here is at %d as well" % self.starts[i - 1])
        return True

    def _is_taken(self, offset):
        """Whether the directory or a segment stands there."""
        i = bisect_right(self.starts, offset) - 1
        return i >= 0 and self.ends[i] > offset

    def holds(self, begin, end):
        """Whether any part of the index lies in these bytes. After a run without damage."""
        i = bisect_left(self.starts, end) - 1
        return (i >= 0 and self.ends[i] > begin) or any(begin < b + 64 and b < end for b in self.blocks_seen)

    def wrong_space(self):
        """C23 for the space that the shard writes next: (name of a word, what is wrong)."""
        tail, end, free = self.block["index_tail"], self.block["index_end"], self.block["free_segment"]
        if tail:
            fits = tail % 64 == 0 and tail <= end and self._inside(tail, end - tail)
            if not fits or (tail != end and self.holds(tail, end)):
                yield "index_tail", "but what follows is in use, or in no index extent of the shard"
        if free:
            behind = free + SEGMENT_SIZE
            fits = free % 64 == 0 and self._inside(free, SEGMENT_SIZE)
            if not fits or self.holds(free, behind) or (free < end and behind > tail):
                yield "free_segment", "which is in use, or in no index extent of the shard"

    def _note_positions(self):
        content = self.content
        for number, kind in enumerate(content.kinds):
            if kind == VALUE:
                self.by_position[content.offsets[number] >> 2] = number
        for number, copies in content.copies.items():
            for offset, _ in copies:
                self.by_position[offset >> 2] = number

    def _check_segment(self, offset, first, last):
        data = self.file.read(offset, SEGMENT_SIZE)
        if is_zero(data):
            return True
        link = U64.unpack_from(data, 0)[0]
        slots = BUCKETS.unpack_from(data, 64)
        for i, slot in enumerate(slots):
            if slot & self.POSITION:
                self._check_slot(offset + 64 + 8 * i, slot, i >> 3, slots, first, last)
        return self._check_chain(offset, link, slots, first, last)

    def _check_chain(self, at, link, slots, first, last):
        bound = 1 << 24
        while link:
            ordinal, block = link >> 40, (link & self.POSITION) * 64
            if not 1 <= ordinal < bound:
                return self._damage(at, "the link has the ordinal %d, not in 1..%d" % (ordinal, bound - 1))
            if not self._inside(block, 64):
                return self._damage(at, "the overflow block at %d is in no index extent of the shard" % block)
            if block in self.blocks_seen or self._is_taken(block):
                return self._damage(at, "the overflow block at %d is something else as well" % block)
            self.blocks_seen.add(block)
            words = WORDS[8].unpack(self.file.read(block, 64))
            for i in range(7):
                if words[i] & self.POSITION:
                    self._check_slot(block + 8 * i, words[i], None, slots, first, last)
            at, link, bound = block + 56, words[7], ordinal
        return True

    def _check_slot(self, at, slot, bucket, slots, first, last):
        """C20, and counts for C19. bucket is None in an overflow block."""
        number = self.by_position.get(slot & self.POSITION)
        if number is None:
            return self._wrong(at, "the slot leads to no winner")
        tag = slot >> 40 & self.TAG
        key_hash = self.content.hashes[number]
        if tag != key_hash >> 6 & self.TAG:
            return self._wrong(at, "the slot has not the tag of its key")
        if not first <= tag <= last:
            return self._wrong(at, "the slot is in the wrong segment")
        home = key_hash & 63
        if bucket is None:
            if not slots[8 * home + 6] >> 63:
                return self._wrong(at, "bucket %d has no mark for its entry in an overflow block" % home)
        elif slot >> 62 & 1:
            if bucket != home ^ (tag & 63 | 1):
                return self._wrong(at, "the displaced slot is not in the partner of its home")
            if not slots[8 * home + 7] >> 63:
                return self._wrong(at, "bucket %d has no mark for its displaced entry" % home)
        elif bucket != home:
            return self._wrong(at, "the slot is not in its home bucket %d" % home)
        self.counts[number] = min(self.counts[number] + 1, 2)
        if number in self.content.copies:
            self.chosen[number] = (slot & self.POSITION) << 2

    def _wrong(self, at, what):
        self.wrong_slots.add(at, "C20", "shard %d: %s" % (self.shard, what))


# ---------------------------------------------------------------------------------------------------------------------
# Free lists, C22


def check_free_lists(file, header, extents, faults):
    """C22. Runs that were met are found by their starts at once, and by their overlap afterwards, in one sweep."""
    heads = header.allocator["free_lists[0]"] + header.allocator["free_lists[1]"]
    extent_starts = [extent.offset for extent in extents]
    runs = {}
    for i, head in enumerate(heads):
        at, word_at = head, ALLOCATOR_AT + 64 + 8 * i
        while at:
            what, units = judge_run(file, header, extents, extent_starts, runs, at)
            if what:
                faults.add(word_at, "C22", "free list %d of class %d: the run at %d %s" % (i % 32, i // 32, at, what))
                break
            runs[at] = at + UNIT * units
            word_at = at + 72
            at = file.u64(word_at)
    spaces = sorted(list(runs.items()) + check_frontiers(header, extents, extent_starts, faults))
    behind = 0
    for start, end in spaces:
        if start < behind:
            faults.add(start, "C22", "the free space at %d overlaps other free space before it" % start)
        behind = max(behind, end)


def check_frontiers(header, extents, extent_starts, faults):
    """C22 for the frontiers: [(next, end)] of those that are not empty and lie where they may."""
    spaces = []
    for i in (0, 1):
        start, end = header.allocator["frontiers[%d]" % i]
        outside = start != end and (start < header.first_extent or end > header.end)
        if start > end or start % UNIT or end % UNIT or outside:
            what = "is from %d to %d" % (start, end)
        elif start != end:
            spaces.append((start, end))
            j = bisect_right(extent_starts, end - 1) - 1
            if j < 0 or extents[j].offset + extents[j].size <= start:
                continue
            what = "overlaps the extent at %d" % extents[j].offset
        else:
            continue
        faults.add(ALLOCATOR_AT + 16 * i, "C22", "the frontier of class %d %s" % (i, what))
    return spaces


def judge_run(file, header, extents, extent_starts, runs, at):
    """(what is wrong or None, units) of the free run at this offset."""
    if at % UNIT or at < header.first_extent or at + UNIT > header.end:
        return "is at no place for one", 0
    if at in runs:
        return "was met before", 0
    size, _, _, check = WORDS[4].unpack(file.read(at + 64, 32))
    units = size & (1 << 48) - 1
    if units == 0 or units > (header.end - at) // UNIT:
        return "has %d units" % units, 0
    if hash64(U64.pack(size), header.seed ^ at) != check:
        return "has a wrong check", 0
    i = bisect_right(extent_starts, at + UNIT * units - 1) - 1
    if i >= 0 and extents[i].offset + extents[i].size > at:
        return "overlaps the extent at %d" % extents[i].offset, 0
    return None, units


# ---------------------------------------------------------------------------------------------------------------------
# The whole file, one process or several

ShardResult = namedtuple("ShardResult", "faults records entries dropped listing")
_worker = {}


def judge_shard(file, header, shard, extents, lists, with_listing):
    check = ShardCheck(file, header, shard, extents, lists)
    check.run()
    content = check.content
    listing = []
    if with_listing:
        listing = [(key, content.offsets[n]) for key, n in content.ids.items() if content.kinds[n] == VALUE]
    return ShardResult(check.faults, check.records, content.entries(), check.dropped, listing)


def start_worker(file, header):
    _worker["file"], _worker["header"] = file, header


def work(shard, extents, lists, with_listing):
    return judge_shard(_worker["file"], _worker["header"], shard, extents, lists, with_listing)


def judge_shards(file, header, extents, jobs, with_listing):
    """The results of all shards."""
    by_shard = [[] for _ in range(header.shard_count)]
    for extent in extents:
        by_shard[extent.shard].append(extent)
    lists = [None] * header.shard_count
    if header.clean:
        lists = [Lists(file, header, shard, mine, extents) for shard, mine in enumerate(by_shard)]
    amount = sum(extent.size for extent in extents if extent.kind in HOLD_RECORDS)
    jobs = min(jobs, header.shard_count)
    if jobs <= 1 or amount < SMALL_WORK:
        for shard, mine in enumerate(by_shard):
            yield judge_shard(file, header, shard, mine, lists[shard], with_listing)
        return
    yield from judge_in_parallel(file, header, by_shard, lists, jobs, with_listing)


def judge_in_parallel(file, header, by_shard, lists, jobs, with_listing):
    # Imported here alone: small files, which need no further process, are checked in less time than this takes.
    import concurrent.futures
    import multiprocessing

    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    context = multiprocessing.get_context(method)
    try:
        with concurrent.futures.ProcessPoolExecutor(jobs, context, start_worker, (file, header)) as pool:
            pairs = enumerate(zip(by_shard, lists))
            futures = [pool.submit(work, shard, mine, its, with_listing) for shard, (mine, its) in pairs]
            futures.reverse()
            while futures:
                yield futures.pop().result()
    except concurrent.futures.BrokenExecutor:
        raise OSError("a process of this program was ended; try --jobs 1") from None


class Summary:
    """The outcome of a check of the whole file."""

    def __init__(self, file, header, jobs):
        extents = find_extents(file, header)
        self.faults = Faults()
        self.faults.merge(header.faults)
        self.clean = header.clean
        self.extents = len(extents)
        self.records = self.entries = self.dropped = 0
        for result in judge_shards(file, header, extents, jobs, False):
            self.faults.merge(result.faults)
            self.records += result.records
            self.entries += result.entries
            self.dropped += result.dropped
        if header.clean:
            if header.allocator["intent.armed"]:
                self.faults.add(ALLOCATOR_AT + 640, "C14", "the allocator's intent is armed")
            check_free_lists(file, header, extents, self.faults)
            check_journal(header, extents, self.faults)


# ---------------------------------------------------------------------------------------------------------------------
# Commands


def print_json(document):
    print(json.dumps(document, indent=1))


def faults_json(faults):
    return [{"offset": offset, "check": check, "what": what} for offset, check, what in faults]


def refusal_json(error):
    return {"verdict": "not_a_database", "faults": faults_json([error.args]), "entries": 0, "records": 0}


def command_check(file, options):
    summary = Summary(file, Header(file), options.jobs)
    listed = summary.faults.ordered()
    total = summary.faults.total()
    if options.json:
        document = {
            "verdict": "damage" if total else "good",
            "faults": faults_json(listed),
            "faults_in_all": total,
            "clean": summary.clean,
            "extents": summary.extents,
            "records": summary.records,
            "entries": summary.entries,
            "dropped_bytes": summary.dropped,
        }
        print_json(document)
    else:
        for offset, check, what in listed:
            print("%d %s: %s" % (offset, check, what))
        sys.stdout.flush()
        counts = (summary.extents, summary.records, summary.entries, summary.dropped)
        text = "%s: " % ("clean" if summary.clean else "unclean")
        text += "%d extents, %d records, %d entries, %d dropped bytes" % counts
        text += ", %d faults" % total if total else ", good"
        if total > len(listed):
            text += " (%d listed)" % len(listed)
        print(text, file=sys.stderr)
    return 1 if total else 0


def as_json(data):
    try:
        return json.dumps(data.decode("utf-8"))
    except UnicodeDecodeError:
        return '{"base64": "%s"}' % base64.b64encode(data).decode("ascii")


def chunks(file, offset, length, step):
    for start in range(0, length, step):
        yield file.read(offset + start, min(step, length - start)), start + step >= length


def is_utf8(file, offset, length):
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for data, final in chunks(file, offset, length, CHUNK):
            decoder.decode(data, final)
    except UnicodeDecodeError:
        return False
    return True


def write_long_value(out, file, offset, length):
    """A value as JSON, piece by piece."""
    if is_utf8(file, offset, length):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        out.write('"')
        for data, final in chunks(file, offset, length, CHUNK):
            out.write(json.dumps(decoder.decode(data, final))[1:-1])
        out.write('"')
    else:
        out.write('{"base64": "')
        for data, _ in chunks(file, offset, length, 3 * CHUNK):
            out.write(base64.b64encode(data).decode("ascii"))
        out.write('"}')


def command_list(file, options):
    header = Header(file)
    extents = find_extents(file, header)
    header.clean = False  # so that nothing but the content is looked at; header.end stays
    listing = []
    for result in judge_shards(file, header, extents, options.jobs, True):
        listing += result.listing
    listing.sort()
    out = sys.stdout
    for key, record in listing:
        offset, length = value_place(file, record)
        out.write('{"key": %s, "value": ' % as_json(key))
        if length <= CHUNK:
            out.write(as_json(file.read(offset, length)))
        else:
            write_long_value(out, file, offset, length)
        out.write("}\n")
    return 0


def header_fields(header):
    """(offset, name, value) of all fields that mean something."""

    def fields(prefix, at, table, values):
        for offset, form, name in table:
            value = values[name]
            if isinstance(value, list) and len(value) > 2:
                for i, item in enumerate(value):
                    if item:
                        yield at + offset + 8 * i, "%s%s[%d]" % (prefix, name, i), item
            else:
                yield at + offset, prefix + name, value

    yield from fields("identity.", IDENTITY_AT, IDENTITY, header.identity)
    yield from fields("state.", STATE_AT, STATE, header.state)
    yield from fields("locks.", LOCKS_AT, LOCKS, header.locks)
    yield from fields("allocator.", ALLOCATOR_AT, ALLOCATOR, header.allocator)
    yield from fields("commits.", COMMITS_AT, COMMITS, header.commits)
    yield from fields("journal.", JOURNAL_AT, JOURNAL_BLOCK, header.journal)
    for i, slot in enumerate(header.checkpoints):
        at = header.identity["checkpoint_offset"][i]
        prefix = "checkpoint[%d]." % i
        yield at, prefix + "status", header.checkpoint_status(i)
        yield from fields(prefix, at, CHECKPOINT, parse(CHECKPOINT, slot))
    for i, block in enumerate(header.shards):
        yield from fields("shard[%d]." % i, SHARD_TABLE + SHARD_SIZE * i, SHARD, block)


def for_people(name, value):
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    large = isinstance(value, int) and value >= 1 << 44
    return "0x%016x" % value if large or name.endswith(("checksum", "magic", "seed", "nonce")) else str(value)


def command_header(file, options):
    header = Header(file)
    faults = header.faults.ordered()
    if options.json:
        fields = [{"offset": offset, "name": name, "value": value} for offset, name, value in header_fields(header)]
        document = {
            "verdict": "damage" if faults else "good",
            "faults": faults_json(faults),
            "clean": header.clean,
            "usable_end": header.end,
            "fields": fields,
        }
        print_json(document)
    else:
        for offset, name, value in header_fields(header):
            print("%8d  %-34s %s" % (offset, name, for_people(name, value)))
        sys.stdout.flush()
        print("the file is %s" % ("clean" if header.clean else "unclean"), file=sys.stderr)
        for offset, check, what in faults:
            print("%d %s: %s" % (offset, check, what), file=sys.stderr)
    return 1 if faults else 0


def command_dump(file, options):
    header = Header(file)
    for extent in find_extents(file, header):
        where = (extent.offset, EXTENT_KINDS[extent.kind], extent.shard, extent.size, extent.order)
        print("%d extent %s shard %d, %d bytes, order %d, " % where, end="")
        print("nonce 0x%016x, base sequence 0x%x" % (extent.nonce, extent.base_sequence), end="")
        print(", link 0x%x, wear 0x%x, since 0x%x" % (extent.link, extent.wear, extent.since))
        if extent.kind not in HOLD_RECORDS:
            continue
        records, q, how, dropped = walk_extent(file, extent)
        for record in records:
            about = (record.offset, RECORD_KINDS[record.kind], record.size, record.sequence, as_json(record.key))
            print("%d   %s, %d bytes, sequence 0x%x, key %s, " % about, end="")
            print("value of %d bytes at %d" % (record.value_length, record.value_offset))
        print("%d   end: %s%s" % (q, how, ", %d bytes dropped" % dropped if dropped else ""))
    return 0


COMMANDS = {"list": command_list, "check": command_check, "header": command_header, "dump": command_dump}


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description="Reads and checks .kvdb files, version 1.")
    commands = parser.add_subparsers(dest="command", required=True)
    helps = {
        "list": "print the entries as JSON lines",
        "check": "make all checks of the format",
        "header": "print the fields of the header",
        "dump": "print extents and records",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("file", metavar="FILE")
        if name in ("check", "header"):
            command.add_argument("--json", action="store_true", help="one JSON document on stdout")
        if name in ("check", "list"):
            command.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="processes to use")
    return parser.parse_args(arguments)


def failed(options, text, document=None):
    """Says why the file cannot be read."""
    if getattr(options, "json", False):
        print_json(document or {"verdict": "not_a_database", "faults": [], "entries": 0, "records": 0, "error": text})
    print("%s: %s" % (options.file, text), file=sys.stderr)
    return 3


def run(options):
    try:
        file = File(options.file)
    except (OSError, ValueError) as error:
        return failed(options, "cannot be opened: %s" % error)
    try:
        with file:
            return COMMANDS[options.command](file, options)
    except NotADatabase as error:
        offset, check, what = error.args
        return failed(options, "not a kvdb database: %s at %d: %s" % (check, offset, what), refusal_json(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        return failed(options, "cannot be read: %s" % error)
    except MemoryError:
        return failed(options, "cannot be read: not enough memory")


def main():
    options = parse_arguments(sys.argv[1:])
    try:
        status = run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 3
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
