#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Compares format-spec/format.md with lib/format/*.hpp: every structure, field, constant and hash vector.

KVDB_SOURCE names the source directory (default: two levels above this file), CXX the compiler (default: c++).
"""
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("KVDB_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
SPEC = SOURCE / "format-spec" / "format.md"
HEADERS = sorted((SOURCE / "lib" / "format").glob("*.hpp"))

STRUCTURE = re.compile(r"^Structure `(\w+)`, (\d+) bytes, at file offset (.+)$")
FIELD = re.compile(r"^\| (\d+) \| (\d+) \| `(\w+)` \|.*\|$")
CONSTANT = re.compile(r"^\| `(\w+)` \| (0x[0-9a-f]+|\d+) \|.*\|$")
VECTOR = re.compile(r"^\| (\d+) \| `([0-9a-f]{16})` \| `([0-9a-f]{16})` \|$")

# Where the structures whose place is fixed lie, and the first of those that stand in rows.
PLACES = {
    "superblock": "superblock_offset",
    "identity_block": "superblock_offset + offsetof(superblock, identity)",
    "state_block": "superblock_offset + offsetof(superblock, state)",
    "file_identity": "superblock_offset + offsetof(superblock, state) + offsetof(state_block, file)",
    "recovery_record": "superblock_offset + offsetof(superblock, state) + offsetof(state_block, last_recovery)",
    "lock_block": "superblock_offset + offsetof(superblock, locks)",
    "commit_block": "superblock_offset + offsetof(superblock, commits)",
    "allocator_block": "superblock_offset + offsetof(superblock, allocator)",
    "frontier": "superblock_offset + offsetof(superblock, allocator) + offsetof(allocator_block, frontiers)",
    "allocator_intent": "superblock_offset + offsetof(superblock, allocator) + offsetof(allocator_block, intent)",
    "journal_block": "superblock_offset + offsetof(superblock, journal)",
    "checkpoint_slot": "header_size",
    "shard_block": "header_size + 2 * checkpoint_slot_size",
    "shard_intent": "header_size + 2 * checkpoint_slot_size + offsetof(shard_block, intent)",
}


class Structure:
    def __init__(self, name, size, place, line):
        self.name, self.size, self.place, self.line = name, size, place, line
        self.fields = []  # (offset, size, name)


def table_below(lines, at):
    """The rows of the first table behind line `at`, which must follow it after one blank line."""
    assert lines[at + 1] == "", f"line {at + 2}: a blank line should stand above the table"
    assert lines[at + 2] == "| offset | size | name | description |", f"line {at + 3}: not the head of a field table"
    rows = []
    for line in lines[at + 4:]:
        if not line.startswith("|"):
            break
        rows.append(line)
    return rows


def parse_structures(text):
    lines = text.split("\n")
    found = []
    for number, line in enumerate(lines):
        match = STRUCTURE.match(line)
        if not match:
            assert not line.startswith("Structure "), f"line {number + 1} is not in the fixed form: {line}"
            continue
        structure = Structure(match[1], int(match[2]), match[3], number + 1)
        for row in table_below(lines, number):
            field = FIELD.match(row)
            assert field, f"{structure.name}: a row that is not in the fixed form: {row}"
            structure.fields.append((int(field[1]), int(field[2]), field[3]))
        found.append(structure)
    return found


def sum_faults(structure):
    """Gaps, overlaps and a wrong total within one table."""
    faults = []
    at = 0
    for offset, size, name in structure.fields:
        if offset != at:
            faults.append(f"{structure.name}.{name}: stands at {offset}, the fields before it end at {at}")
        at = offset + size
    if at != structure.size:
        faults.append(f"{structure.name}: the fields sum up to {at}, the stated size is {structure.size}")
    return faults


def expectations(text):
    """(label, C++ expression, value in the document) for everything that the compiler can confirm."""
    wanted = []
    for structure in parse_structures(text):
        wanted.append((f"size of {structure.name}", f"sizeof({structure.name})", structure.size))
        leading_number = re.match(r"\d+", structure.place)
        if leading_number:
            expression = PLACES.get(structure.name, "~0ULL")
            wanted.append((f"file offset of {structure.name}", expression, int(leading_number[0])))
        for offset, size, name in structure.fields:
            wanted.append((f"offset of {structure.name}.{name}", f"offsetof({structure.name}, {name})", offset))
            wanted.append((f"size of {structure.name}.{name}", f"sizeof({structure.name}::{name})", size))
    for line in text.split("\n"):
        constant = CONSTANT.match(line)
        vector = VECTOR.match(line)
        if constant:
            wanted.append((f"constant {constant[1]}", constant[1], int(constant[2], 0)))
        elif vector:
            for seed, value in (("0", vector[2]), ("0x9e3779b97f4a7c15", vector[3])):
                wanted.append((f"hash of {vector[1]} bytes with seed {seed}", f"vector({vector[1]}, {seed}ULL)",
                               int(value, 16)))
    return wanted


def program(expressions):
    includes = "".join(f'#include "format/{header.name}"\n' for header in HEADERS)
    prints = "".join(f"    show({expression});\n" for expression in expressions)
    return (
        includes + '#include "base/hash.hpp"\n#include <cinttypes>\n#include <cstdio>\n#include <vector>\n'
        "using namespace kvdb::format;\n"
        'static void show(std::uint64_t value) { std::printf("%" PRIu64 "\\n", value); }\n'
        "[[maybe_unused]] static std::uint64_t vector(std::size_t length, std::uint64_t seed)\n{\n"
        "    std::vector<unsigned char> bytes(length + 1);\n"
        "    for (std::size_t i = 0; i < length; ++i) {\n"
        "        bytes[i] = static_cast<unsigned char>(131 * i + 7 * (i / 256) + 17);\n    }\n"
        "    return kvdb::hash_bytes(bytes.data(), length, seed);\n}\n"
        "int main()\n{\n" + prints + "}\n")


def ask_compiler(expressions):
    """The values of C++ expressions, in order."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "layout.cpp"
        binary = pathlib.Path(folder) / "layout"
        source.write_text(program(expressions), encoding="ascii")
        command = shlex.split(os.environ.get("CXX") or "c++")
        command += ["-std=c++20", "-Wno-invalid-offsetof", "-I", str(SOURCE / "lib"), str(source), "-o", str(binary)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise AssertionError("the document names something that the headers do not have:\n" + built.stderr)
        output = subprocess.run([str(binary)], capture_output=True, text=True, check=True).stdout
    return [int(line) for line in output.split()]


def drifts(text):
    """All differences between a document and the headers."""
    faults = [fault for structure in parse_structures(text) for fault in sum_faults(structure)]
    wanted = expectations(text)
    values = ask_compiler([expression for _, expression, _ in wanted])
    assert len(values) == len(wanted)
    faults += [f"{label}: the document says {said}, the code says {value}"
               for (label, _, said), value in zip(wanted, values) if said != value]
    return faults


class SpecTables(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = SPEC.read_text(encoding="utf-8")

    def test_document_and_code_agree(self):
        self.assertEqual(drifts(self.text), [])

    def test_every_structure_of_the_headers_is_described_once(self):
        declared = []
        for header in HEADERS:
            declared += re.findall(r"static_assert\(on_disk<(\w+),", header.read_text(encoding="utf-8"))
        described = [structure.name for structure in parse_structures(self.text)]
        self.assertGreater(len(declared), 10)
        self.assertEqual(sorted(described), sorted(declared))

    def test_secret_of_the_hash(self):
        block = self.text.split("The secret, 192 bytes:")[1].split("Functions:")[0]
        secret = [int(byte, 16) for byte in block.split()]
        self.assertEqual(len(secret), 192)
        self.assertEqual(ask_compiler([f"XXH3_kSecret[{i}]" for i in range(192)]), secret)

    def test_every_place_is_checked(self):
        numbered = {structure.name for structure in parse_structures(self.text) if structure.place[0].isdigit()}
        self.assertEqual(numbered, set(PLACES))


class PlantedDrift(unittest.TestCase):
    """The comparison above must be able to fail."""

    @classmethod
    def setUpClass(cls):
        cls.text = SPEC.read_text(encoding="utf-8")

    def planted(self, old, new):
        self.assertEqual(self.text.count(old), 1, old)
        return self.text.replace(old, new)

    def test_swapped_fields(self):
        text = self.planted("| 104 | 8 | `base_sequence` |", "| 104 | 8 | `nonce` |")
        text = text.replace("| 112 | 8 | `nonce` |", "| 112 | 8 | `base_sequence` |")
        self.assertEqual(len(drifts(text)), 2)

    def test_missing_field(self):
        row = next(line for line in self.text.split("\n") if "`next_order`" in line)
        self.assertTrue(any("allocator_block" in fault for fault in drifts(self.planted(row + "\n", ""))))

    def test_wrong_place_and_constant_and_vector(self):
        text = self.planted("192 bytes, at file offset 256", "192 bytes, at file offset 264")
        text = text.replace("| `max_shards` | 256 |", "| `max_shards` | 512 |")
        text = text.replace("`2d06800538d394c2`", "`2d06800538d394c3`")
        self.assertEqual(len(drifts(text)), 3)

    def test_unknown_name(self):
        with self.assertRaises(AssertionError):
            drifts(self.planted("| `log_tail` |", "| `log_head` |"))


if __name__ == "__main__":
    unittest.main()
