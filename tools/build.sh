#!/usr/bin/env bash
# build.sh PRESET: configures once, then builds.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
[[ -f build/$preset/build.ninja ]] || cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -j "${BUILD_JOBS:-$(nproc)}"
