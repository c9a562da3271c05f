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

inline ProbeRun fma_probe(std::int64_t n_rounds) {
  constexpr int kAccumulators = 10 / PanelFloats::kParts;  // ten registers: two units, latency 4 or 5
  PanelFloats sums[kAccumulators];
  for (int i = 0; i < kAccumulators; ++i) sums[i] = set<PanelFloats>(static_cast<float>(i));
  const PanelFloats factor = set<PanelFloats>(0.999f), term = set<PanelFloats>(0.001f);
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    for (auto& sum : sums) sum = multiply_add(sum, factor, term);
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = add(sums[0], sums[i]);
  float lanes[kPanelRows];
  store(sums[0], lanes);
  return {2.0 * kAccumulators * kPanelRows * static_cast<double>(n_rounds), lanes[0]};
}

inline ProbeRun int8_probe(std::int64_t n_rounds) {
  constexpr int kAccumulators = 10 / ByteSums::kParts;
  ByteSums sums[kAccumulators];
  for (auto& sum : sums) sum = zero<ByteSums>();
  PanelBytes w = set<PanelBytes>(3);
  PanelSigned x = set<PanelSigned>(-2);
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    for (auto& sum : sums) sum = add_bytes(sum, w, x);
#if HWY_ARCH_X86
    // The products are no constants of the loop.
    for (auto& part : w.part) asm volatile("" : "+v"(part.raw));
    for (auto& part : x.part) asm volatile("" : "+v"(part.raw));
#endif
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = add(sums[0], sums[i]);
  typename ByteSums::Lane lanes[ByteSums::kBytes / sizeof(ByteSums::Lane)];
  store(sums[0], lanes);
  return {2.0 * kAccumulators * PanelBytes::kBytes * static_cast<double>(n_rounds), static_cast<double>(lanes[0])};
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
