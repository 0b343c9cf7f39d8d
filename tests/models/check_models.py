#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Each model of format-spec/models holds in all its states, and each fault that its header names is caught.

The header of a model has one line of options for spin for each state space to be searched ("Checked with: -DA=1", and
the lines below it that begin with "-D"; none: one search without options), and one line for each fault, with the
number of the search that is to catch it in brackets behind its name unless that is the first.

usage: check_models.py [MODEL ...]        names without .pml; needs spin and cc
"""

import concurrent.futures
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time

MODELS = pathlib.Path(__file__).resolve().parents[2] / "format-spec" / "models"
PATIENCE = 120        # seconds, for one search
MEMORY = 1536         # MiB, of a search of all states
MEMORY_OF_FAULT = 768
DEPTH = 100000        # steps


def header_of(model):
    text = model.read_text()
    return text[:text.index("*/")]


def searches_of(model):
    lines = re.findall(r"^(?: *Checked with:)? +(-D.*?)(?: *\*/)?$", header_of(model), re.MULTILINE)
    return [line.split() for line in lines] or [[]]


def faults_of(model):
    """Pairs of a fault and the number of the search that catches it."""
    found = re.findall(r"\b(FAULT_[A-Z_]+)(?: \[(\d)\])?", header_of(model))
    return [(fault, int(which or 1)) for fault, which in found]


def must_run(command, folder):
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    if result.returncode != 0:
        raise RuntimeError("%s failed:\n%s" % (command[0], result.stdout + result.stderr))


def search(model, options, fault=None):
    """What the verifier says of one state space. With a fault it has little to do, less than an optimiser would."""
    effort, memory = ("-O0", MEMORY_OF_FAULT) if fault else ("-O1", MEMORY)
    options = [*options, "-D" + fault] if fault else options
    with tempfile.TemporaryDirectory(prefix="kvdb-model-") as folder:
        must_run(["spin", "-a", *options, str(model)], folder)
        # Only safety: what must not last for ever is an invalid end state in these models.
        must_run(["cc", effort, "-w", "-DSAFETY", "-DMEMLIM=%d" % memory, "-o", "pan", "pan.c"], folder)
        result = subprocess.run(["./pan", "-m%d" % DEPTH, "-w22"], cwd=folder, capture_output=True, text=True,
                                timeout=PATIENCE)
        return result.stdout + result.stderr


def number(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else None


def incomplete(report):
    """Why a search does not count as one of all states, or None."""
    for sign in ("max search depth too small", "out of memory", "reached -DMEMLIM", "aborting", "hash table full",
                 "Search not completed"):
        if sign in report:
            return sign
    return None if number(r"errors: (\d+)", report) is not None else "no result"


def errors_in(report):
    return number(r"errors: (\d+)", report) or 0


def is_caught(model, fault, which):
    return errors_in(search(model, searches_of(model)[which - 1], fault)) > 0


def check(model):
    begin = time.monotonic()
    states = 0
    said = []
    for options in searches_of(model):
        report = search(model, options)
        why = incomplete(report)
        if why or errors_in(report) != 0:
            said.append("%s %s\n%s" % (" ".join(options), why or "an error", report))
        states += number(r"(\d+) states, stored", report) or 0
    took = time.monotonic() - begin
    begin = time.monotonic()
    faults = faults_of(model)
    body = model.read_text()[len(header_of(model)):]
    unnamed = set(re.findall(r"\bFAULT_[A-Z_]+", body)) ^ {fault for fault, _ in faults}
    if unnamed:
        said.append("faults of the header and of the model differ: %s" % ", ".join(sorted(unnamed)))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(lambda fault: is_caught(model, *fault), faults))
    missed = [fault for (fault, _), was in zip(faults, caught) if not was]
    failures = len(said) + len(missed) + (not faults)
    print("%-14s %9d states, %4.1f s, %s; %d of %d faults caught, %4.1f s%s" % (
        model.stem, states, took, "NOT IN ORDER" if said else "no errors", len(faults) - len(missed), len(faults),
        time.monotonic() - begin, "; NOT CAUGHT: " + ", ".join(missed) if missed else ""), flush=True)
    for text in said:
        print(text)
    return failures


def main():
    missing = [program for program in ("spin", "cc") if shutil.which(program) is None]
    if missing:
        print("check_models.py needs %s, which tools/setup.sh installs" % " and ".join(missing))
        return 1
    models = [MODELS / (name + ".pml") for name in sys.argv[1:]] or sorted(MODELS.glob("*.pml"))
    if not models:
        print("no models in %s" % MODELS)
        return 1
    begin = time.monotonic()
    failures = sum([check(model) for model in models])
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print("%d models, %.1f s, at most %d MiB; %s" % (len(models), time.monotonic() - begin, most,
                                                    "%d failures" % failures if failures else "all in order"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
