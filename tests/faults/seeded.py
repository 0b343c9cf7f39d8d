#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Each deliberate bug of lib/base/seeded_fault.hpp is caught by the rigs that are there for it, and no rig fails without
one. The list is checked against the sources: a fault that nobody catches has no place there.

usage: seeded.py [FAULT ...]        with KVDB_BIN, the folder of the test programs, and KVDB_SOURCE
"""

import os
import pathlib
import re
import subprocess
import sys
import time

POWER = ("test_power", "power/nothing_durable_is_lost")
FAILED = ("test_power", "failed_flush")
JOURNAL = ("test_power", "journal")
CRASH = ("test_process", "crash_points/beside_a_living_process")
SHAPE = ("test_shard", "structure")
EXTENTS = ("test_extents", "allocator")
INJECTED = ("test_space", "injected")
CLEANING = ("test_database", "cleaning/readers_beside_it")
CARRIED = ("test_power", "cleaning")
RECOVERED = ("test_database", "cleaning/copies_of_erased_keys_stay_dead")
FULL = ("test_space", "full_disk")
LINEAR = ("test_process", "linearizability")

# Each fault and the rigs that it must not pass.
RIGS = {
    "append-not-registered": (POWER,),
    "left-extent-forgotten": (POWER,),
    "large-not-registered": (POWER,),
    "commit-without-flush": (POWER,),
    "commit-forgets-prefix": (POWER,),
    "commit-never-whole": (POWER,),
    "merged-range-cut-short": (POWER,),
    "journal-not-replayed": (POWER,),
    "journal-lap-without-write-back": (POWER,),
    "journal-outlives-recovery": (POWER,),
    "journal-not-settled": (JOURNAL,),
    "checkpoint-without-relaxed": (POWER,),
    "clean-flag-cleared-late": (POWER,),
    "clean-before-durable": (POWER,),
    "any-boot-trusted": (POWER,),
    "oldest-record-wins": (POWER,),
    "recovery-seals-nothing": (POWER,),
    "sequence-reused": (POWER,),
    "failed-flush-forgotten": (FAILED,),
    "intent-never-tested": (CRASH,),
    "armed-before-written": (CRASH,),
    "dead-staged-kept": (CRASH,),
    "constant-nonce": (EXTENTS,),
    "cleaned-before-durable": (CARRIED,),
    "tombstone-dropped-early": (POWER,),
    "first-of-equals-wins": (RECOVERED,),
    "recycled-without-bump": (CLEANING,),
    "move-without-bump": (SHAPE, LINEAR),
    "split-without-bump": (SHAPE, LINEAR),
    "reader-ignores-shape": (LINEAR,),
    "acknowledged-when-armed": (LINEAR,),
    "short-write-taken-as-whole": (INJECTED,),
    "failed-append-not-sealed": (INJECTED,),
    "half-made-file-kept": (INJECTED,),
    "growth-not-allocated": (FULL,),
    "holes-left-open": (FULL,),
    "size-signal-let-through": (FULL,),
}
PATIENCE = 240  # seconds
IMAGES = "2000"
IMAGES_WITHOUT = "300"
ROUNDS = "100"  # of the rig that ends with the first violation


def run(rig, fault):
    program, cases = rig
    environment = dict(os.environ, KVDB_TEST_IMAGES=IMAGES if fault else IMAGES_WITHOUT)
    environment.pop("KVDB_SEEDED_FAULT", None)
    if fault:
        environment["KVDB_SEEDED_FAULT"] = fault
        if rig == LINEAR:
            environment["KVDB_TEST_ROUNDS"] = ROUNDS
    command = [os.path.join(os.environ["KVDB_BIN"], program), "--run_test=" + cases]
    try:
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", "hung for %d s" % PATIENCE)


def names_in_sources():
    found = set()
    for path in pathlib.Path(os.environ["KVDB_SOURCE"], "lib").rglob("*.[ch]pp"):
        found.update(re.findall(r'seeded_fault\("([^"]+)"\)', path.read_text()))
    return found


def main():
    chosen = sys.argv[1:] or sorted(RIGS)
    failures = 0
    if names_in_sources() != set(RIGS):
        print("faults of the sources and of this list differ:", sorted(names_in_sources() ^ set(RIGS)))
        failures += 1
    pairs = [(fault, rig) for fault in chosen for rig in RIGS[fault]]
    for rig in sorted({rig for _, rig in pairs}):
        result = run(rig, None)
        if result.returncode != 0:
            print("%s fails without any fault:\n%s" % (rig[1], result.stdout + result.stderr))
            failures += 1
    for fault, rig in pairs:
        begin = time.monotonic()
        result = run(rig, fault)
        caught = result.returncode != 0
        failures += not caught
        print("%-28s %-45s %s, %.1f s" % (fault, rig[1], "caught" if caught else "NOT CAUGHT",
                                          time.monotonic() - begin), flush=True)
    print("%d of %d faults caught" % (len(pairs) - failures, len(pairs)))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
