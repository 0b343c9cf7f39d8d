#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Compares the crash points of lib/ with those that format-spec/protocol.md names beside its steps, both ways, and
the steps that sources, tests and document cite with those that the document defines.

KVDB_SOURCE names the source directory (default: two levels above this file).
"""
import os
import pathlib
import re
import unittest

SOURCE = pathlib.Path(os.environ.get("KVDB_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
PROTOCOL = (SOURCE / "format-spec" / "protocol.md").read_text()

POINT = re.compile(r'crash_point\("([^"]+)"\)')
PROGRAM = re.compile(r'program_points \w+\{((?:"[^"]+",?\s*){3})\}')
NAMED = re.compile(r"`([a-z-]+\.(?:\*|[a-z-]+))`")
STEP = re.compile(r"\b([A-Z]{3,}[A-Z0-9]*-R?\d+[a-z]?)\b")
DEFINED = re.compile(r"\*\*([A-Z]{3,}[A-Z0-9]*-R?\d+[a-z]?)\*\*")


def in_sources():
    points = set()
    for path in sorted((SOURCE / "lib").rglob("*.?pp")):
        text = path.read_text()
        points.update(POINT.findall(text))
        for program in PROGRAM.findall(text):
            points.update(re.findall(r'"([^"]+)"', program))
        points.update(re.findall(r'"(redo\.step)"', text))
    return points


def in_document(points):
    """Names of the document that are crash points: those of a prefix that some crash point has."""
    prefixes = {point.split(".")[0] for point in points}
    return {name for name in NAMED.findall(PROTOCOL) if name.split(".")[0] in prefixes and not name.endswith(".md")}


class CrashPoints(unittest.TestCase):
    def test_all_are_documented(self):
        points = in_sources()
        self.assertGreater(len(points), 60)
        named = in_document(points)
        programs = {name[:-1] for name in named if name.endswith(".*")}
        missing = {p for p in points if p not in named and p.split(".")[0] + "." not in programs}
        self.assertEqual(missing, set())

    def test_all_that_are_documented_exist(self):
        points = in_sources()
        prefixes = {point.split(".")[0] + ".*" for point in points}
        self.assertEqual(in_document(points) - points - prefixes, set())


class Steps(unittest.TestCase):
    def test_what_is_cited_is_defined(self):
        defined = set(DEFINED.findall(PROTOCOL))
        self.assertGreater(len(defined), 80)
        kinds = {step.rsplit("-", 1)[0] for step in defined}
        cited = 0
        for folder in ("lib", "tests", "format-spec"):
            for path in sorted((SOURCE / folder).rglob("*")):
                if path.suffix not in (".cpp", ".hpp", ".md", ".py", ".pml"):
                    continue
                for step in STEP.findall(path.read_text()):
                    if step.rsplit("-", 1)[0] in kinds:
                        cited += 1
                        self.assertIn(step, defined, f"cited in {path.relative_to(SOURCE)}")
        self.assertGreater(cited, 100)


if __name__ == "__main__":
    unittest.main()
