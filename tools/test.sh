#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
# Everything that has to hold before a change goes in, cheapest stage first; stops at the first that fails.
#   KVDB_FUZZ_SECONDS  how long each fuzzer runs beyond its corpus (default 60)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

jobs=${KVDB_JOBS:-$(nproc)}
fuzz_seconds=${KVDB_FUZZ_SECONDS:-60}
logs=build/test-logs
mkdir -p "$logs"
rm -f "$logs"/*
stages=()

# Sums over the closing lines of every ctest run so far: "97% tests passed, 1 tests failed out of 32".
tally() {
    local failed=0 total=0 line
    for log in "$logs"/*.ctest; do
        [[ -f $log ]] || continue
        line=$(grep -E 'tests passed, [0-9]+ tests? failed out of [0-9]+' "$log" | tail -1)
        [[ $line =~ ([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+) ]] || continue
        failed=$((failed + BASH_REMATCH[1]))
        total=$((total + BASH_REMATCH[2]))
    done
    echo "$((total - failed)) passed, $failed failed"
}

stage() {
    local name=$1 begin=$SECONDS
    shift
    echo "=== $name"
    if ! "$@"; then
        echo "=== FAILED: $name, after $((SECONDS - begin)) s (command: $*)" >&2
        tally
        exit 1
    fi
    stages+=("$(printf '%5d s  %s' $((SECONDS - begin)) "$name")")
    echo "=== $name: done in $((SECONDS - begin)) s"
}

sources() {
    git ls-files -z --cached --others --exclude-standard -- "${@/%//*.cpp}" "${@/%//*.hpp}"
}

check_format() {
    sources lib app tests fuzz bench | xargs -0 -r clang-format-14 --dry-run -Werror
}

build() {
    local preset=$1
    shift
    cmake --preset "$preset" "$@" >"$logs/$preset.configure" || { cat "$logs/$preset.configure"; return 1; }
    # Ninja says each command on a line of its own where there is no terminal; only what fails is of interest.
    cmake --build --preset "$preset" --parallel "$jobs" >"$logs/$preset.build" 2>&1 ||
        { grep -v '^\[[0-9]*/[0-9]*\] ' "$logs/$preset.build"; return 1; }
    if grep -n 'warning:' "$logs/$preset.build"; then
        echo "the build with preset $preset gave warnings"
        return 1
    fi
}

run_tests() {
    local preset=$1
    shift
    ctest --preset "$preset" "$@" 2>&1 | tee "$logs/$preset.ctest"
    return "${PIPESTATUS[0]}"
}

tidy() {
    git ls-files -z --cached --others --exclude-standard -- 'lib/*.cpp' 'app/*.cpp' |
        xargs -0 -r -n 1 -P "$jobs" clang-tidy-14 --quiet -p build/clang 2>"$logs/tidy.err"
}

# The kernel may place more randomly than ThreadSanitizer of clang 14 can bear.
without_aslr() {
    if setarch -R true 2>/dev/null; then
        setarch -R "$@"
    else
        "$@"
    fi
}

tsan_tests() {
    local preset=tsan
    export TSAN_OPTIONS="halt_on_error=1:die_after_fork=0:second_deadlock_stack=1"
    without_aslr ctest --preset "$preset" 2>&1 | tee "$logs/$preset.ctest"
    local status=${PIPESTATUS[0]}
    unset TSAN_OPTIONS
    return "$status"
}

# New inputs go to a scratch folder: the stored corpus changes by a person's decision only.
fuzz_one() {
    local program=$1 name=${1##*/fuzz_} corpus extra=()
    corpus=fuzz/corpus/$name
    if [[ -z $(ls -A "$corpus" 2>/dev/null) ]]; then
        echo "no corpus in $corpus"
        return 1
    fi
    local dictionary
    for dictionary in fuzz/"$name".dict fuzz/"$name"/*.dict; do
        [[ -f $dictionary ]] && extra+=("-dict=$dictionary")
    done
    mkdir -p "build/fuzz/new/$name" build/fuzz/crashes
    "$program" -runs=0 -verbosity=0 "$corpus" || return 1
    "$program" -max_total_time="$fuzz_seconds" -timeout=30 -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 \
        -entropic=0 -reload=0 -artifact_prefix="build/fuzz/crashes/$name-" "${extra[@]}" "build/fuzz/new/$name" "$corpus"
}

begin=$SECONDS
stage "packages" tools/setup.sh
stage "clang-format" check_format
stage "layering" python3 -B tests/layering/check_layering.py .
stage "release build (g++)" build release
stage "clang build" build clang -DKVDB_BUILD_TESTS=OFF -DKVDB_BUILD_FUZZ=OFF
stage "clang-tidy" tidy
stage "Boost 1.74" tests/boost174/run.sh build/boost174
stage "asan-ubsan build" build asan-ubsan
stage "asan-ubsan tests" run_tests asan-ubsan
stage "tsan build" build tsan
stage "tsan tests" tsan_tests
stage "fuzz build" build fuzz
for program in build/fuzz/bin/fuzz_*; do
    [[ -x $program ]] || continue
    stage "${program##*/}" fuzz_one "$program"
done
# Last, so that the run ends with the closing lines of the tests of what is released.
stage "release tests" run_tests release

echo
printf '%s\n' "${stages[@]}"
printf '%5d s  in all\n' $((SECONDS - begin))
echo
for log in "$logs"/{asan-ubsan,tsan,release}.ctest; do
    echo "${log##*/}:" | sed 's/\.ctest//'
    grep -E 'tests passed|Total Test time' "$log"
done
tally
