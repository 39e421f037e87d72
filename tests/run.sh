#!/usr/bin/env bash
# Every test, or only the layers that are named: tests/run.sh [layer...]
#   lint         clang builds without a warning, the core links no server's library, shellcheck
#   unit         pure modules; property: random input, printed seeds; loop: the worker's loop over fakes
#   integration  the program against private Kafka and PostgreSQL; crash: the same, killed and stopped
#   fuzz         libFuzzer on each target of tests/fuzz, $DRAWDOWN_FUZZ_SECONDS (60) each, two at a time
#   model        random histories through the same, every record held against an independent referee
# C layers are built with preset $DRAWDOWN_PRESET (asan unless set), real-server layers use the release build.
set -euo pipefail
exec 2>&1
# shellcheck source=deploy/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../deploy/lib.sh"
cd "$ROOT"

LAYERS=(lint unit property loop fuzz integration model crash)
PRESET=${DRAWDOWN_PRESET:-asan}
WERROR=-DDRAWDOWN_WERROR=OFF
[[ ${CI:-} != true ]] || WERROR=-DDRAWDOWN_WERROR=ON
passed=0 failed=0 skipped=0

# add PASSED FAILED SKIPPED: to the sums of the layer; nothing at all is a failure.
add() {
    if (($1 + $2 + $3 == 0)); then
        say "no test ran"
        set -- 0 1 0
    fi
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# check SENTENCE COMMAND...: one test.
check() {
    local sentence=$1
    shift
    if "$@"; then
        say "ok: $sentence"
        add 1 0 0
    else
        say "FAILED: $sentence"
        add 0 1 0
    fi
}

core_is_pure() {
    local symbols
    symbols=$(nm -u build/clang/libdrawdown_core.a) && ! grep -E ' U (PQ|rd_kafka_|MHD_|curl_)' <<<"$symbols"
}

run_lint() {
    check "clang builds without a warning" build clang -DDRAWDOWN_WERROR=ON
    check "the core links neither libpq, librdkafka, libmicrohttpd nor libcurl" core_is_pure
    check "shellcheck has nothing to say" shellcheck -x .ci/run deploy/*.sh tests/*.sh tests/fuzz/*.sh
}

# run_cmocka LAYER: test cases are counted in ctest's log; a program that ends without cmocka's summary is one failure.
run_cmocka() {
    local log=build/$PRESET/Testing/Temporary/LastTest.log counts
    build "$PRESET" "$WERROR" || {
        add 0 1 0
        return 0
    }
    rm -f "$log"
    ctest --test-dir "build/$PRESET" -L "^$1\$" --parallel "$(nproc)" --output-on-failure --no-tests=ignore || true
    counts=$(awk '
        / Testing: /                { summary = 0 }
        /^\[       OK \]/           { passed++ }
        /^ *[0-9]+ FAILED TEST/     { failed += $1; summary = 1 }
        /^ *[0-9]+ SKIPPED TEST/    { skipped += $1 }
        /^Test [A-Z]/               { if ($2 != "Passed." && !summary) failed++ }
        END { print passed + 0, failed + 0, skipped + 0 }' "$log" 2>/dev/null || echo 0 0 0)
    # shellcheck disable=SC2086 # three numbers
    add $counts
}

# run_pytest LAYER
run_pytest() {
    local report=$ROOT/build/$1.xml presets=(release) preset
    [[ $1 != crash ]] || presets+=(failpoints)
    for preset in "${presets[@]}"; do
        build "$preset" "$WERROR" || {
            add 0 1 0
            return 0
        }
    done
    fetch_kafka
    make_venv
    rm -f "$report"
    PYTHONDONTWRITEBYTECODE=1 "$VENV/bin/python" -m pytest "tests/$1" --junitxml="$report" || true
    if [[ -f $report && $(<"$report") =~ errors=\"([0-9]+)\"\ failures=\"([0-9]+)\"\ skipped=\"([0-9]+)\"\ tests=\"([0-9]+)\" ]]; then
        local errors=${BASH_REMATCH[1]} failures=${BASH_REMATCH[2]} skips=${BASH_REMATCH[3]} tests=${BASH_REMATCH[4]}
        add $((tests - errors - failures - skips)) $((errors + failures)) "$skips"
    else
        add 0 1 0
    fi
}

# Each target finds nothing within its time, from its kept corpus on.
run_fuzz() {
    local file targets=() target failed_targets
    build fuzz "$WERROR" || {
        add 0 1 0
        return 0
    }
    for file in build/fuzz/fuzz_*; do
        targets+=("${file#build/fuzz/fuzz_}")
    done
    # shellcheck disable=SC2016 # that shell's own arguments
    failed_targets=$(printf '%s\n' "${targets[@]}" |
        xargs -P 2 -I '{}' sh -c 'bash tests/fuzz/run.sh "$1" "$2" >&2 || echo "$1"' sh '{}' "${DRAWDOWN_FUZZ_SECONDS:-60}")
    for target in "${targets[@]}"; do
        check "fuzzing finds nothing in $target" not_in "$target" "$failed_targets"
    done
}

not_in() { ! grep -qx -- "$1" <<<"$2"; }

run_layer() {
    case $1 in
    lint) run_lint ;;
    unit | property | loop) run_cmocka "$1" ;;
    fuzz) run_fuzz ;;
    integration | model | crash) run_pytest "$1" ;;
    esac
}

summary() { printf '%d passed, %d failed%s\n' "$1" "$2" "$( (($3 == 0)) || printf ', %d skipped' "$3")"; }

for layer in "$@"; do
    [[ " ${LAYERS[*]} " == *" $layer "* ]] || die "unknown layer $layer; there are: ${LAYERS[*]}"
done
install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_SERVERS[@]}" "${PACKAGES_TESTS[@]}"

times=()
for layer in "${@:-${LAYERS[@]}}"; do
    say "== $layer"
    start=$SECONDS before=("$passed" "$failed" "$skipped")
    run_layer "$layer"
    times+=("$layer: $((SECONDS - start)) s, $(summary $((passed - before[0])) $((failed - before[1])) $((skipped - before[2])))")
done
printf '%s\n' "" "${times[@]}"
summary "$passed" "$failed" "$skipped"
((failed == 0))
