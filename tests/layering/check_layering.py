#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Keeps the include arrows of the sources.

    check_layering.py [ROOT]      checks the tree at ROOT, exit 1 and a line for each violation
    check_layering.py --self-test plants one violation of every rule and sees it reported

Inside lib, includes go downwards only. Public headers know the standard library and themselves. The operating
system is met in io and extents alone, so that everything above can run on any other implementation of them.
"""
import pathlib
import re
import sys
import tempfile

# A layer and the layers whose headers it may include, itself apart.
BELOW = {
    "base": set(),
    "format": {"base"},
    "io": {"base", "format"},
    "extents": {"base", "format", "io"},
    "index": {"base", "format", "io", "extents"},
    "log": {"base", "format", "io", "extents"},
    "shard": {"base", "format", "io", "extents", "index", "log"},
    "database": {"base", "format", "io", "extents", "index", "log", "shard"},
}
OS_LAYERS = {"io", "extents"}
SIMD = {"immintrin.h", "emmintrin.h", "tmmintrin.h", "smmintrin.h", "nmmintrin.h", "xmmintrin.h", "arm_neon.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def is_standard(name):
    """The headers of C++ proper; C's own <x.h> count as the system's, since <cx> exists for all of them."""
    return "/" not in name and "." not in name


def judge_public(kind, name):
    if kind == "<" and (is_standard(name) or name.startswith("kvdb/")):
        return None
    return "a public header includes only the standard library and <kvdb/...>"


def judge_lib(layer, kind, name):
    if kind == '"':
        owner = name.split("/")[0]
        if owner not in BELOW or "/" not in name or ".." in name:
            return 'inside lib, a private header is named "layer/file.hpp"'
        if owner != layer and owner not in BELOW[layer]:
            return f"{layer} may not include {owner}"
        return None
    if name.startswith("kvdb/"):
        return None
    if layer == "format":
        if name == "atomic" or not is_standard(name):
            return "format includes no operating system, Boost or atomics header"
        return None
    if is_standard(name) or name in SIMD:
        return None
    if name == "xxhash.h":
        return None if layer == "base" else "only base includes xxHash"
    if name.startswith("boost/program_options"):
        return "only app includes Boost.Program_options"
    if name.startswith("boost/interprocess"):
        return None if layer in OS_LAYERS else "only io and extents include Boost.Interprocess"
    if name.startswith("boost/"):
        return None
    return None if layer in OS_LAYERS else "only io and extents include headers of the operating system"


def judge_outsider(folder, file, root, kind, name):
    """app and bench: the public headers alone, besides their own."""
    if kind == '"':
        places = [file.parent / name, root / folder / name]
        inside = (root / folder).resolve()
        if any(place.is_file() and place.resolve().is_relative_to(inside) for place in places):
            return None
        return f"{folder} includes its own headers and <kvdb/...>, none of lib's"
    if name.startswith("kvdb/"):
        public = root / "lib/include" / name
        return None if public.is_file() and ".." not in name else f"there is no public header {name}"
    if name.startswith("boost/program_options") and folder != "app":
        return "only app includes Boost.Program_options"
    if name.split("/")[0] in BELOW:
        return f"{folder} includes <kvdb/...>, none of lib's private headers"
    return None


def judge(root, file, kind, name):
    parts = file.relative_to(root).parts
    if parts[:2] == ("lib", "include"):
        return judge_public(kind, name)
    if parts[0] == "lib":
        if parts[1] not in BELOW:
            return f"lib/{parts[1]} is no layer that this check knows"
        return judge_lib(parts[1], kind, name)
    return judge_outsider(parts[0], file, root, kind, name)


def check(root):
    """All violations as "file:line: text", and the number of includes looked at."""
    found, looked_at = [], 0
    for folder in ("lib", "app", "bench"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".hpp", ".cpp", ".h", ".c", ".ipp"):
                continue
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                looked_at += 1
                complaint = judge(root, file, *match.groups())
                if complaint:
                    found.append(f"{file.relative_to(root)}:{number}: {line.strip()}: {complaint}")
    return found, looked_at


# Where a planted line must be reported, and where it must not.
FORBIDDEN = [
    ("lib/base/a.hpp", '#include "format/a.hpp"'),
    ("lib/format/a.hpp", '#include "io/a.hpp"'),
    ("lib/format/a.hpp", "#include <atomic>"),
    ("lib/format/a.hpp", "#include <boost/endian.hpp>"),
    ("lib/format/a.hpp", "#include <sys/stat.h>"),
    ("lib/io/a.cpp", '#include "extents/a.hpp"'),
    ("lib/extents/a.cpp", '#include "log/a.hpp"'),
    ("lib/index/a.cpp", '#include "log/a.hpp"'),
    ("lib/log/a.cpp", '#include "index/a.hpp"'),
    ("lib/index/a.cpp", "#include <boost/interprocess/mapped_region.hpp>"),
    ("lib/shard/a.cpp", '#include "database/a.hpp"'),
    ("lib/shard/a.cpp", '#include "a.hpp"'),
    ("lib/shard/a.cpp", '#include "../database/a.hpp"'),
    ("lib/shard/a.cpp", "#include <unistd.h>"),
    ("lib/shard/a.cpp", "#include <linux/futex.h>"),
    ("lib/log/a.cpp", "#include <xxhash.h>"),
    ("lib/database/a.cpp", "#include <fcntl.h>"),
    ("lib/database/a.cpp", "  #  include <pthread.h>"),
    ("lib/database/a.cpp", "#include <boost/program_options.hpp>"),
    ("lib/io/a.cpp", "#include <boost/program_options.hpp>"),
    ("lib/nowhere/a.cpp", "#include <vector>"),
    ("lib/include/kvdb/a.hpp", "#include <boost/optional.hpp>"),
    ("lib/include/kvdb/a.hpp", "#include <sys/types.h>"),
    ("lib/include/kvdb/a.hpp", '#include "base/a.hpp"'),
    ("app/a.cpp", '#include "base/a.hpp"'),
    ("app/a.cpp", '#include "../lib/base/a.hpp"'),
    ("app/a.cpp", "#include <base/a.hpp>"),
    ("app/a.cpp", "#include <kvdb/missing.hpp>"),
    ("bench/a.cpp", '#include "format/a.hpp"'),
    ("bench/a.cpp", "#include <boost/program_options.hpp>"),
]
ALLOWED = [
    ("lib/base/a.cpp", "#include <xxhash.h>"),
    ("lib/format/b.hpp", '#include "base/a.hpp"'),
    ("lib/io/a.cpp", "#include <sys/mman.h>"),
    ("lib/extents/a.cpp", "#include <boost/interprocess/mapped_region.hpp>"),
    ("lib/index/a.cpp", "#include <immintrin.h>"),
    ("lib/index/a.cpp", '#include "format/a.hpp"'),
    ("lib/shard/a.cpp", '#include "log/a.hpp"'),
    ("lib/database/a.cpp", "#include <kvdb/a.hpp>"),
    ("lib/include/kvdb/b.hpp", "#include <kvdb/a.hpp>"),
    ("lib/include/kvdb/b.hpp", "#include <string>"),
    ("app/b.cpp", '#include "a.hpp"'),
    ("app/b.cpp", "#include <boost/program_options.hpp>"),
    ("app/b.cpp", "#include <kvdb/a.hpp>"),
    ("bench/b.cpp", "#include <lmdb.h>"),
]


def verdict_on(name, line):
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        for there in ("lib/include/kvdb/a.hpp", "app/a.hpp", *(f"lib/{layer}/a.hpp" for layer in BELOW)):
            (root / there).parent.mkdir(parents=True, exist_ok=True)
            (root / there).write_text("#include <string_view>\n")
        planted = root / name
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text("#include <cstdint>\n" + line + "\n")
        return check(root)[0]


def self_test():
    wrong = [f"not reported: {name}: {line}" for name, line in FORBIDDEN
             if not any(f"{name}:2: " in one for one in verdict_on(name, line))]
    wrong += [f"reported by mistake: {one}" for name, line in ALLOWED for one in verdict_on(name, line)]
    for one in wrong:
        print(one)
    print(f"{len(FORBIDDEN)} planted violations and {len(ALLOWED)} allowed includes, {len(wrong)} judged wrongly")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    root = pathlib.Path(arguments[0] if arguments else ".").resolve()
    found, looked_at = check(root)
    for one in found:
        print(one)
    print(f"{looked_at} includes, {len(found)} violations")
    if looked_at == 0:
        print(f"no sources below {root}")
    return 1 if found or looked_at == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
