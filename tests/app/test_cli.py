#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The command line tool as its users meet it. Run with KVDB=<executable>."""
import base64
import errno
import json
import os
import pty
import resource
import select
import signal
import stat
import subprocess
import tempfile
import time
import unittest

KVDB = os.path.abspath(os.environ.get("KVDB", "build/release/bin/kvdb"))
LIMIT = 120  # seconds until a command counts as hung

NASTY = [b"", b"a", b"tab\there", b"line\nfeed", b"cr\rhere", b"back\\slash", b"\\x41", b"nul\0byte", b"\xff\xfe\x80",
         "umlaut ä 漢 😀".encode(), b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\x7f\x1b[31m",
         b"\xc2\x9b", bytes(range(256)), b'quote " brace { } [ ]', b"\xef\xbb\xbfbom", b" blank ends ", b"-dash", b"--",
         b"\xe2\x80\xa8", b"x" * 5000, b"\xf0\x9f\x98", b"\r", b"\n", b"\t", b"\\"]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kvdb-cli-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.file = self.path("a.kvdb")

    def path(self, name):
        return os.path.join(self.folder, name)

    def raw(self, *words, stdin=b"", env=None, **more):
        """A run without -f, in the test's folder."""
        environment = {k: v for k, v in os.environ.items() if k != "KVDB_FILE"}
        environment.update(env or {})
        return subprocess.run([KVDB, *words], input=stdin, capture_output=True, cwd=self.folder, env=environment,
                              timeout=LIMIT, **more)

    def kvdb(self, *words, stdin=b"", **more):
        return self.raw("-f", self.file, *words, stdin=stdin, **more)

    def good(self, *words, stdin=b"", **more):
        done = self.kvdb(*words, stdin=stdin, **more)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    def fails(self, status, *words, stdin=b"", says=(), **more):
        """Fails with that status, nothing on stdout and a message that holds all of `says`."""
        done = self.kvdb(*words, stdin=stdin, **more)
        self.assert_failed(done, status, says)
        return done

    def assert_failed(self, done, status, says=()):
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, b"", done)
        self.assertTrue(done.stderr.startswith(b"kvdb: "), done)
        self.assertNotIn(b"terminate called", done.stderr)
        for part in [says] if isinstance(says, (str, bytes)) else says:
            self.assertIn(part if isinstance(part, bytes) else part.encode(), done.stderr)

    def put(self, key, value):
        self.good("set", "--hex", key.hex(), value.hex())

    def fill(self, entries, **more):
        text = "".join(k.hex() + "\t" + v.hex() + "\n" for k, v in entries.items())
        self.good("import", "--format", "tsv", "--hex", stdin=text.encode(), **more)

    def contents(self):
        """The entries, by a way that escapes nothing."""
        lines = self.good("list", "--hex").decode().splitlines()
        pairs = [line.split("\t") for line in lines]
        self.assertEqual(len({p[0] for p in pairs}), len(pairs), "a key came twice")
        return {bytes.fromhex(k): bytes.fromhex(v) for k, v in pairs}

    def write(self, name, data):
        with open(self.path(name), "wb") as out:
            out.write(data)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as source:
            return source.read()


class SetAndGet(Case):
    def test_round_trip_in_another_process(self):
        done = self.kvdb("set", "mykey", "hello from kvdb")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        done = self.kvdb("get", "mykey")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"hello from kvdb\n", b""))

    def test_replaces(self):
        self.good("set", "k", "1")
        self.good("set", "k", "2")
        self.assertEqual(self.good("get", "k"), b"2\n")
        self.assertEqual(self.good("count"), b"1\n")

    def test_missing_key(self):
        self.good("set", "k", "1")
        done = self.fails(1, "get", "nope")
        self.assertEqual(done.stderr, b"kvdb: key not found: nope\n")

    def test_missing_key_is_printed_harmlessly(self):
        self.good("set", "k", "1")
        self.assertEqual(self.fails(1, "get", b"a\x1b[31m").stderr, b"kvdb: key not found: a\\x1b[31m\n")
        self.assertEqual(self.fails(1, "get", "--hex", "ff00").stderr, b"kvdb: key not found: ff00\n")

    def test_several_keys(self):
        self.good("set", "a", "1")
        self.good("set", "b", "2")
        self.assertEqual(self.good("get", "b", "a", "b"), b"2\n1\n2\n")
        self.assertEqual(self.good("get", "-n", "a", "b"), b"12")
        done = self.kvdb("get", "a", "x", "b")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, b"1\n2\n", b"kvdb: key not found: x\n"))

    def test_empty_key_and_value(self):
        self.good("set", "", "")
        self.assertEqual(self.good("get", ""), b"\n")
        self.assertEqual(self.good("get", "-n", ""), b"")
        self.assertEqual(self.kvdb("has", "").returncode, 0)

    def test_output_to_a_file(self):
        self.put(b"k", b"\0\n\xff")
        self.assertEqual(self.good("get", "-o", "out", "k"), b"")
        self.assertEqual(self.read("out"), b"\0\n\xff")
        self.good("get", "-n", "-o", "out", "k")
        self.assertEqual(self.read("out"), b"\0\n\xff")
        self.assertEqual(self.good("get", "-o", "-", "k"), b"\0\n\xff")

    def test_output_file_stays_when_the_key_is_missing(self):
        self.good("set", "k", "v")
        self.write("out", b"precious")
        self.fails(1, "get", "-o", "out", "nope")
        self.assertEqual(self.read("out"), b"precious")

    def test_output_mistakes(self):
        self.good("set", "k", "v")
        self.fails(2, "get", "-o", "out", "k", "k2")
        self.fails(3, "get", "-o", self.path("no/folder"), "k", says="No such file")
        self.fails(3, "get", "-o", self.folder, "k", says="directory")
        before = self.read("a.kvdb")
        self.fails(2, "get", "-o", "a.kvdb", "k", says="is the database itself")
        self.assertEqual(self.read("a.kvdb"), before)

    def test_full_device(self):
        self.good("set", "k", "v")
        with open("/dev/full", "wb") as full:
            for words in (["get", "k"], ["list"], ["info"], ["help"], ["version"], ["export"], ["count"]):
                done = subprocess.run([KVDB, "-f", self.file, *words], stdout=full, stderr=subprocess.PIPE,
                                      timeout=LIMIT)
                self.assertEqual(done.returncode, 3, words)
                self.assertIn(b"cannot write to standard output: No space left", done.stderr)

    def test_stdin_and_from_file(self):
        value = bytes(range(256)) * 4096
        self.good("set", "a", "--stdin", stdin=value)
        self.write("value", value)
        self.good("set", "b", "--from-file", self.path("value"))
        self.assertEqual(self.good("get", "-n", "a"), value)
        self.assertEqual(self.good("get", "-n", "b"), value)
        self.good("set", "--stdin", "e")
        self.assertEqual(self.good("get", "-n", "e"), b"")
        self.good("set", "--hex", "00ff", "--stdin", stdin=b"6869")
        self.assertEqual(self.good("get", "--hex", "00ff"), b"36383639\n")

    def test_from_file_mistakes(self):
        self.fails(3, "set", "k", "--from-file", self.path("none"), says=["cannot open", "No such file"])
        self.fails(3, "set", "k", "--from-file", self.folder, says="directory")
        self.fails(2, "set", "k", "--from-file", "x", "--stdin")
        self.fails(2, "set", "k", "v", "--stdin")
        self.fails(2, "set", "k", "v", "--from-file", "x")
        self.assertFalse(os.path.exists(self.file), "a refused command created a database")

    def test_large_value(self):
        value = os.urandom(24 << 20)
        self.good("set", "big", "--stdin", stdin=value)
        self.assertEqual(self.good("get", "-n", "big"), value)

    def test_hex_and_base64(self):
        for item in NASTY:
            key, value = item + b"k", item
            self.good("set", "--hex", key.hex(), value.hex())
            self.assertEqual(self.good("get", "--hex", key.hex()), value.hex().encode() + b"\n")
            text = base64.b64encode(key).decode()
            self.assertEqual(self.good("get", "--base64", text), base64.b64encode(value) + b"\n")
        self.good("set", "--base64", "AAE=", "//8=")
        self.good("set", "--base64", "AAI", "//4")
        self.assertEqual(self.good("get", "-n", "--hex", "0001", "0002"), b"fffffffe")
        self.good("set", "--hex", "4aBf", "Ff")
        self.assertEqual(self.good("get", "--hex", "4AbF"), b"ff\n")

    def test_bad_hex_and_base64(self):
        for text in ("a", "zz", "0x41", "41 "):
            self.fails(2, "get", "--hex", text, says="is not hex")
        for text in ("a", "A===", "!!!!", "AB==", "AAE=="):
            self.fails(2, "get", "--base64", text, says="is not base64")
        self.fails(2, "get", "--hex", "--base64", "00", says="exclude each other")

    def test_keys_that_begin_with_a_dash(self):
        self.good("set", "--", "-5", "--value")
        self.assertEqual(self.good("get", "--", "-5"), b"--value\n")
        self.assertEqual(self.good("get", "-n", "--", "-5"), b"--value")
        self.assertEqual(self.kvdb("has", "--", "-5").returncode, 0)
        self.fails(2, "get", "-5", says=["-5", "--"])
        self.good("set", "-", "lone dash is a key")
        self.good("del", "--", "-5")

    def test_json(self):
        self.put("ä".encode(), b"\xff")
        self.put(b"\xfe", b'q"\n')
        done = self.good("get", "--json", "ä")
        self.assertEqual(json.loads(done), {"key": "ä", "value": {"base64": "/w=="}})
        done = self.good("get", "--json", "--hex", "fe", "c3a4")
        self.assertEqual([json.loads(line) for line in done.splitlines()],
                         [{"key": {"base64": "/g=="}, "value": 'q"\n'}, {"key": "ä", "value": {"base64": "/w=="}}])
        self.fails(1, "get", "--json", "nope")

    def test_key_limits(self):
        self.good("set", "x" * 65535, "v")
        self.assertEqual(self.good("get", "x" * 65535), b"v\n")
        self.fails(3, "set", "x" * 65536, "v", says="65535")
        self.assertEqual(self.good("count"), b"1\n")

    def test_no_sync(self):
        self.good("set", "--no-sync", "k", "v")
        self.assertEqual(self.good("get", "k"), b"v\n")
        self.fails(2, "get", "--no-sync", "k")


class DelHasCount(Case):
    def test_del(self):
        self.fill({b"a": b"1", b"b": b"2", b"c": b"3"})
        done = self.kvdb("del", "a")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
        self.fails(1, "del", "a", says="key not found: a")
        done = self.kvdb("del", "a", "b")
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        self.assertEqual(self.contents(), {b"c": b"3"})

    def test_del_prefix(self):
        self.fill({b"p:%d" % n: b"x" for n in range(500)} | {b"q": b"1", b"p": b"2", b"\xff1": b"3"})
        done = self.kvdb("del", "--prefix", "p:")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b"kvdb: removed 500 keys\n"))
        self.assertEqual(self.kvdb("del", "--prefix", "p:", "-q").returncode, 1)
        self.assertEqual(self.contents(), {b"q": b"1", b"p": b"2", b"\xff1": b"3"})
        self.good("del", "--hex", "--prefix", "ff")
        self.good("del", "--prefix", "")
        self.assertEqual(self.good("count"), b"0\n")

    def test_del_mistakes(self):
        self.good("set", "k", "v")
        self.fails(2, "del")
        self.fails(2, "del", "k", "--prefix", "k", says="not both")
        self.assertEqual(self.good("count"), b"1\n")

    def test_has(self):
        self.put(b"\0k", b"")
        for words, status in ((["--hex", "006b"], 0), (["k"], 1)):
            done = self.kvdb("has", *words)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (status, b"", b""))
        self.fails(2, "has")
        self.fails(2, "has", "a", "b", says="too many arguments")

    def test_count(self):
        self.fill({b"a%d" % n: b"" for n in range(30)} | {b"b": b"", b"\xff": b""})
        self.assertEqual(self.good("count"), b"32\n")
        self.assertEqual(self.good("count", "--prefix", "a1"), b"11\n")
        self.assertEqual(self.good("count", "--match", "a?"), b"10\n")
        self.assertEqual(self.good("count", "--match", "*9", "--prefix", "a2"), b"1\n")
        self.assertEqual(self.good("count", "--prefix", "ff", "--hex"), b"1\n")
        self.fails(2, "count", "extra")


class Listing(Case):
    def test_escapes(self):
        self.put(b"a\tb\nc\rd\\e\0f\x7f\x1b\xff", "ä😀\u009b\u2028".encode())
        self.assertEqual(self.good("list"),
                         rb"a\tb\nc\rd\\e\x00f\x7f\x1b\xff" + b"\t" + "ä😀".encode() + rb"\xc2\x9b" +
                         "\u2028".encode() + b"\n")

    def test_keys_values_and_both(self):
        self.good("set", "k", "v")
        self.assertEqual(self.good("list"), b"k\tv\n")
        self.assertEqual(self.good("list", "--keys"), b"k\n")
        self.assertEqual(self.good("list", "--values"), b"v\n")
        self.assertEqual(self.good("list", "--keys", "--values"), b"k\tv\n")

    def test_nul(self):
        self.put(b"a\nb", b"c\\\xff")
        self.assertEqual(self.good("list", "-0"), b"a\nb\tc\\\xff\0")
        self.assertEqual(self.good("list", "-0", "--keys"), b"a\nb\0")
        self.fails(2, "list", "-0", "--json")

    def test_encodings(self):
        self.put(b"\0", b"\xff")
        self.assertEqual(self.good("list", "--hex"), b"00\tff\n")
        self.assertEqual(self.good("list", "--base64"), b"AA==\t/w==\n")

    def test_sort_and_limit(self):
        entries = {b"%d" % n: b"v%d" % n for n in range(300)} | {b"\xff": b"", b"\0": b""}
        self.fill(entries)
        order = sorted(entries)
        listed = self.good("list", "--sort", "--keys", "--hex").split()
        self.assertEqual([bytes.fromhex(k.decode()) for k in listed], order)
        for limit in (0, 1, 7, 301, 302, 303):
            listed = self.good("list", "--sort", "--hex", "--limit", str(limit)).decode().splitlines()
            self.assertEqual(listed, [k.hex() + "\t" + entries[k].hex() for k in order[:limit]])
            listed = self.good("list", "--limit", str(limit)).splitlines()
            self.assertEqual(len(listed), min(limit, 302))
        self.assertEqual(self.contents(), entries)
        for bad in ("-1", "x", "", "1.5", "99999999999999999999", "1 "):
            self.fails(2, "list", "--limit", bad)

    def test_prefix_and_match(self):
        self.fill({k: b"" for k in (b"user:1", b"user:2", b"use", b"a[b", b"a*b", b"axb", b"a\xffb", b"a/b")})
        def keys(*words):
            return set(self.good("list", "--keys", "--hex", *words).decode().split())
        def hexes(*names):
            return {n.hex() for n in names}
        self.assertEqual(keys("--match", "user:*"), hexes(b"user:1", b"user:2"))
        self.assertEqual(keys("--prefix", b"user:".hex()), hexes(b"user:1", b"user:2"))
        self.assertEqual(keys("--match", "a?b"), hexes(b"a[b", b"a*b", b"axb", b"a\xffb", b"a/b"))
        self.assertEqual(keys("--match", "a\\*b"), hexes(b"a*b"))
        self.assertEqual(keys("--match", "a[*x]b"), hexes(b"a*b", b"axb"))
        self.assertEqual(keys("--match", "a[!*x]b"), hexes(b"a[b", b"a\xffb", b"a/b"))
        self.assertEqual(keys("--match", "a[^a-z]b"), hexes(b"a[b", b"a*b", b"a\xffb", b"a/b"))
        self.assertEqual(keys("--match", "user:[2-9]"), hexes(b"user:2"))
        self.assertEqual(keys("--match", "a[b"), hexes(b"a[b"))
        self.assertEqual(keys("--match", "*s*e*"), hexes(b"user:1", b"user:2", b"use"))
        self.assertEqual(keys("--match", "*user"), set())
        self.assertEqual(keys("--match", "[u]se[]r]:1"), hexes(b"user:1"))

    def test_glob_that_would_explode(self):
        self.good("set", "a" * 5000, "")
        self.assertEqual(self.good("count", "--match", "*a" * 60 + "b"), b"0\n")

    def test_json(self):
        self.put(b"\xff", b"v")
        self.assertEqual(json.loads(self.good("list", "--json")), {"key": {"base64": "/w=="}, "value": "v"})
        self.assertEqual(json.loads(self.good("list", "--json", "--keys")), {"key": {"base64": "/w=="}})
        self.assertEqual(json.loads(self.good("list", "--json", "--values")), {"value": "v"})

    def test_empty_database(self):
        self.good("set", "k", "v")
        self.good("del", "k")
        for words in (["list"], ["list", "--sort"], ["list", "--json"], ["export", "-q"]):
            self.assertEqual(self.good(*words), b"")

    def test_broken_pipe(self):
        self.fill({b"%d" % n: b"x" * 1000 for n in range(3000)})
        for words in (["list"], ["list", "--sort"], ["export"], ["list", "--json"]):
            worker = subprocess.Popen([KVDB, "-f", self.file, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            worker.stdout.read(10)
            worker.stdout.close()
            self.assertEqual(worker.stderr.read(), b"", words)
            worker.stderr.close()
            self.assertEqual(worker.wait(LIMIT), 141, words)


class ImportExport(Case):
    def entries(self):
        return {k: v for k, v in zip(NASTY, NASTY[::-1])}

    def test_round_trips_of_nasty_bytes(self):
        entries = self.entries()
        self.fill(entries)
        self.assertEqual(self.contents(), entries)
        original = self.file
        for words in ([], ["--format", "jsonl"], ["--format", "tsv"], ["--format", "tsv", "--hex"],
                      ["--format", "tsv", "--base64"]):
            self.file = original
            dump = self.good("export", *words)
            self.good("export", self.path("dump"), *words)
            self.assertEqual(sorted(self.read("dump").splitlines()), sorted(dump.splitlines()))
            for source, stdin in ((["-"], dump), ([], dump), ([self.path("dump")], b"")):
                self.file = self.path("copy.kvdb")
                done = self.kvdb("import", *words, *source, stdin=stdin)
                self.assertEqual((done.returncode, done.stdout), (0, b""), done.stderr)
                self.assertIn(b"imported %d records" % len(entries), done.stderr)
                self.assertEqual(self.contents(), entries, (words, source))
                os.unlink(self.file)

    def test_jsonl_is_what_python_reads(self):
        entries = self.entries()
        self.fill(entries)
        def decode(item):
            return base64.b64decode(item["base64"], validate=True) if isinstance(item, dict) else item.encode()
        got = [json.loads(line) for line in self.good("export").split(b"\n")[:-1]]
        self.assertEqual({decode(o["key"]): decode(o["value"]) for o in got}, entries)
        text = "".join(json.dumps({"value": o["value"], "key": o["key"]}) + "\n" for o in got)  # all but ASCII as \u
        self.file = self.path("b.kvdb")
        self.good("import", stdin=text.encode())
        self.assertEqual(self.contents(), entries)

    def test_last_line_needs_no_newline_and_later_lines_win(self):
        self.good("import", stdin=b'{"key":"a","value":"1"}\n\n  \n{"key":"a","value":"2"}')
        self.assertEqual(self.contents(), {b"a": b"2"})
        self.good("import", "--format=tsv", stdin=b"b\t1\r\nb\t2\nc\t")
        self.assertEqual(self.contents(), {b"a": b"2", b"b": b"2", b"c": b""})
        self.good("import", stdin=b"")
        self.assertEqual(self.good("count"), b"3\n")

    def test_many_lines_and_long_lines(self):
        entries = {b"key%d" % n: b"v" * (n % 700) for n in range(5000)} | {b"long": b"z" * (3 << 20)}
        text = "".join(json.dumps({"key": k.decode(), "value": v.decode()}) + "\n" for k, v in entries.items())
        done = self.kvdb("import", stdin=text.encode())
        self.assertEqual((done.returncode, done.stderr), (0, b"kvdb: imported 5001 records\n"))
        self.assertEqual(self.contents(), entries)
        self.assertEqual(self.kvdb("import", "-q", stdin=text.encode()).stderr, b"")

    @unittest.skipIf(b"__asan_init" in open(KVDB, "rb").read(), "a sanitizer keeps freed memory for itself")
    def test_import_streams(self):
        """More than the address space allows to hold at once, through a pipe."""
        line = json.dumps({"key": "k", "value": "v" * 60000}).encode() + b"\n"
        worker = subprocess.Popen([KVDB, "-f", self.file, "import", "--no-sync"], stdin=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        for _ in range(3000):
            worker.stdin.write(line)
        worker.stdin.flush()
        with open(f"/proc/{worker.pid}/status") as status:
            peak = next(int(row.split()[1]) for row in status if row.startswith("RssAnon"))
        worker.stdin.close()
        said = worker.stderr.read()
        worker.stderr.close()
        self.assertEqual(worker.wait(LIMIT), 0)
        self.assertEqual(said, b"kvdb: imported 3000 records\n")
        self.assertLess(peak, 120 << 10, "KiB of private memory")

    BAD_JSONL = [
        (b"nonsense", "not JSON"), (b'{"key":"a","value":"b"', "not JSON"), (b'{"key":"a","value":"b"} x', "column 25"),
        (b'"text"', "not a JSON object"), (b"[]", "not a JSON object"), (b"7", "not a JSON object"),
        (b'{"key":"a"}', 'no member "value"'), (b'{"value":"a"}', 'no member "key"'), (b"{}", 'no member "key"'),
        (b'{"key":"a","value":5}', '"value" is neither'), (b'{"key":null,"value":"b"}', '"key" is neither'),
        (b'{"key":"a","value":{"base64":"!"}}', "not base64"), (b'{"key":"a","value":{"base64":5}}', "is neither"),
        (b'{"key":"a","value":{"hex":"00"}}', "is neither"), (b'{"key":"a","value":{}}', "is neither"),
        (b'{"key":"a","value":"b","ttl":5}', 'unknown member "ttl"'), (b'{"key":"a\xff","value":"b"}', "not JSON"),
        (b'{"key":"\\ud800","value":"b"}', "not JSON"), (b"[" * 100, "not JSON"),
        (b'{"key":"%s","value":"b"}' % (b"k" * 65536), "65536 bytes long"),
    ]
    BAD_TSV = [(b"no tab", "no tab"), (b"", "no tab"), (b"a\tb\tc", "more than one tab"), (b"a\\q\tb", "key: unknown"),
               (b"a\tb\\", "value: a lone"), (b"a\tb\\x4", "value: \\x"), (b"a\tb\\xg0", "value: \\x")]

    def test_bad_lines(self):
        for form, good, cases in (("jsonl", b'{"key":"%d","value":"v"}\n', self.BAD_JSONL),
                                  ("tsv", b"%d\tv\n", self.BAD_TSV)):
            for line, reason in cases:
                text = good % 1 + good % 2 + line + b"\n" + good % 4
                done = self.fails(1, "import", "--format", form, stdin=text, says=["<stdin>:3: ", reason])
                self.assertIn(b"imported 0 records", done.stderr)
                self.assertEqual(self.good("count"), b"0\n", line)
                self.write("input", text)
                self.fails(1, "import", "--format", form, "--keep-going", self.path("input"),
                           says=[self.path("input") + ":3: ", reason, "imported 3 records, skipped 1 bad line"])
                self.assertEqual(set(self.contents()), {b"1", b"2", b"4"}, line)
                self.good("del", "--prefix", "")

    def test_bad_hex_in_tsv(self):
        self.fails(1, "import", "--format=tsv", "--hex", stdin=b"61\tzz\n", says=["<stdin>:1: value: not hex"])
        self.fails(1, "import", "--format=tsv", "--base64", stdin=b"6\taaaa\n", says=["<stdin>:1: key: not base64"])

    def test_a_bad_line_drops_its_batch_alone(self):
        lines = [b"k%d\tv\n" % n for n in range(2500)] + [b"bad\n"] + [b"later\tv\n"]
        done = self.fails(1, "import", "--format=tsv", stdin=b"".join(lines), says=["<stdin>:2501: no tab"])
        self.assertIn(b"stopped at line 2501: imported 2000 records, dropped 500 records", done.stderr)
        self.assertEqual(set(self.contents()), {b"k%d" % n for n in range(2000)})

    def test_mistakes(self):
        self.fails(2, "import", "--format", "csv2", says="unknown format 'csv2'")
        self.fails(2, "import", "a", "b")
        self.fails(2, "import", "--hex", says="tsv")
        self.fails(3, "import", self.path("none"), says=["cannot open", "No such file"])
        self.fails(3, "import", "--no-create", stdin=b"")
        self.assertFalse(os.path.exists(self.file))
        self.fails(3, "import", self.folder, says="directory")
        self.good("set", "k", "v")
        before = self.read("a.kvdb")
        for command in ("import", "export"):
            self.fails(2, command, "a.kvdb", says="is the database itself")
            os.path.exists(self.path("link")) or os.symlink(self.file, self.path("link"))
            self.fails(2, command, self.path("link"), says="is the database itself")
        self.assertEqual(self.read("a.kvdb"), before)
        self.fails(3, "export", self.path("no/where"), says="No such file")
        self.fails(2, "export", "--keep-going")

    def test_export_says_how_many(self):
        self.fill({b"a": b"", b"b": b""})
        done = self.kvdb("export", self.path("dump"))
        self.assertEqual((done.stdout, done.stderr), (b"", b"kvdb: exported 2 records\n"))
        self.assertEqual(self.kvdb("export", "-q", self.path("dump")).stderr, b"")

    def test_interrupted_import(self):
        """SIGINT while it waits for more lines: what was applied is kept and told."""
        self.good("set", "before", "1")
        worker = subprocess.Popen([KVDB, "-f", self.file, "import", "--format=tsv"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        worker.stdin.write(b"".join(b"k%d\tv\n" % n for n in range(2300)))
        worker.stdin.flush()
        given_up = time.monotonic() + LIMIT
        while self.good("count") != b"2001\n":  # until the second batch is visible to others
            if worker.poll() is not None or time.monotonic() > given_up:
                worker.kill()
                self.fail("the batches did not become visible")
        worker.send_signal(signal.SIGINT)
        out, said = worker.stdout.read(), worker.stderr.read()
        worker.stdin.close(), worker.stdout.close(), worker.stderr.close()
        self.assertEqual(worker.wait(LIMIT), 130)
        self.assertEqual(out, b"")
        self.assertIn(b"interrupted: imported 2000 records", said)
        self.assertEqual(self.good("count"), b"2001\n")

    def test_interrupted_export(self):
        """SIGINT while a slow reader blocks it."""
        self.fill({b"%d" % n: b"x" * 1000 for n in range(5000)})
        worker = subprocess.Popen([KVDB, "-f", self.file, "export"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        worker.stdout.read(1)
        worker.send_signal(signal.SIGINT)
        rest, said = worker.stdout.read(), worker.stderr.read()
        worker.stdout.close(), worker.stderr.close()
        self.assertEqual(worker.wait(LIMIT), 130)
        count = (b"x" + rest).count(b"\n")
        self.assertLess(count, 5000)
        self.assertIn(b"interrupted: exported %d records of 5000" % count, said)

    def test_interrupted_value(self):
        worker = subprocess.Popen([KVDB, "-f", self.file, "set", "k", "--stdin"], stdin=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        worker.stdin.write(b"x" * (1 << 20))  # more than a pipe holds: the process reads, so its handler is in place
        worker.stdin.flush()
        worker.send_signal(signal.SIGINT)
        said = worker.stderr.read()
        worker.stdin.close(), worker.stderr.close()
        self.assertEqual(worker.wait(LIMIT), 130)
        self.assertIn(b"nothing was stored", said)
        self.assertFalse(os.path.exists(self.file))


class Reports(Case):
    def test_info(self):
        self.fill({b"a": b"1", b"b": b"2"})
        text = self.good("info").decode()
        for part in ("entries           2\n", "format version    1\n", "file size", "on disk", "live", "dead",
                     "load factor", "shards", "last recovery", "writers"):
            self.assertIn(part, text)
        found = json.loads(self.good("info", "--json"))
        self.assertEqual((found["entries"], found["format_version"]), (2, 1))
        self.assertEqual(found["file_size"], os.path.getsize(self.file))
        for name in ("uuid", "live_bytes", "dead_bytes", "log_bytes", "index_bytes", "free_bytes", "disk_bytes",
                     "load_factor", "shards", "sync_generation", "writers", "last_recovery", "incarnation"):
            self.assertIn(name, found)
        self.fails(2, "info", "extra")
        self.fails(2, "info", "--hex")

    def test_check(self):
        self.fill({b"%d" % n: b"x" * n for n in range(100)})
        text = self.good("check").decode()
        self.assertTrue(text.startswith("ok: 100 entries, "), text)
        self.assertTrue(self.good("check", "--fast").startswith(b"ok: 100 entries"))
        report = json.loads(self.good("check", "--json"))
        self.assertEqual((report["ok"], report["faults"], report["entries"]), (True, [], 100))

    def test_check_finds_damage(self):
        self.good("set", "victim", "needle" * 400)
        data = self.read("a.kvdb")
        at = data.index(b"needle" * 400)
        with open(self.file, "r+b") as out:
            out.seek(at + 1000)
            out.write(b"#")
        done = self.kvdb("check")
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stdout.decode(), r"(?m)^offset \d+: .+\n(.*\n)*\d+ faults?: ")
        done = self.kvdb("check", "--json")
        self.assertEqual(done.returncode, 1)
        report = json.loads(done.stdout)
        self.assertFalse(report["ok"])
        self.assertGreater(report["faults"][0]["offset"], 0)

    def test_sync(self):
        self.fails(3, "sync")
        self.assertFalse(os.path.exists(self.file))
        self.good("set", "--no-sync", "k", "v")
        before = json.loads(self.good("info", "--json"))["sync_generation"]
        self.assertEqual(self.good("sync"), b"")
        self.assertGreaterEqual(json.loads(self.good("info", "--json"))["sync_generation"], before)
        self.fails(2, "sync", "extra")

    def test_inspect(self):
        self.good("set", "k", "v")
        before = self.read("a.kvdb")
        lines = self.good("inspect").decode().splitlines()
        self.assertRegex(lines[0], r"^ *OFFSET +SIZE +NAME +VALUE +MEANING$")
        self.assertRegex("\n".join(lines), r"magic")
        self.assertGreater(len(lines), 2)
        self.assertEqual(self.good("inspect", "--at", "16"), self.good("inspect", "--at", "0x10"))
        self.assertIn(b"record", self.good("inspect", "--key", "k"))
        self.assertIn(b"record", self.good("inspect", "--hex", "--key", "6b"))
        done = self.kvdb("inspect", "--key", "nope")
        self.assertEqual((done.returncode, done.stderr), (1, b"kvdb: key not found: nope\n"))
        self.assertIn(b"absent", done.stdout)
        self.assertEqual(self.read("a.kvdb"), before)
        self.fails(2, "inspect", "--at", "16", "--key", "k")
        self.fails(2, "inspect", "--at", "sixteen", says="not a number")
        self.fails(2, "inspect", "extra")

    def test_progress_on_a_terminal(self):
        """A bar is drawn on a terminal and wiped; -q and a pipe get none."""
        lines = b"".join(b"k%d\tv\n" % n for n in range(1000))
        for quiet in (False, True):
            lead, follow = pty.openpty()
            words = [KVDB, "-f", self.file, "import", "--format=tsv"] + (["-q"] if quiet else [])
            worker = subprocess.Popen(words, stdin=subprocess.PIPE, stderr=follow)
            os.close(follow)
            said = b""
            while worker.poll() is None and b"importing: " not in said:
                try:
                    worker.stdin.write(lines)
                    worker.stdin.flush()
                except BrokenPipeError:
                    break
                if select.select([lead], [], [], 0)[0]:
                    said += os.read(lead, 4096)
                if quiet and worker.stdin and len(lines) < (1 << 22):
                    lines += lines
                elif quiet:
                    break
            worker.stdin.close()
            while True:
                try:
                    piece = os.read(lead, 4096)
                except OSError as problem:  # the terminal of a process that ended
                    self.assertEqual(problem.errno, errno.EIO)
                    break
                if not piece:
                    break
                said += piece
            os.close(lead)
            self.assertEqual(worker.wait(LIMIT), 0)
            if quiet:
                self.assertEqual(said, b"")
            else:
                self.assertIn(b"records", said)
                self.assertIn(b"/s", said)
                self.assertLess(said.rindex(b"importing: "), said.rindex(b"\r\x1b[K"))


class Conventions(Case):
    COMMANDS = "set get del has list count import export info check sync inspect help version".split()

    def test_help(self):
        page = self.raw("help")
        self.assertEqual((page.returncode, page.stderr), (0, b""))
        self.assertEqual(self.raw("--help").stdout, page.stdout)
        self.assertEqual(self.raw("-h").stdout, page.stdout)
        for name in self.COMMANDS:
            self.assertRegex(page.stdout.decode(), rf"(?m)^  {name} +\w")
            about = self.raw("help", name)
            self.assertEqual((about.returncode, about.stderr), (0, b""))
            self.assertIn(f"usage: kvdb [-f FILE] {name}".encode(), about.stdout)
            for words in ([name, "--help"], ["--help", name], ["-f", "x", name, "-h"]):
                done = self.raw(*words)
                self.assertEqual((done.returncode, done.stdout), (0, about.stdout), words)
            self.assertLessEqual(max(map(len, about.stdout.splitlines())), 100, name)
        self.assert_failed(self.raw("help", "nope"), 2, "unknown command 'nope'")
        self.assertEqual(os.listdir(self.folder), [])

    def test_version(self):
        done = self.raw("version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout.decode(), r"^kvdb \d+\.\d+\.\d+\n$")
        self.assertEqual(self.raw("--version").stdout, done.stdout)
        self.assertEqual(self.raw("get", "--version").stdout, done.stdout)

    def test_usage_errors(self):
        self.assert_failed(self.raw(), 2, "usage: kvdb")
        for name in ("nope", "incr", "append", "ttl", "shell", "repair", "compact", "backup", "bench", "", "GET"):
            self.fails(2, name, says=["unknown command", "kvdb help"])
        for words in (["set"], ["set", "k"], ["set", "k", "v", "x"], ["get"], ["get", "--nope", "k"], ["get", "--jso", "k"],
                      ["set", "--ttl", "5s", "k", "v"], ["list", "--limit"], ["-f"], ["get", "k", "-f"],
                      ["help", "a", "b"], ["version", "x"], ["list", "x"], ["check", "x"], ["get", "-x", "k"],
                      ["list", "--prefix", "a", "--prefix", "b"]):
            done = self.fails(2, *words)
            self.assertIn(b"usage: kvdb", done.stderr)
        self.assert_failed(self.raw("-f", "", "get", "k"), 2, "--file needs a name")
        self.assertFalse(os.path.exists(self.file))

    def test_which_file(self):
        self.assertEqual(self.raw("set", "k", "default").returncode, 0)
        self.assertTrue(os.path.exists(self.path("kv.kvdb")))
        there = {"KVDB_FILE": self.path("env.kvdb")}
        self.assertEqual(self.raw("set", "k", "environment", env=there).returncode, 0)
        self.assertEqual(self.raw("set", "k", "option", "--file=opt.kvdb", env=there).returncode, 0)
        self.assertEqual(self.raw("get", "k").stdout, b"default\n")
        self.assertEqual(self.raw("get", "k", env={"KVDB_FILE": ""}).stdout, b"default\n")
        self.assertEqual(self.raw("get", "k", env=there).stdout, b"environment\n")
        for words in (["-f", "opt.kvdb", "get", "k"], ["get", "-f", "opt.kvdb", "k"], ["get", "k", "-fopt.kvdb"],
                      ["--file", "opt.kvdb", "get", "k"], ["-q", "--file=opt.kvdb", "get", "k"]):
            self.assertEqual(self.raw(*words, env=there).stdout, b"option\n", words)

    READERS = (["get", "k"], ["has", "k"], ["list"], ["count"], ["export"], ["info"], ["check"], ["inspect"],
               ["inspect", "--at", "0"], ["inspect", "--key", "k"])
    WRITERS = (["set", "k", "v"], ["del", "k"], ["del", "--prefix", "k"], ["import"], ["sync"])

    def test_missing_file(self):
        for words in self.READERS:
            self.fails(3, *words, says=[self.file, "hint: "])
            self.assertEqual(os.listdir(self.folder), [], words)
        for words in self.WRITERS:
            self.fails(3, *words, "--no-create", says=[self.file, "hint: "])
            self.assertEqual(os.listdir(self.folder), [], words)
        self.fails(1, "del", "k")
        self.assertTrue(os.path.exists(self.file))

    def test_missing_folder(self):
        self.file = self.path("no/such/a.kvdb")
        for words in (*self.READERS, *self.WRITERS):
            self.fails(3, *words, says=self.file)
        self.file = self.write("plain", b"") + "/a.kvdb"
        for words in (*self.READERS, *self.WRITERS):
            self.fails(3, *words, says=self.file)

    def test_not_a_database(self):
        for data in (b"", b"x", b"hello, I am a text\n" * 1000, bytes(65536), b"\2\0\0\0" + bytes(65532),
                     os.urandom(100000)):
            self.write("a.kvdb", data)
            for words in (*self.READERS, *self.WRITERS):
                self.fails(3, *words, says=self.file)
                self.assertEqual(self.read("a.kvdb"), data, words)
        self.assertEqual(os.listdir(self.folder), ["a.kvdb"])

    def test_truncated(self):
        self.fill({b"%d" % n: b"x" * 500 for n in range(200)})
        data = self.read("a.kvdb")
        for size in (1, 15, 16, 4095, 4096, 5000, len(data) // 2):
            self.write("a.kvdb", data[:size])
            for words in self.READERS:
                done = self.kvdb(*words)
                self.assertIn(done.returncode, (0, 1, 3), (size, words, done))

    def test_not_a_regular_file(self):
        for make in (os.mkdir, os.mkfifo):
            make(self.file)
            for words in (*self.READERS, *self.WRITERS):
                self.fails(3, *words, says=self.file)
            (os.rmdir if os.path.isdir(self.file) else os.unlink)(self.file)
        self.file = "/dev/null"
        for words in (*self.READERS, *self.WRITERS):
            self.fails(3, *words, says=self.file)

    def unprivileged(self):
        """What makes a child respect permissions; nothing is needed unless root runs the tests."""
        if os.geteuid() != 0:
            return {}
        os.chmod(self.folder, 0o777)
        return {"user": 65534, "group": 65534, "extra_groups": []}

    def test_no_permission(self):
        self.good("set", "k", "v")
        os.chmod(self.file, 0)
        who = self.unprivileged()
        for words in (*self.READERS, *self.WRITERS):
            self.fails(3, *words, says=[self.file, "hint: "], **who)

    def test_read_only_file_and_folder(self):
        self.good("set", "k", "v")
        data = self.read("a.kvdb")
        os.chmod(self.file, 0o444)
        who = self.unprivileged()
        os.chmod(self.folder, 0o555)
        self.addCleanup(os.chmod, self.folder, 0o777)
        self.assertEqual(self.good("get", "k", **who), b"v\n")
        self.assertEqual(self.good("list", **who), b"k\tv\n")
        for words in self.READERS:
            self.assertEqual(self.kvdb(*words, **who).returncode, 0, words)
        for words in self.WRITERS:
            self.fails(3, *words, says=[self.file, "hint: "], **who)
        self.assertEqual(self.read("a.kvdb"), data)
        self.file = self.path("new.kvdb")
        self.fails(3, "set", "k", "v", says=[self.file, "hint: "], **who)
        self.assertEqual(os.listdir(self.folder), ["a.kvdb"])

    def test_file_size_limit(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        self.good("set", "k", "v")
        self.fails(3, "set", "big", "--stdin", stdin=b"x" * (4 << 20), says=["hint: "], preexec_fn=limited)
        self.assertEqual(self.good("get", "k"), b"v\n")
        self.assertEqual(self.kvdb("has", "big").returncode, 1)
        self.good("set", "k", "w")
        self.assertEqual(self.good("get", "k"), b"w\n")

    def test_closed_standard_descriptors(self):
        """The database must not become descriptor 1 and get the output."""
        self.good("set", "k", "v")
        for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            for words in ("get k", "set k v", "list", "info", "get nope"):
                subprocess.run(["sh", "-c", f'"$0" -f "$1" {words} {closed}', KVDB, self.file], timeout=LIMIT,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.assertTrue(self.good("check").startswith(b"ok: 1 entry"))

    def test_many_processes(self):
        workers = []
        for number in range(4):
            worker = subprocess.Popen([KVDB, "-f", self.file, "import", "-q", "--format=tsv"], stdin=subprocess.PIPE)
            workers.append(worker)
        for number, worker in enumerate(workers):
            worker.stdin.write(b"".join(b"%d:%d\t%d\n" % (number, n, n) for n in range(3000)))
        for worker in workers:
            worker.stdin.close()
        for worker in workers:
            self.assertEqual(worker.wait(LIMIT), 0)
        expected = {b"%d:%d" % (number, n): b"%d" % n for number in range(4) for n in range(3000)}
        self.assertEqual(self.contents(), expected)
        self.assertTrue(self.good("check").startswith(b"ok: 12000 entries"))

    def test_mode_of_a_new_file(self):
        self.good("set", "k", "v", umask=0o027)
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode) & 0o137, 0)


if __name__ == "__main__":
    unittest.main()
