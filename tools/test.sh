#!/usr/bin/env bash
# test.sh PRESET PATTERN: runs the tests of a build whose name matches the pattern ('*': all): C++ in as many shards as there
# are cores, then the end-to-end tests in tests/e2e.
set -euo pipefail
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
[[ $failed -eq 0 ]] || { echo "C++ tests failed" >&2; exit 1; }

# End to end: each starts the binary named by R1, and prints what it skipped and why.
for test in tests/e2e/*_test.*; do
  name=$(basename "$test")
  # shellcheck disable=SC2053  # the pattern is one
  [[ $name == $pattern ]] || continue
  case $test in
    *.py) run=(python3 -B "$test" -v) ;;
    *.mjs) run=(node --test "$test") ;;
    *) continue ;;
  esac
  R1="$PWD/build/$preset/r1" "${run[@]}" >"$logs/$name" 2>&1 || { tail -n 60 "$logs/$name"; echo "$name failed" >&2; exit 1; }
  echo "$name: $(grep -E "skipped|^Ran |^OK|^# (pass|skipped)" "$logs/$name" | paste -sd';')"
done
