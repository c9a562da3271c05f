#!/usr/bin/env bash
# test_arm64.sh: the kernels for Arm, cross-compiled and tested under emulation: the laws that hold AVX2 to the portable bits hold
# NEON to them as well. Emulation says nothing about speed.
set -euo pipefail
cd "$(dirname "$0")/.."
compiler=aarch64-linux-gnu-g++

out=build/arm64
mkdir -p "$out"
headers=$out/include  # those of the machine's libraries that are the same on every architecture, and no others
mkdir -p "$headers"
for library in hwy nlohmann spdlog fmt gtest; do ln -sfn "/usr/include/$library" "$headers/$library"; done
flags=(-std=c++20 -O2 -ffp-contract=off -Isrc -I. -isystem "$headers" -DFMT_HEADER_ONLY -DSPDLOG_HEADER_ONLY
  -DSPDLOG_FMT_EXTERNAL "-DR1_SOURCE_DIR=\"$PWD\"")
read -ra cache <<<"$(command -v ccache || true)"

objects=() n_compiling=0
compile() {  # SOURCE [FLAG...]: as many at a time as there are cores
  local object=$out/${1//\//_}.o
  objects+=("$object")
  if [[ $n_compiling -eq $(nproc) ]]; then
    wait -n
    n_compiling=$((n_compiling - 1))
  fi
  "${cache[@]}" $compiler "${flags[@]}" "${@:2}" -c "$1" -o "$object" &
  n_compiling=$((n_compiling + 1))
}
finish_compiling() {
  for (( ; n_compiling > 0; --n_compiling)); do wait -n; done
}
for source in src/base/*.cpp src/kernels/*.cpp; do
  case $source in
    src/base/sha256.cpp) continue ;;  # needs OpenSSL for Arm, and the kernels don't need it
    *_test.cpp) [[ $source == src/kernels/* ]] || continue ;;
  esac
  case $source in
    */set_neon.cpp) compile "$source" -march=armv8-a+crypto ;;  # as src/CMakeLists.txt says
    *) compile "$source" ;;
  esac
done
compile /usr/src/googletest/googletest/src/gtest-all.cc -I/usr/src/googletest/googletest
compile /usr/src/googletest/googletest/src/gtest_main.cc -I/usr/src/googletest/googletest
finish_compiling
$compiler -static "${objects[@]}" -lpthread -o "$out/kernels_tests"
qemu-aarch64 "$out/kernels_tests" --gtest_brief=1
