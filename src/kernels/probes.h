// probes.h: the loops of machine_probe.h for one instruction set. As many accumulators as hide the latency of an
// instruction.
#pragma once

#include "kernels/machine_probe.h"
#include "kernels/multiply_few_tokens.h"
#include "kernels/multiply_tiles.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline std::uint64_t read_probe(const std::byte* data, std::int64_t n_bytes) {
  constexpr int kAccumulators = 8, kStep = kAccumulators * 32;
  U32x8 sums[kAccumulators];
  for (auto& sum : sums) sum = zero<U32x8>();
  for (std::int64_t at = 0; at + kStep <= n_bytes; at += kStep) {
    prefetch<2>(data + at, kPrefetchFar, kStep);  // a limit that decoding's own reading cannot exceed
    for (int i = 0; i < kAccumulators; ++i) sums[i] = add(sums[i], load<U32x8>(data + at + i * 32));
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = add(sums[0], sums[i]);
  std::uint32_t lanes[8];
  store(sums[0], lanes);
  std::uint64_t total = 0;
  for (const std::uint32_t lane : lanes) total += lane;
  return total;
}

// Every register another number, and all of them in the result: of two that are always the same the compiler computes
// one, and of a vector what is used.
template <typename V, int n>
HWY_INLINE void number_parts(V (&vectors)[n]) {
  for (int i = 0; i < n; ++i) {
    for (int p = 0; p < V::kParts; ++p) {
      vectors[i].part[p] = hn::Set(typename V::Tag(), static_cast<typename V::Lane>(V::kParts * i + p));
    }
  }
}

template <typename V, int n>
HWY_INLINE double sum_of_all(const V (&vectors)[n]) {
  V sum = vectors[0];
  for (int i = 1; i < n; ++i) sum = add(sum, vectors[i]);
  typename V::Lane lanes[V::kBytes / sizeof(typename V::Lane)];
  store(sum, lanes);
  double total = 0;
  for (const auto lane : lanes) total += static_cast<double>(lane);
  return total;
}

inline ProbeRun fma_probe(std::int64_t n_rounds) {
  constexpr int kAccumulators = 10 / PanelFloats::kParts;  // ten registers: two units, latency 4 or 5
  PanelFloats sums[kAccumulators];
  number_parts(sums);
  const PanelFloats factor = set<PanelFloats>(0.999f), term = set<PanelFloats>(0.001f);
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    for (auto& sum : sums) sum = multiply_add(sum, factor, term);
  }
  return {2.0 * kAccumulators * kPanelRows * static_cast<double>(n_rounds), sum_of_all(sums)};
}

inline ProbeRun int8_probe(std::int64_t n_rounds) {
  constexpr int kAccumulators = 12 / ByteSums::kParts;  // two units, latency 5, and some to spare
  ByteSums sums[kAccumulators];
  number_parts(sums);
  PanelBytes w = set<PanelBytes>(3);
  const PanelSigned x = set<PanelSigned>(-2);
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    for (auto& sum : sums) {
      sum = add_bytes(sum, w, x);
#if HWY_ARCH_X86
      // No product is that of the sum before, or a constant of the loop.
      for (auto& part : w.part) asm volatile("" : "+v"(part.raw));
#endif
    }
  }
  return {2.0 * kAccumulators * PanelBytes::kBytes * static_cast<double>(n_rounds), sum_of_all(sums)};
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
