// narrow_products.h: the integer products of a few tokens' blocks, 32 columns in an instruction: AVX2, SSE4, NEON.
//
// As wide_products.h for AVX-512, it gives eight_products() (x_blocks.h).
#pragma once

#include <utility>

#include "kernels/block_products.h"
#include "kernels/x_blocks.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {
#if !R1_WIDE

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

// Of one block: adds group g's part of each token's product to its sums. A token alone has two, so that an addition
// need not wait for the one before.
template <typename Format, int kTokens, int g>
HWY_INLINE void add_group(const typename Format::Block& block, const XBlocks<Format, kTokens>& x, int i,
                          const GroupScales<Format::kGroup>& scales, I32x8 (&sums)[kTokens][2]) {
  const auto lanes = Lanes<Format>::template group<g>(block);
  const I16x16 scale = scales.template of<g>();
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    I32x8& sum = sums[t][kTokens == 1 ? g % 2 : 0];
    sum = add_products(sum, pair_sums(lanes, load<I8x32>(x.q[t] + 256 * i + 32 * g)), scale);
  }
}

// The integer sums of eight blocks, each as a vector still to be added across.
template <typename Format, int kTokens>
struct BlockSums {
  I32x8 isums[kTokens][8], msums[kTokens][8];

  template <int... g>
  HWY_INLINE void multiply(const typename Format::Block& block, const XBlocks<Format, kTokens>& x, int i,
                           std::integer_sequence<int, g...>) {
    const I16x16 scales = Lanes<Format>::scales(block);
    const GroupScales<Format::kGroup> group_scales(scales);
    I32x8 sums[kTokens][2];
    for (auto& sum : sums) sum[0] = sum[1] = zero<I32x8>();
    (add_group<Format, kTokens, g>(block, x, i, group_scales, sums), ...);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const I16x16 q_sums = load<I16x16>(x.sums[t] + 16 * i);
      isums[t][i] = kTokens == 1 ? add(sums[t][0], sums[t][1]) : sums[t][0];
      if constexpr (Lanes<Format>::kOffset != 0) {
        constexpr int kLog = std::countr_zero(static_cast<unsigned>(Lanes<Format>::kOffset));
        isums[t][i] = sub(isums[t][i], shift_left<kLog>(add_products(zero<I32x8>(), scales, q_sums)));
      }
      if constexpr (Format::kHasMin) msums[t][i] = add_products(zero<I32x8>(), Lanes<Format>::mins(block), q_sums);
    }
  }
};

template <typename Format, int kTokens>
requires(Format::kBlockValues == 256) HWY_INLINE
    void eight_products(const typename Format::Block* blocks, const XBlocks<Format, kTokens>& x,
                        F32x8 (&products)[kTokens]) {
  BlockSums<Format, kTokens> sums;
  for (int i = 0; i < 8; ++i) sums.multiply(blocks[i], x, i, std::make_integer_sequence<int, 8>());
  const F32x8 d = block_halves(blocks, &Format::Block::d);
  F32x8 dmin = d;
  if constexpr (Format::kHasMin) dmin = block_halves(blocks, &Format::Block::dmin);
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const I32x8 isum = add_across(VectorsInMemory<I32x8>{sums.isums[t]});
    I32x8 msum = isum;
    if constexpr (Format::kHasMin) msum = add_across(VectorsInMemory<I32x8>{sums.msums[t]});
    products[t] = scale_sums<Format>(isum, msum, d, dmin);
  }
}

// Pair sums of each of eight blocks of 32, unpacked when they are asked for: few registers are held.
template <typename Format>
struct BlockPairs {
  const typename Format::Block* blocks;
  const std::int8_t* q;

  HWY_INLINE I16x16 operator()(int i) const {
    return pair_sums(Lanes<Format>::template group<0>(blocks[i]), load<I8x32>(q + 32 * i));
  }
};

// The same of blocks unpacked before: for several tokens.
template <typename Format>
struct LanePairs {
  const typename Lanes<Format>::Stored* lanes;
  const std::int8_t* q;

  HWY_INLINE I16x16 operator()(int i) const { return pair_sums(lanes[i], load<I8x32>(q + 32 * i)); }
};

template <typename Format, int kTokens>
requires(Format::kBlockValues == 32) HWY_INLINE
    void eight_products(const typename Format::Block* blocks, const XBlocks<Format, kTokens>& x,
                        F32x8 (&products)[kTokens]) {
  constexpr int kMax = Lanes<Format>::kMax;
  const F32x8 d = block_halves(blocks, &Format::Block::d);
  F32x8 m = d;
  if constexpr (Format::kHasMin) m = block_halves(blocks, &Format::Block::m);
  I32x8 isums[kTokens];
  if constexpr (kTokens == 1) {
    isums[0] = add_pairs_across<kMax>(BlockPairs<Format>{blocks, x.q[0]});
  } else {
    typename Lanes<Format>::Stored lanes[8];
    R1_UNROLL
    for (int i = 0; i < 8; ++i) lanes[i] = Lanes<Format>::template group<0>(blocks[i]);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) isums[t] = add_pairs_across<kMax>(LanePairs<Format>{lanes, x.q[t]});
  }
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    products[t] = scale_sums_32<Format>(isums[t], load<F32x8>(x.sums[t]), d, m, Lanes<Format>::kOffset);
  }
}

#endif
}  // namespace r1::R1_SET
R1_AFTER_SIMD();
