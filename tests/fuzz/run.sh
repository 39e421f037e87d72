#!/usr/bin/env bash
# tests/fuzz/run.sh TARGET SECONDS [SEED]: libFuzzer on one target, from its kept corpus and what earlier runs have found in
# build/fuzz-work/TARGET. A finding stays in build/fuzz-found/ and is the exit code. The last line on standard output tells
# what was done: date, preset, target, seed, seconds, executions, decodes; it is kept in build/fuzz-work/runs.txt too.
# $DRAWDOWN_FUZZ_PRESET: fuzz (unless set), or fuzz-fast, which has no address sanitizer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=$1 seconds=$2 seed=${3:-$((RANDOM * 32768 + RANDOM + 1))} preset=${DRAWDOWN_FUZZ_PRESET:-fuzz}
work=build/fuzz-work/$target
log=build/fuzz-work/$target.$$.log
mkdir -p "$work" build/fuzz-found

options=(-seed="$seed" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 -max_len=4096
    -print_final_stats=1 -artifact_prefix="build/fuzz-found/$target-")
# what a decoder has learnt stays over many inputs, and libFuzzer would look for leaks after each
[[ $target != schema ]] || options+=(-detect_leaks=0)
[[ ! -f tests/fuzz/$target.dict ]] || options+=(-dict="tests/fuzz/$target.dict")
if ! "build/$preset/fuzz_$target" "${options[@]}" "$work" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
    grep -a -E "Assertion|SUMMARY|runtime error|ERROR" "$log" | cut -c1-300 >&2
    echo "seed $seed" >&2
    exit 1
fi
number() { awk -v "name=$1" 'index($0, name) == 1 { print $NF }' "$log"; }
printf '%s %-9s %-8s seed %-10s %4s s %12s executions %14s decodes\n' "$(date -u +%FT%TZ)" "$preset" "$target" "$seed" "$seconds" \
    "$(number stat::number_of_executed_units)" "$(number decodes:)" | tee -a build/fuzz-work/runs.txt
