// multiply_one_token.h: rows of blocks times one token: decoding, bound by reading the weights.
//
// Row after row, as memory likes to be read, blocks are unpacked in registers and multiplied along the columns; eight
// blocks' sums are added across at once.
#pragma once

#include <utility>

#include "kernels/block_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

// Scales for the 16 pair sums of group g: one number for 32 columns, or two for 16 each.
template <int kGroup>
HWY_INLINE I16x16 group_scale(const std::int16_t* scales, int g) {
  if constexpr (kGroup == 32) return broadcast_word<I16x16>(scales + 2 * g);
  return set_halves(scales + 2 * g);
}

// Adds group g's part of a row's product to a sum.
template <typename Format, int g>
HWY_INLINE void add_group(const typename Format::Block& block, const std::int8_t* q, const std::int16_t* scales,
                          I32x8& sum) {
  const I16x16 pairs = pair_sums(Lanes<Format>::template group<g>(block), load<I8x32>(q + 32 * g));
  sum = add_products(sum, pairs, group_scale<Format::kGroup>(scales, g));
}

template <typename Format, int... g>
HWY_INLINE I32x8 row_product(const typename Format::Block& block, const std::int8_t* q, const std::int16_t* scales,
                             std::integer_sequence<int, g...>) {
  I32x8 sums[2] = {zero<I32x8>(), zero<I32x8>()};  // two, so that an addition need not wait for the one before
  (add_group<Format, g>(block, q, scales, sums[g % 2]), ...);
  return add(sums[0], sums[1]);
}

// The integer sums of up to eight blocks of a row, each as a vector still to be added across. Blocks that are not there
// give zeros.
template <typename Format>
struct BlockSums {
  I32x8 isums[8], msums[8];

  HWY_INLINE void multiply(const typename Format::Block& block, const Q8_256Row& x, int b, int i) {
    const I16x16 q_sums = load<I16x16>(x.sums_16 + 16 * b);
    const I16x16 scales = Lanes<Format>::scales(block);
    alignas(32) std::int16_t stored[16];
    store(scales, stored);
    I32x8 isum = row_product<Format>(block, x.q + 256 * b, stored, std::make_integer_sequence<int, 8>());
    if constexpr (Lanes<Format>::kOffset != 0) {
      constexpr int kLog = std::countr_zero(static_cast<unsigned>(Lanes<Format>::kOffset));
      isum = sub(isum, shift_left<kLog>(add_products(zero<I32x8>(), scales, q_sums)));
    }
    isums[i] = isum;
    if constexpr (Format::kHasMin) msums[i] = add_products(zero<I32x8>(), Lanes<Format>::mins(block), q_sums);
  }
};

// products[i] = block i of a row times the same block of x, but for x's scale; eight blocks, or fewer without kAll.
template <typename Format, bool kAll>
HWY_INLINE F32x8 products_256(const typename Format::Block* blocks, int n_blocks, const Q8_256Row& x, int b) {
  using Block = typename Format::Block;
  BlockSums<Format> sums;
  const int n = kAll ? 8 : n_blocks;
  for (int i = 0; i < n; ++i) sums.multiply(blocks[i], x, b + i, i);
  for (int i = n; i < 8; ++i) sums.isums[i] = sums.msums[i] = zero<I32x8>();
  const F32x8 d = block_halves<kAll>(blocks, n_blocks, &Block::d);
  const I32x8 isum = add_across(VectorsInMemory<I32x8>{sums.isums});
  if constexpr (Format::kHasMin) {
    const F32x8 dmin = block_halves<kAll>(blocks, n_blocks, &Block::dmin);
    return scale_sums<Format>(isum, add_across(VectorsInMemory<I32x8>{sums.msums}), d, dmin);
  }
  return scale_sums<Format>(isum, isum, d, d);
}

template <typename Format, bool kAll>
struct BlockProducts {
  const typename Format::Block* blocks;
  const std::int8_t* q;
  int n_blocks;

  HWY_INLINE I32x8 operator()(int i) const {
    if (!kAll && i >= n_blocks) return zero<I32x8>();
    return add_byte_products(zero<I32x8>(), Lanes<Format>::template group<0>(blocks[i]), load<I8x32>(q + 32 * i));
  }
};

template <typename Format, bool kAll>
HWY_INLINE F32x8 products_32(const typename Format::Block* blocks, int n_blocks, const Q8_32Row& x, int b) {
  using Block = typename Format::Block;
  const I32x8 isum = add_across(BlockProducts<Format, kAll>{blocks, x.q + 32 * b, n_blocks});
  const F32x8 d = block_halves<kAll>(blocks, n_blocks, &Block::d);
  F32x8 m = d;
  if constexpr (Format::kHasMin) m = block_halves<kAll>(blocks, n_blocks, &Block::m);
  return scale_sums_32<Format>(isum, load_first<F32x8>(x.sum + b, kAll ? 8 : n_blocks), d, m, Lanes<Format>::kOffset);
}

template <typename Format, bool kAll>
HWY_INLINE F32x8 products_of(const typename Format::Block* blocks, int n_blocks, const ActivationRow<Format>& x,
                             int b) {
  if constexpr (Format::kBlockValues == 32) {
    return products_32<Format, kAll>(blocks, n_blocks, x, b);
  } else {
    return products_256<Format, kAll>(blocks, n_blocks, x, b);
  }
}

inline constexpr int kRunBlocks = 256;  // blocks of a row multiplied before the next row's: long runs, for prefetching

// Rows follow each other in memory, so what lies ahead is the next row's beginning at worst. The processor's own
// prefetching stops at every page of 4 KB: one thread, Sapphire Rapids, GB/s from memory without and with this:
// Q4_0 4.9 and 9.6, Q8_0 8.4 and 10.4, Q2_K 6.8 and 8.8, Q4_K 9.2 and 9.6.
inline constexpr std::size_t kPrefetchDistance = 2048;

template <std::size_t kBytes>
HWY_INLINE void prefetch_ahead(const void* from) {
  R1_UNROLL
  for (std::size_t at = 0; at < kBytes; at += 64) {
    __builtin_prefetch(static_cast<const std::byte*>(from) + kPrefetchDistance + at);
  }
}

// products[b] = block first + b of a row times the same block of x.
template <typename Format>
HWY_INLINE void multiply_run(const typename Format::Block* blocks, const ActivationRow<Format>& x, int first,
                             int n_blocks, float* products) {
  int b = 0;
  for (; b + 8 <= n_blocks; b += 8) {
    prefetch_ahead<8 * sizeof(typename Format::Block)>(blocks + b);
    store(products_of<Format, true>(blocks + b, 8, x, first + b), products + b);
  }
  if (b < n_blocks) store(products_of<Format, false>(blocks + b, n_blocks - b, x, first + b), products + b);
}

// y = y + products * d of x, block by block in order, for eight rows.
HWY_INLINE F32x8 add_in_order(const float (*products)[kRunBlocks], const float* d, int n_blocks, F32x8 y) {
  for (int b = 0; b < n_blocks; b += 8) {
    U32x8 v[8];
    R1_UNROLL
    for (int r = 0; r < kRows; ++r) v[r] = load<U32x8>(products[r] + b);
    transpose(v);
    const int n = std::min(8, n_blocks - b);
    for (int i = 0; i < n; ++i) y = multiply_add(bit_cast<F32x8>(v[i]), set<F32x8>(d[b + i]), y);
  }
  return y;
}

template <typename Format>
void multiply_one_token(const MatmulArgs& args) {
  const std::int64_t x_row = args.x_rows == nullptr ? 0 : args.x_rows[0];
  const ActivationRow<Format> x(args.x + x_row * args.x_row_bytes, args.n_cols);
  const int n_blocks = args.n_cols / Format::kBlockValues;
  alignas(64) float products[kRows][kRunBlocks] = {};
  for (int first = 0; first < args.n_rows; first += kRows) {
    const int n_rows = std::min(kRows, args.n_rows - first);
    F32x8 y = zero<F32x8>();
    for (int run = 0; run < n_blocks; run += kRunBlocks) {
      const int n = std::min(kRunBlocks, n_blocks - run);
      for (int r = 0; r < n_rows; ++r) {
        const auto* row = reinterpret_cast<const typename Format::Block*>(args.w + (first + r) * args.w_row_bytes);
        multiply_run<Format>(row + run, x, run, n, products[r]);
      }
      y = add_in_order(products, x.d + run, n, y);
    }
    store_first(y, n_rows, args.y + first);
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
