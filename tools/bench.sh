#!/usr/bin/env bash
# bench.sh [FILTER]: runs the micro-benchmarks whose CASE/FORMAT/SET matches the regular expression (default: all), e.g.
# tools/bench.sh 'decode/Q4_K'. The results go to stdout as a table.
set -euo pipefail
cd "$(dirname "$0")/.."
for program in build/bench/*_bench; do
  "$program" --benchmark_filter="${1:-.}" --benchmark_min_time="${MIN_TIME:-0.2}" --benchmark_counters_tabular=true
done
