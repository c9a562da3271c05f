#!/usr/bin/env bash
# roofline.sh [FORMAT...]: measures a small R1 of random weights in each format (default: q4_k_m q8_0 q4_0), op by op, and draws
# docs/roofline.svg. For a quiet machine: some minutes, and 2 GB under build/roofline.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/roofline
[[ $# -gt 0 ]] || set -- q4_k_m q8_0 q4_0
runs=()
for format; do
  model=build/roofline/r1-mini-$format.gguf run=build/roofline/$format.json
  [[ -f $model ]] || build/release/r1 synth r1-mini "$model" --type "$format"
  build/release/r1 bench "$model" -p 512 -n 64 -r 3 --profile --json >"$run"
  runs+=("$run")
done
python3 tools/roofline.py "${runs[@]}"
