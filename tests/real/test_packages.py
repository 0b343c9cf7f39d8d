#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The package index of this machine through `kvdb import`, and back from four processes. KVDB=<executable>."""
import os
import subprocess
import sys
import tempfile
import unittest

import packages

KVDB = os.path.abspath(os.environ.get("KVDB", "build/release/bin/kvdb"))
HERE = os.path.dirname(os.path.abspath(__file__))


class Packages(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kvdb-packages-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    @unittest.skipUnless(os.path.exists("/var/lib/dpkg/status"), "no Debian package records on this machine")
    def test_load_and_read_back(self):
        done = subprocess.run([os.path.join(HERE, "load_packages.sh"), self.folder], capture_output=True, text=True,
                              env={**os.environ, "KVDB": KVDB, "NO_UPDATE": "1"})
        sys.stderr.write(done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("result:   all equal", done.stdout)

    def test_read_back_notices_faults(self):
        """The comparison itself: a wrong, a missing and an additional record must be told."""
        stored = {b"p%d" % n: b"Package: p%d\nbytes: \xff" % n for n in range(40)}
        file = os.path.join(self.folder, "a.kvdb")
        text = "".join(f"{k.hex()}\t{v.hex()}\n" for k, v in stored.items())
        subprocess.run([KVDB, "-f", file, "import", "-q", "--format=tsv", "--hex"], input=text.encode(), check=True)
        self.assertEqual(packages.read_back(KVDB, file, stored), [])
        self.assertIn("wrong record of b'p7'", str(packages.read_back(KVDB, file, {**stored, b"p7": b"other"})))
        self.assertIn("1 missing", str(packages.read_back(KVDB, file, {**stored, b"new": b""})))
        fewer = {k: v for k, v in stored.items() if k != b"p7"}
        self.assertIn("unexpected key b'p7'", str(packages.read_back(KVDB, file, fewer)))


if __name__ == "__main__":
    unittest.main()
