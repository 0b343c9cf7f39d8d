#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Installs what a build and the tests need on Debian 12. Touches apt only if something is missing.
set -euo pipefail

packages=(g++ clang-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 cmake ninja-build pkg-config python3
    libboost1.81-dev libboost-program-options1.81-dev libboost-test1.81-dev libboost-json1.81-dev
    libxxhash-dev libbenchmark-dev liblmdb-dev spin)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
    exit 0
fi

as_root=()
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        echo "setup: missing packages: ${missing[*]}" >&2
        echo "setup: run as root, or install them by hand" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "setup: installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$log" 2>&1
}
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
    cat "$log" >&2
    echo "setup: apt could not install: ${missing[*]}" >&2
    exit 1
fi
