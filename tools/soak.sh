#!/usr/bin/env bash
# soak.sh [PATTERN]: the long forms of tests that `make test` runs short: a thousand kills, a million events, ten thousand
# streams, an hour of mixed requests. Takes hours. A switch that is set already keeps its value: R1_LEDGER_KILLS=50 make soak.
set -uo pipefail
cd "$(dirname "$0")/.."
pattern=${1:-*}
[[ $pattern == *[*]* ]] || pattern="*$pattern*"
export R1_LEDGER_KILLS=${R1_LEDGER_KILLS:-1000} R1_SERVE_KILLS=${R1_SERVE_KILLS:-1000}
export R1_LEDGER_EVENTS=${R1_LEDGER_EVENTS:-1000000} R1_LEDGER_IO=${R1_LEDGER_IO:-500}
export R1_LEDGER_CHARGES=${R1_LEDGER_CHARGES:-100000000} R1_PREFIX_TIMES=${R1_PREFIX_TIMES:-2000}
export R1_LOAD_STREAMS=${R1_LOAD_STREAMS:-10000} R1_SOAK_MINUTES=${R1_SOAK_MINUTES:-60}
# What a test makes of a switch, it says in its first lines. New ones are named R1_LOAD_…, and begin here.

tools/setup_npm.sh || exit 1
failed=() n_run=0
step() {  # NAME COMMAND…
  local name=$1 started=$SECONDS
  # shellcheck disable=SC2053  # the pattern is one
  [[ $name == $pattern ]] || return 0
  n_run=$((n_run + 1))
  echo "==> $name"
  if "${@:2}" </dev/null; then
    echo "==> $name: passed in $((SECONDS - started)) s"
  else
    failed+=("$name")
    echo "==> $name: FAILED after $((SECONDS - started)) s"
  fi
}

step ledger build/release/r1_tests --gtest_brief=1 \
  --gtest_filter='*LedgerCrash*:*LedgerRules*:*GeneratedEvents*:*EachNthWriteFailing*:*KillsUnderLoad*'
step prefix-times build/release/r1_tests --gtest_brief=1 --gtest_filter='*PrefixTimes*'
# Every end-to-end test that reads one of the switches.
for test in $(grep -lE 'R1_(SERVE|LOAD|SOAK)_[A-Z_]+' tests/e2e/*_test.*); do
  case $test in
    *.py) run=(python3 -B "$test" -v) ;;
    *) run=(node --test --test-reporter=tap "$test") ;;
  esac
  step "$(basename "$test")" env R1="$PWD/build/release/r1" "${run[@]}"
done
[[ $n_run -gt 0 ]] || { echo "no soak test has a name like '$pattern'" >&2; exit 1; }
[[ ${#failed[@]} -eq 0 ]] || { echo "failed: ${failed[*]}" >&2; exit 1; }
