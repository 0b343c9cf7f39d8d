#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Builds the library with the headers of Boost 1.74, the oldest supported, and with the installed ones, and lets each
# build read and write the other's file. The old headers are unpacked aside, never installed.
#   tests/boost174/run.sh [WORK_FOLDER]
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=${1:-$source_dir/build/boost174}
mkdir -p "$work"
work=$(cd "$work" && pwd)
headers=$work/root/usr/include

if [[ ! -f $headers/boost/version.hpp ]]; then
    cd "$work"
    # Fetching as oneself works in folders that apt's own user cannot enter.
    fetch() { apt-get -qq -o APT::Sandbox::User="$(id -un)" "$@"; }
    fetch download libboost1.74-dev || { fetch update && fetch download libboost1.74-dev; }
    dpkg -x libboost1.74-dev_*.deb root
    rm -f libboost1.74-dev_*.deb
fi
grep -q '^#define BOOST_LIB_VERSION "1_74"' "$headers/boost/version.hpp"

build() {
    cmake -S "$source_dir" -B "$work/$1" -G Ninja -DCMAKE_BUILD_TYPE=Debug "${@:2}" \
        -DKVDB_BUILD_APP=OFF -DKVDB_BUILD_TESTS=OFF -DKVDB_BUILD_BENCH=OFF -DKVDB_BUILD_FUZZ=OFF >"$work/$1.log"
    cmake --build "$work/$1" --parallel 2
}
# A folder named with -isystem comes before the compiler's own, and after nothing else that holds Boost.
build old "-DBoost_INCLUDE_DIR=$headers" -DBoost_NO_BOOST_CMAKE=ON
build new

link() {
    g++ -std=c++20 -Wall -Wextra "${@:2}" -I "$source_dir/lib/include" \
        "$source_dir/tests/boost174/exchange.cpp" "$work/$1/lib/libkvdb.a" -pthread -o "$work/$1/exchange"
}
link old -isystem "$headers"
link new

# That the old headers were really used is what ninja noted of each object.
if ! ninja -C "$work/old" -t deps >"$work/deps" || ! grep -q "root/usr/include/boost/interprocess" "$work/deps" ||
    grep -q " /usr/include/boost/" "$work/deps"; then
    echo "boost174: the library was not compiled with Boost 1.74's headers" >&2
    exit 1
fi

rm -f "$work"/*.kvdb
swap() {
    local file=$work/from_$1.kvdb
    "$work/$1/exchange" write "$file"
    "$work/$2/exchange" check "$file"
    "$work/$1/exchange" check "$file" again
    rm -f "$file"
}
swap old new
swap new old
