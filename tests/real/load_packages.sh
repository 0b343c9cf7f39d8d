#!/bin/sh
# SPDX-License-Identifier: BSL-1.0
# Loads every record of this machine's Debian package index into a database and reads it back from four processes.
# usage: KVDB=path/to/kvdb load_packages.sh [WORKDIR]
# WORKDIR (default: a temporary folder, removed afterwards) keeps packages.txt, packages.jsonl and packages.kvdb.
# With NO_UPDATE=1 an empty index is not fetched; the records of the installed packages are taken instead.
set -eu

kvdb=${KVDB:-build/release/bin/kvdb}
here=$(cd "$(dirname "$0")" && pwd)
command -v "$kvdb" >/dev/null || { echo "load_packages.sh: no executable '$kvdb': set KVDB" >&2; exit 2; }

if [ $# -ge 1 ]; then
    work=$1
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
fi

available() {
    command -v apt-cache >/dev/null || return 1
    apt-cache dumpavail >"$work/packages.txt" 2>/dev/null
    # the installed packages alone are a few hundred: then the index has not been fetched
    [ "$(grep -c '^Package: ' "$work/packages.txt")" -ge 10000 ]
}

source="apt-cache dumpavail"
if ! available; then
    if [ "${NO_UPDATE:-0}" = 1 ] || ! apt-get update >/dev/null 2>&1 || ! available; then
        source=/var/lib/dpkg/status
        cp /var/lib/dpkg/status "$work/packages.txt"
    fi
fi
echo "source:   $source"
status=0
python3 "$here/packages.py" "$kvdb" "$work" || status=$?
exit "$status"
