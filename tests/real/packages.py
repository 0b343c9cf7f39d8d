#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Loads the records of WORKDIR/packages.txt (package name -> full record) and reads them back.

A name that appears several times (one package in several versions) keeps its last record, in the file as in the
database: the lines are imported in their order, and a later line wins.

usage: packages.py KVDB WORKDIR
"""
import base64
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time

PROCESSES = 4
SINGLE_GETS = 300  # by each process


def records(path):
    """The file's records in order: name and bytes without the blank line behind them."""
    with open(path, "rb") as source:
        for text in source.read().split(b"\n\n"):
            text = text.strip(b"\n")
            for line in text.split(b"\n"):
                if line.startswith(b"Package: "):
                    yield line[len(b"Package: "):].strip(), text
                    break


def to_json(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def from_json(item):
    return base64.b64decode(item["base64"], validate=True) if isinstance(item, dict) else item.encode()


def verify(number, kvdb, file, expected, faults):
    """One process: exports all, compares the records that fall to it, and gets some of them one by one."""
    mine = {name for place, name in enumerate(sorted(expected)) if place % PROCESSES == number}
    unseen, total = set(mine), 0
    with subprocess.Popen([kvdb, "-f", file, "export", "-q"], stdout=subprocess.PIPE) as export:
        for line in export.stdout:
            entry = json.loads(line)
            key = from_json(entry["key"])
            total += 1
            if key not in expected:
                faults.put(f"process {number}: unexpected key {key!r}")
            elif key in mine:
                if key not in unseen:
                    faults.put(f"process {number}: key {key!r} came twice")
                unseen.discard(key)
                if from_json(entry["value"]) != expected[key]:
                    faults.put(f"process {number}: wrong record of {key!r}")
    if export.returncode != 0 or unseen or total != len(expected):
        faults.put(f"process {number}: export status {export.returncode}, {total} of {len(expected)} records, "
                   f"{len(unseen)} missing")
    for key in random.Random(number).sample(sorted(mine), min(SINGLE_GETS, len(mine))):
        done = subprocess.run([kvdb, "-f", file, "get", "-n", "--", key], stdout=subprocess.PIPE)
        if done.returncode != 0 or done.stdout != expected[key]:
            faults.put(f"process {number}: get {key!r} gave status {done.returncode} and other bytes")
    faults.put(None)


def read_back(kvdb, file, expected):
    """What is wrong, from four processes at once."""
    context = multiprocessing.get_context("fork")  # the expected records are shared, not copied
    faults = context.Queue()
    workers = [context.Process(target=verify, args=(number, kvdb, file, expected, faults))
               for number in range(PROCESSES)]
    for worker in workers:
        worker.start()
    found, finished = [], 0
    while finished < PROCESSES:
        try:
            fault = faults.get(timeout=5)
        except Exception:  # Empty: look whether somebody died before the end
            if any(worker.exitcode not in (None, 0) for worker in workers):
                found.append("a verifying process died")
                break
            continue
        finished += fault is None
        found += [fault] if fault else []
    for worker in workers:
        worker.join()
    return found


def main(kvdb, work):
    text, lines, file = (os.path.join(work, "packages" + end) for end in (".txt", ".jsonl", ".kvdb"))
    expected, count = {}, 0
    with open(lines, "w", encoding="ascii") as out:
        for name, record in records(text):
            expected[name] = record
            count += 1
            out.write(json.dumps({"key": to_json(name), "value": to_json(record)}) + "\n")
    if not expected:
        sys.exit("packages.py: no record in " + text)
    if os.path.exists(file):
        os.unlink(file)
    size = sum(len(name) + len(record) for name, record in expected.items())
    print(f"records:  {count}, {len(expected)} names (the last of a name wins), {size / 1e6:.1f} MB")

    started = time.monotonic()
    subprocess.run([kvdb, "-f", file, "import", "-q", lines], check=True)
    seconds = time.monotonic() - started
    print(f"import:   {seconds:.2f} s, {count / seconds:.0f} records/s, {size / seconds / 1e6:.1f} MB/s, synced")
    print(f"file:     {os.path.getsize(file) / 1e6:.1f} MB, {os.stat(file).st_blocks * 512 / 1e6:.1f} MB on disk")

    started = time.monotonic()
    faults = read_back(kvdb, file, expected)
    print(f"readback: {time.monotonic() - started:.2f} s, {PROCESSES} processes, each {len(expected)} exported "
          f"and {min(SINGLE_GETS, len(expected) // PROCESSES)} got singly")
    counted = int(subprocess.run([kvdb, "-f", file, "count"], check=True, stdout=subprocess.PIPE).stdout)
    if counted != len(expected):
        faults.append(f"count says {counted}, {len(expected)} were stored")
    check = subprocess.run([kvdb, "-f", file, "check", "-q"], stdout=subprocess.PIPE, text=True)
    print("check:    " + check.stdout.strip())
    if check.returncode != 0:
        faults.append(f"check ended with {check.returncode}")
    for fault in faults[:20]:
        print("FAULT:    " + fault, file=sys.stderr)
    print("result:   " + ("all equal" if not faults else f"{len(faults)} faults"))
    return 1 if faults else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
