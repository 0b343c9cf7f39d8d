#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# From a fresh Debian 12 to a database with real contents: installs what is missing, builds the release, and uses it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target kvdb_tool --parallel "$(nproc)"

KVDB=$PWD/build/release/bin/kvdb
export KVDB
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
db=$scratch/main.kvdb

say() { printf '\n$ %s\n' "$*"; }

say kvdb set mykey "'hello from kvdb'"
"$KVDB" -f "$db" set mykey "hello from kvdb"
say kvdb get mykey
answer=$("$KVDB" -f "$db" get mykey)
echo "$answer"
[[ $answer == "hello from kvdb" ]]

say tests/real/load_packages.sh
tests/real/load_packages.sh "$scratch/real"

say kvdb info
"$KVDB" -f "$scratch/real/packages.kvdb" info
echo
echo "The tool is $KVDB"
