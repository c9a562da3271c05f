#!/usr/bin/env bash
# build.sh PRESET [TARGET]: configures once, then builds the target, or all.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1 target=${2:-all}
[[ -f build/$preset/build.ninja ]] || cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" --target "$target" -j "${BUILD_JOBS:-$(nproc)}"
