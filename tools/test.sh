#!/usr/bin/env bash
# test.sh PRESET PATTERN: runs the tests of a build whose name matches the pattern ('*': all): C++ in as many shards as there
# are cores, then the end-to-end tests in tests/e2e; of those E2E (a pattern like '@(chat|page)_test.*') may choose some.
set -euo pipefail
shopt -s extglob
cd "$(dirname "$0")/.."
preset=$1 pattern=${2:-*}
[[ $pattern == *[*]* ]] || pattern="*$pattern*"
shards=$(nproc)
tools/setup_npm.sh
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

pids=()
for ((shard = 0; shard < shards; shard++)); do
  GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$shard \
    "build/$preset/r1_tests" --gtest_filter="$pattern" --gtest_brief=1 >"$logs/$shard" 2>&1 &
  pids+=($!)
done
failed=0
for ((shard = 0; shard < shards; shard++)); do
  wait "${pids[shard]}" || { failed=1; grep -v '^\[  PASSED' "$logs/$shard" | tail -n 60; }
done
for ((shard = 0; shard < shards; shard++)); do
  grep -hE '^\[  (PASSED|SKIPPED)|tests? ran|SKIPPED TEST' "$logs/$shard" || true
done
[[ $failed -eq 0 ]] || echo "C++ tests failed" >&2
n_matched=$(grep -hoE '^\[==========\] [0-9]+ test' "$logs"/* | grep -oE '[0-9]+' | paste -sd+ || true)
n_matched=$((${n_matched:-0}))

# End to end: each starts the binary named by R1, and prints what it skipped and why. As many at a time as there are cores, since
# most of them wait most of the time; the longest begins first.
run_end_to_end() {
  local test=$1 name=${1##*/} run
  case $test in
    *.py) run=(python3 -B "$test" -v) ;;
    *.mjs) run=(node --test --test-reporter=tap "$test") ;;
  esac
  if R1="$PWD/build/$preset/r1" "${run[@]}" >"$logs/$name" 2>&1; then
    echo "$name: $(grep -E "skipped|^Ran |^OK|^# (pass|skipped)" "$logs/$name" | paste -sd';')"
    touch "$logs/$name.passed"
    return
  fi
  # Where Node says it, far above its last lines; and those. In one piece, whatever else runs.
  { grep -A 30 '^ *not ok' "$logs/$name" || true; tail -n 60 "$logs/$name"; echo "$name failed"; } >"$logs/$name.told"
  cat "$logs/$name.told" >&2
}

n_running=0 n_started=0
for test in tests/e2e/recipe_test.py $(ls tests/e2e/*_test.py tests/e2e/*_test.mjs | grep -v /recipe_test.py); do
  name=${test##*/}
  # shellcheck disable=SC2053  # the pattern is one
  [[ $name == $pattern && $name == ${E2E:-*} ]] || continue
  n_started=$((n_started + 1))
  if [[ $n_running -eq $shards ]]; then
    wait -n
    n_running=$((n_running - 1))
  fi
  run_end_to_end "$test" &
  n_running=$((n_running + 1))
done
wait
[[ $(find "$logs" -name '*.passed' | wc -l) -eq $n_started ]] || failed=1
n_matched=$((n_matched + n_started))
[[ $n_matched -gt 0 ]] || { echo "no test has a name like '$pattern'" >&2; exit 1; }
exit "$failed"
