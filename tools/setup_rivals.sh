#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Installs the stores that bench_race can race kvdb against, on Debian 12. None is needed to build or test kvdb: what
# cannot be installed is left out of the race.
set -uo pipefail

packages=(libbenchmark-dev liblmdb-dev libtkrzw-dev libtdb-dev libgdbm-dev libsqlite3-dev libdb-dev
    libleveldb-dev librocksdb-dev libkyotocabinet-dev
    # for static links of the above
    libgflags-dev liblz4-dev liblzma-dev liblzo2-dev libbz2-dev libsnappy-dev libzstd-dev zlib1g-dev)

as_root=()
if ((EUID != 0)); then
    as_root=(sudo)
fi
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null >/dev/null
}

apt update
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    if [[ $status != installed ]] && ! apt install -y --no-install-recommends "$package"; then
        echo "setup_rivals: $package could not be installed, and is left out" >&2
    fi
done
