// narrow_products.h: the integer products of one token's blocks, 32 columns in an instruction: AVX2, SSE4, NEON.
//
// As wide_products.h for AVX-512, it gives eight_products(): of eight blocks that follow each other in memory.
#pragma once

#include <utility>

#include "kernels/block_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {
#if !R1_HAVE_VNNI

template <typename Format>
inline constexpr int kSumsOfBlock = 16;  // of x, that eight_products() takes with a block of 256

// A block's scales, and those of group g for its 16 pair sums: one number for 32 columns, or two for 16 each.
template <int kGroup>
struct GroupScales {
  alignas(32) std::int16_t stored[16];

  HWY_INLINE explicit GroupScales(const I16x16& scales) { store(scales, stored); }
  template <int g>
  HWY_INLINE I16x16 of() const {
    if constexpr (kGroup == 32) return broadcast_word<I16x16>(stored + 2 * g);
    return set_halves(stored + 2 * g);
  }
};
#if HWY_TARGET == HWY_AVX2
template <>
struct GroupScales<16> {  // in a register: a shuffle each
  I16x16 sorted;

  HWY_INLINE explicit GroupScales(const I16x16& scales) : sorted(even_and_odd(scales)) {}
  template <int g>
  HWY_INLINE I16x16 of() const {
    return repeat_in_halves<g>(sorted);
  }
};
#endif

// Adds group g's part of a row's product to a sum.
template <typename Format, int g>
HWY_INLINE void add_group(const typename Format::Block& block, const std::int8_t* q,
                          const GroupScales<Format::kGroup>& scales, I32x8& sum) {
  const I16x16 pairs = pair_sums(Lanes<Format>::template group<g>(block), load<I8x32>(q + 32 * g));
  sum = add_products(sum, pairs, scales.template of<g>());
}

template <typename Format, int... g>
HWY_INLINE I32x8 row_product(const typename Format::Block& block, const std::int8_t* q,
                             const GroupScales<Format::kGroup>& scales, std::integer_sequence<int, g...>) {
  I32x8 sums[2] = {zero<I32x8>(), zero<I32x8>()};  // two, so that an addition need not wait for the one before
  (add_group<Format, g>(block, q, scales, sums[g % 2]), ...);
  return add(sums[0], sums[1]);
}

// The integer sums of eight blocks, each as a vector still to be added across.
template <typename Format>
struct BlockSums {
  I32x8 isums[8], msums[8];

  HWY_INLINE void multiply(const typename Format::Block& block, const std::int8_t* q, const std::int16_t* sums_16,
                           int i) {
    const I16x16 q_sums = load<I16x16>(sums_16);
    const I16x16 scales = Lanes<Format>::scales(block);
    isums[i] = row_product<Format>(block, q, GroupScales<Format::kGroup>(scales), std::make_integer_sequence<int, 8>());
    if constexpr (Lanes<Format>::kOffset != 0) {
      constexpr int kLog = std::countr_zero(static_cast<unsigned>(Lanes<Format>::kOffset));
      isums[i] = sub(isums[i], shift_left<kLog>(add_products(zero<I32x8>(), scales, q_sums)));
    }
    if constexpr (Format::kHasMin) msums[i] = add_products(zero<I32x8>(), Lanes<Format>::mins(block), q_sums);
  }
};

template <typename Format>
HWY_INLINE F32x8 eight_products(const typename Format::Block* blocks, const std::int8_t* q,
                                const std::int16_t* sums_16) {
  BlockSums<Format> sums;
  R1_UNROLL
  for (int i = 0; i < 8; ++i) sums.multiply(blocks[i], q + 256 * i, sums_16 + 16 * i, i);
  const F32x8 d = block_halves(blocks, &Format::Block::d);
  const I32x8 isum = add_across(VectorsInMemory<I32x8>{sums.isums});
  if constexpr (Format::kHasMin) {
    const I32x8 msum = add_across(VectorsInMemory<I32x8>{sums.msums});
    return scale_sums<Format>(isum, msum, d, block_halves(blocks, &Format::Block::dmin));
  }
  return scale_sums<Format>(isum, isum, d, d);
}

// Pair sums of each of eight blocks of 32.
template <typename Format>
struct BlockPairs {
  const typename Format::Block* blocks;
  const std::int8_t* q;

  HWY_INLINE I16x16 operator()(int i) const {
    return pair_sums(Lanes<Format>::template group<0>(blocks[i]), load<I8x32>(q + 32 * i));
  }
};

template <typename Format>
HWY_INLINE F32x8 eight_products(const typename Format::Block* blocks, const std::int8_t* q, const float* sums) {
  const F32x8 d = block_halves(blocks, &Format::Block::d);
  F32x8 m = d;
  if constexpr (Format::kHasMin) m = block_halves(blocks, &Format::Block::m);
  const I32x8 isum = add_pairs_across<Lanes<Format>::kMax>(BlockPairs<Format>{blocks, q});
  return scale_sums_32<Format>(isum, load<F32x8>(sums), d, m, Lanes<Format>::kOffset);
}

#endif
}  // namespace r1::R1_SET
R1_AFTER_SIMD();
