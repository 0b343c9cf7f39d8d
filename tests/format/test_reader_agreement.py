#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The tool and the independent reader judge the same files, whole and damaged, and must come to the same verdict and,
where both can read, to the same content. KVDB names the tool, KVDB_SOURCE the source directory; KVDB_TEST_SEED and
KVDB_TEST_ROUNDS choose other damage and more of it."""
import base64
import contextlib
import io
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("KVDB_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
KVDB = os.path.abspath(os.environ.get("KVDB", "build/release/bin/kvdb"))
SEED = int(os.environ.get("KVDB_TEST_SEED", "1"))
ROUNDS = int(os.environ.get("KVDB_TEST_ROUNDS", "24"))  # damaged copies of each file
LIMIT = 60

sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCE / "format-spec" / "reader"))
import kvdb_read  # noqa: E402  (its place is known only now)

VERDICTS = {0: "good", 1: "damage", 3: "refused"}
UNIT = 1024


def as_bytes(text):
    return base64.b64decode(text["base64"]) if isinstance(text, dict) else text.encode()


def entries(lines):
    found = [json.loads(line) for line in lines.splitlines()]
    return sorted((as_bytes(entry["key"]), as_bytes(entry["value"])) for entry in found)


def reader(*words):
    """(status, stdout) of the reader, without a new process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        status = kvdb_read.run(kvdb_read.parse_arguments([str(word) for word in words]))
    return status, out.getvalue()


def tool(file, *words, stdin=b""):
    return subprocess.run([KVDB, "-f", file, *words], input=stdin, capture_output=True, timeout=LIMIT)


def reseal(data):
    """Makes the clean checksum right again, where there is a shard table to put under it."""
    shards = struct.unpack_from("<I", data, 84)[0]
    if shards <= 256 and len(data) >= 12288 + 448 * shards:
        right = kvdb_read.clean_checksum(bytes(data[:4096]), bytes(data[12288 : 12288 + 448 * shards]))
        struct.pack_into("<Q", data, 296, right)


def may_be_refused(data):
    """What is readable and yet no file to be used: one marked clean that lost its end (C10)."""
    if len(data) < 4096:
        return False
    published, clean = struct.unpack_from("<QI", data, 256)
    return clean == 1 and published > len(data)


class Damage:
    """Ways to harm a file, each a function of (random numbers, bytes) that changes the bytes and says what it did."""

    @staticmethod
    def interesting(chance, data):
        """An offset of something that is not zero, mostly."""
        for _ in range(50):
            at = chance.randrange(len(data))
            if data[at]:
                return at
        return chance.randrange(len(data))

    @staticmethod
    def flip(chance, data):
        at = Damage.interesting(chance, data)
        data[at] ^= 1 << chance.randrange(8)
        return "bit of byte %d" % at

    @staticmethod
    def several(chance, data):
        return ", ".join(Damage.flip(chance, data) for _ in range(chance.randrange(2, 6)))

    @staticmethod
    def word(chance, data):
        at = Damage.interesting(chance, data) // 8 * 8
        old = struct.unpack_from("<Q", data, at)[0]
        new = chance.choice([0, 1, old + 1, old - 1, old + UNIT, old * 2, ~old, 1 << 63, len(data), chance.getrandbits(64)])
        struct.pack_into("<Q", data, at, new & (1 << 64) - 1)
        return "word at %d: %d instead of %d" % (at, new, old)

    @staticmethod
    def tables(chance, data):
        """A word of the state, the allocator or the shard table, all of them things that only a checksum protects."""
        shards = struct.unpack_from("<I", data, 84)[0]
        first, count = chance.choice([(256, 160), (12288, 448 * shards), (512, 1024), (12288, 448 * shards)])
        words = [at for at in range(first, first + count, 8) if any(data[at : at + 8])]
        at = chance.choice(words or [first])
        old = struct.unpack_from("<Q", data, at)[0]
        new = chance.choice([0, old + 1, old - 1, old + UNIT, old - UNIT, old + 64, old ^ 1 << chance.randrange(64)])
        struct.pack_into("<Q", data, at, new & (1 << 64) - 1)
        return "table word at %d: %d instead of %d" % (at, new, old)

    @staticmethod
    def zero(chance, data):
        at = chance.randrange(len(data) // UNIT) * UNIT
        data[at : at + UNIT] = bytes(len(data[at : at + UNIT]))
        return "unit at %d zeroed" % at

    @staticmethod
    def swap(chance, data):
        units = len(data) // UNIT
        low = 12 if units > 16 else 0
        a, b = (chance.randrange(low, units) * UNIT for _ in range(2))
        data[a : a + UNIT], data[b : b + UNIT] = data[b : b + UNIT], data[a : a + UNIT]
        return "units at %d and %d swapped" % (a, b)

    @staticmethod
    def cut(chance, data):
        size = chance.randrange(len(data))
        del data[size:]
        return "cut to %d bytes" % size

    ways = ("flip", "flip", "several", "word", "word", "tables", "tables", "tables", "zero", "swap", "cut")

    @staticmethod
    def do(chance, data):
        way = chance.choice(Damage.ways)
        what = getattr(Damage, way)(chance, data)
        if len(data) >= 4096 and chance.randrange(2):
            reseal(data)
            what += "; clean checksum repaired"
        return what


class Agreement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="kvdb-agreement-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.files = {path.stem: path.read_bytes() for path in sorted((SOURCE / "tests" / "golden").glob("*.kvdb"))
                     if not path.stem.startswith("bad-")}
        chance = random.Random(7)
        keys = [b"key-%d" % number for number in range(3000)]
        cls.make("empty-64", [])
        cls.make("some-64", [(key, chance.randbytes(chance.randrange(60))) for key in keys[:300]])
        cls.make("overwritten-64", [(chance.choice(keys[:200]), b"%d" % chance.getrandbits(60)) for _ in range(2000)],
                 erased=keys[:200:3])
        cls.make("many-64", [(key, b"v" * chance.randrange(150)) for key in keys])
        cls.make("large-64", [(b"a", b"x" * 40000), (b"b", b"y" * 100000), (b"a", b"z" * 35000), (b"c", b"short")])

    @classmethod
    def make(cls, name, pairs, erased=()):
        """A file of the tool's own making."""
        path = pathlib.Path(cls.folder.name) / (name + ".kvdb")
        lines = "".join(key.hex() + "\t" + value.hex() + "\n" for key, value in pairs).encode()
        done = tool(path, "import", "--format", "tsv", "--hex", stdin=lines)
        assert done.returncode == 0, done
        if erased:
            done = tool(path, "del", *erased)
            assert done.returncode in (0, 1), done
        cls.files[name] = path.read_bytes()

    def judge(self, data):
        """(verdict, the whole answer, content or None) of the reader and of the tool."""
        file = pathlib.Path(self.folder.name) / "judged.kvdb"
        file.write_bytes(data)
        status, text = reader("check", "--json", "--jobs", "1", file)
        listed, lines = reader("list", "--jobs", "1", file)
        checked = tool(file, "check", "--json")
        exported = tool(file, "export")
        self.assertEqual(file.read_bytes(), data, "reading changed the file")
        self.assertIn(checked.returncode, VERDICTS, checked)
        self.assertIn(exported.returncode, (0, 1, 3), exported)
        report = json.loads(text)
        theirs = (VERDICTS[status], report, entries(lines) if listed == 0 else None)
        ours = (VERDICTS[checked.returncode], checked, entries(exported.stdout) if exported.returncode == 0 else None)
        return theirs, ours

    def compare(self, data):
        theirs, ours = self.judge(data)
        if not (ours[0] == "refused" and may_be_refused(data)):
            self.assertEqual(theirs[0], ours[0], (theirs[1], ours[1]))
        if theirs[0] == "refused":
            self.assertIsNone(theirs[2])
            self.assertIsNone(ours[2])
        elif ours[0] != "refused" and (theirs[0] == "good" or not theirs[1]["clean"]):
            # Through a damaged index the tool may see less; by the log alone it may not.
            self.assertEqual(theirs[2], ours[2], (theirs[1], ours[1]))
        return theirs[0]

    def test_whole_files(self):
        for name, data in self.files.items():
            with self.subTest(name):
                self.assertEqual(self.compare(data), "good")

    def test_damaged_files(self):
        seen = {}
        for name, data in self.files.items():
            chance = random.Random("%s %d" % (name, SEED))
            for number in range(ROUNDS):
                harmed = bytearray(data)
                what = Damage.do(chance, harmed)
                with self.subTest(name, round=number, what=what):
                    verdict = self.compare(bytes(harmed))
                    seen[verdict] = seen.get(verdict, 0) + 1
        print("%d damaged files: %s" % (sum(seen.values()), seen), file=sys.stderr)
        self.assertEqual(set(seen), set(VERDICTS.values()))


if __name__ == "__main__":
    unittest.main()
