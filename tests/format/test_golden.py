#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Golden files of every format version: the independent reader and the tool find the content and the fault that the
index beside them names, and reading changes not a byte. KVDB names the tool, KVDB_SOURCE the source directory."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("KVDB_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
KVDB = os.path.abspath(os.environ.get("KVDB", "build/release/bin/kvdb"))
READER = SOURCE / "format-spec" / "reader" / "kvdb_read.py"
GOLDEN = SOURCE / "tests" / "golden"
INDEX = json.loads((GOLDEN / "golden.json").read_text())
LIMIT = 60

STATUS = {"good": 0, "damage": 1, "refused": 3}
# Whoever opens a clean file that was cut off would take the loss for a fact: the tool refuses it.
REFUSED_BY_THE_TOOL = {"C10"}


def as_bytes(text):
    return base64.b64decode(text["base64"]) if isinstance(text, dict) else text.encode()


def entries(lines):
    found = [json.loads(line) for line in lines.splitlines()]
    pairs = {as_bytes(entry["key"]): as_bytes(entry["value"]) for entry in found}
    assert len(pairs) == len(found), "a key came twice"
    return pairs


class Golden(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kvdb-golden-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def each(self):
        """Every golden file as (its subtest, its line in the index, a copy, its bytes)."""
        for page in INDEX:
            data = (GOLDEN / (page["name"] + ".kvdb")).read_bytes()
            copy = self.folder / (page["name"] + ".kvdb")
            copy.write_bytes(data)
            yield self.subTest(page["name"], about=page["about"]), page, copy, data

    def content(self, page):
        return entries((GOLDEN / page["content"]).read_bytes())

    def run_reader(self, command, file, *options):
        return subprocess.run([sys.executable, "-B", READER, command, file, *options], capture_output=True,
                              timeout=LIMIT)

    def run_tool(self, file, *words):
        return subprocess.run([KVDB, "-f", file, *words], capture_output=True, timeout=LIMIT)

    def test_index_and_folder_agree(self):
        named = {page["name"] + ".kvdb" for page in INDEX} | {page["content"] for page in INDEX if page["content"]}
        there = {path.name for ending in ("kvdb", "jsonl") for path in GOLDEN.glob("*." + ending)}
        self.assertEqual(named, there)
        checks = {page["check"] for page in INDEX if page["check"]}
        self.assertEqual(checks, {"C%d" % number for number in range(1, 27)})
        for path in GOLDEN.glob("*.kvdb"):
            self.assertLess(path.stat().st_size, 80 * 1024, path.name)

    def test_reader_finds_the_verdict(self):
        for test, page, file, data in self.each():
            with test:
                done = self.run_reader("check", file, "--json")
                self.assertEqual(done.returncode, STATUS[page["verdict"]], done)
                report = json.loads(done.stdout)
                checks = {fault["check"] for fault in report["faults"]}
                self.assertEqual(page["check"] in checks if page["check"] else not checks, True, report)
                if page["verdict"] == "good":
                    self.assertEqual(report["clean"], page["marked_clean"])
                    self.assertEqual(report["entries"], len(self.content(page)))
                self.assertEqual(file.read_bytes(), data)

    def test_reader_finds_the_content(self):
        for test, page, file, data in self.each():
            with test:
                done = self.run_reader("list", file)
                self.assertEqual(done.returncode, 3 if page["verdict"] == "refused" else 0, done)
                if page["content"]:
                    self.assertEqual(entries(done.stdout), self.content(page))
                self.assertEqual(file.read_bytes(), data)

    def test_tool_finds_the_verdict(self):
        for test, page, file, data in self.each():
            with test:
                done = self.run_tool(file, "check", "--json")
                wanted = 3 if page["check"] in REFUSED_BY_THE_TOOL else STATUS[page["verdict"]]
                self.assertEqual(done.returncode, wanted, done)
                if wanted != 3:
                    report = json.loads(done.stdout)
                    checks = {fault["what"].split(":")[0] for fault in report["faults"]}
                    self.assertEqual(page["check"] in checks if page["check"] else not checks, True, report)
                    if wanted == 0:
                        self.assertEqual(report["entries"], len(self.content(page)))
                self.assertEqual(file.read_bytes(), data)

    def test_tool_finds_the_content(self):
        for test, page, file, data in self.each():
            with test:
                if page["verdict"] == "damage":
                    continue  # what a damaged index leads to is not for a golden file to say
                done = self.run_tool(file, "export")
                self.assertEqual(done.returncode, STATUS[page["verdict"]], done)
                if page["content"]:
                    self.assertEqual(entries(done.stdout), self.content(page))
                    key = next(iter(self.content(page)), None)
                    if key is not None:
                        value = self.run_tool(file, "get", "--hex", "--", key.hex())
                        self.assertEqual(bytes.fromhex(value.stdout.decode().strip()), self.content(page)[key])
                self.assertEqual(file.read_bytes(), data)

    def test_tool_writes_to_good_files(self):
        """Old files are not only read: they live on."""
        for test, page, file, _ in self.each():
            with test:
                if page["verdict"] != "good":
                    continue
                wanted = self.content(page)
                wanted[b"written today"] = b"and kept"
                self.assertEqual(self.run_tool(file, "set", "written today", "and kept").returncode, 0)
                done = self.run_tool(file, "check")
                self.assertEqual(done.returncode, 0, done)
                self.assertEqual(entries(self.run_tool(file, "export").stdout), wanted)
                self.assertEqual(entries(self.run_reader("list", file).stdout), wanted)
                self.assertEqual(self.run_reader("check", file).returncode, 0)


if __name__ == "__main__":
    unittest.main()
