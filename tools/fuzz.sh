#!/usr/bin/env bash
# fuzz.sh NAME [SECONDS]: libFuzzer with address and undefined-behaviour sanitizers on tests/fuzz/NAME_fuzz.cpp; what it finds
# is left in build/fuzz/. Needs clang and libclang-rt-14-dev, which nothing else here does.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?which reader: make fuzz F=gguf} seconds=${2:-60}
if ! ls "$(clang++-14 -print-runtime-dir 2>/dev/null)"/*fuzzer* >/dev/null 2>&1; then
  echo "Needs: sudo apt-get install --no-install-recommends clang-14 libclang-rt-14-dev" >&2
  exit 1
fi

corpus=build/fuzz/$name
mkdir -p "$corpus"
kept=()  # inputs worth beginning with, read only
[[ -d tests/fuzz/corpus/$name ]] && kept=("tests/fuzz/corpus/$name")
mapfile -t sources < <(git ls-files 'src/base/*.cpp' 'src/formats/*.cpp' 'src/text/*.cpp' 'src/tasks/*.cpp' 'src/grammar/*.cpp' | grep -v _test)
clang++-14 -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I. -Isrc \
  -DSPDLOG_FMT_EXTERNAL -DSPDLOG_COMPILED_LIB -DR1_SOURCE_DIR="\"$PWD\"" "tests/fuzz/${name}_fuzz.cpp" "${sources[@]}" \
  -lspdlog -lfmt -lpcre2-8 -lutf8proc -lcrypto -pthread -o "build/fuzz/${name}_fuzz"
"build/fuzz/${name}_fuzz" -max_total_time="$seconds" -max_len=65536 -malloc_limit_mb=64 -artifact_prefix="$corpus." \
  -print_final_stats=1 "$corpus" "${kept[@]}"
