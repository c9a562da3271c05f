// probes.h: the loops of machine_probe.h for one instruction set. As many accumulators as hide the latency of an
// instruction.
#pragma once

#include "kernels/machine_probe.h"
#include "kernels/simd_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline std::uint64_t read_probe(const std::byte* data, std::int64_t n_bytes) {
  constexpr int kAccumulators = 8, kStep = kAccumulators * 32;
  U32x8 sums[kAccumulators];
  for (auto& sum : sums) sum = zero<U32x8>();
  for (std::int64_t at = 0; at + kStep <= n_bytes; at += kStep) {
    for (int i = 0; i < kAccumulators; ++i) sums[i] = add(sums[i], load<U32x8>(data + at + i * 32));
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = add(sums[0], sums[i]);
  std::uint32_t lanes[8];
  store(sums[0], lanes);
  std::uint64_t total = 0;
  for (const std::uint32_t lane : lanes) total += lane;
  return total;
}

inline float fma_probe(std::int64_t n_rounds) {
  constexpr int kAccumulators = 10;  // two units, latency 4 or 5
  F32x8 sums[kAccumulators];
  for (int i = 0; i < kAccumulators; ++i) sums[i] = set<F32x8>(static_cast<float>(i));
  const F32x8 factor = set<F32x8>(0.999f), term = set<F32x8>(0.001f);
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    for (auto& sum : sums) sum = multiply_add(sum, factor, term);
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = add(sums[0], sums[i]);
  float lanes[8];
  store(sums[0], lanes);
  return lanes[0];
}

inline std::int32_t int8_probe(std::int64_t n_rounds) {
  constexpr int kAccumulators = 8;
  I32x8 sums[kAccumulators];
  for (auto& sum : sums) sum = zero<I32x8>();
  U8x32 w = set<U8x32>(3);
  I8x32 x = set<I8x32>(-2);
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    for (auto& sum : sums) sum = add_byte_products(sum, w, x);
#if HWY_ARCH_X86
    asm volatile("" : "+x"(w.part[0].raw), "+x"(x.part[0].raw));  // the product is not a constant of the loop
#endif
  }
  for (int i = 1; i < kAccumulators; ++i) sums[0] = add(sums[0], sums[i]);
  std::int32_t lanes[8];
  store(sums[0], lanes);
  return lanes[0];
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
