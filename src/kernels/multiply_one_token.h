// multiply_one_token.h: rows of blocks times one token: decoding, bound by reading the weights.
//
// Row after row, as memory likes to be read, blocks are unpacked in registers and multiplied along the columns; eight
// blocks' sums are added across at once.
#pragma once

#include <utility>

#include "kernels/block_products.h"
#include "kernels/wide_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

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

// The products of a block's lanes as stored, and what those are yet too large by.
#if R1_HAVE_VNNI
template <typename Format>
inline constexpr int kStoredOffset = WideLanes<Format>::kOffset;
template <typename Format>
HWY_INLINE I32x8 stored_product(const typename Format::Block& block, const I16x16&, const std::int8_t* q) {
  return wide_row_product<Format>(block, q);
}
#else
template <typename Format>
inline constexpr int kStoredOffset = Lanes<Format>::kOffset;
template <typename Format>
HWY_INLINE I32x8 stored_product(const typename Format::Block& block, const I16x16& scales, const std::int8_t* q) {
  return row_product<Format>(block, q, GroupScales<Format::kGroup>(scales), std::make_integer_sequence<int, 8>());
}
#endif

// The integer sums of eight blocks, each as a vector still to be added across.
template <typename Format>
struct BlockSums {
  I32x8 isums[8], msums[8];

  HWY_INLINE void multiply(const typename Format::Block& block, const Q8_256Row& x, int b, int i) {
    const I16x16 q_sums = load<I16x16>(x.sums_16 + 16 * b);
    const I16x16 scales = Lanes<Format>::scales(block);
    I32x8 isum = stored_product<Format>(block, scales, x.q + 256 * b);
    if constexpr (kStoredOffset<Format> != 0) {
      constexpr int kLog = std::countr_zero(static_cast<unsigned>(kStoredOffset<Format>));
      isum = sub(isum, shift_left<kLog>(add_products(zero<I32x8>(), scales, q_sums)));
    }
    isums[i] = isum;
    if constexpr (Format::kHasMin) msums[i] = add_products(zero<I32x8>(), Lanes<Format>::mins(block), q_sums);
  }

  // The blocks' products but for x's scale.
  HWY_INLINE F32x8 scaled(const typename Format::Block* const (&blocks)[8]) const {
    using Block = typename Format::Block;
    const F32x8 d = row_halves(blocks, 0, &Block::d);
    const I32x8 isum = add_across(VectorsInMemory<I32x8>{isums});
    if constexpr (Format::kHasMin) {
      const F32x8 dmin = row_halves(blocks, 0, &Block::dmin);
      return scale_sums<Format>(isum, add_across(VectorsInMemory<I32x8>{msums}), d, dmin);
    }
    return scale_sums<Format>(isum, isum, d, d);
  }
};

// Pair sums of each of eight blocks of 32; zeros for those that are not there.
template <typename Format, bool kAll>
struct BlockPairs {
  const typename Format::Block* blocks;
  const std::int8_t* q;
  int n_blocks;

  HWY_INLINE I16x16 operator()(int i) const {
    if (!kAll && i >= n_blocks) return zero<I16x16>();
    return pair_sums(Lanes<Format>::template group<0>(blocks[i]), load<I8x32>(q + 32 * i));
  }
};

template <typename Format, bool kAll>
HWY_INLINE F32x8 products_32(const typename Format::Block* blocks, int n_blocks, const Q8_32Row& x, int b) {
  using Block = typename Format::Block;
  const F32x8 d = block_halves<kAll>(blocks, n_blocks, &Block::d);
  F32x8 m = d;
  if constexpr (Format::kHasMin) m = block_halves<kAll>(blocks, n_blocks, &Block::m);
  const F32x8 q_sum = load_first<F32x8>(x.sum + b, kAll ? 8 : n_blocks);
#if R1_HAVE_VNNI
  if constexpr (kAll) {
    const I32x8 isum = wide_products_of_eight<Format>(blocks, x.q + 32 * b);
    return scale_sums_32<Format>(isum, q_sum, d, m, kStoredOffset<Format>);
  }
#endif
  constexpr int kMax = Lanes<Format>::kMax;
  const I32x8 isum = add_pairs_across<kMax>(BlockPairs<Format, kAll>{blocks, x.q + 32 * b, n_blocks});
  return scale_sums_32<Format>(isum, q_sum, d, m, Lanes<Format>::kOffset);
}

inline constexpr int kRunBlocks = 256;  // blocks of a row multiplied before the next row's: long runs, for prefetching

// Rows follow each other in memory, so what lies ahead is the next row's beginning at worst. The processor's own
// prefetching stops at every page of 4 KB. Far ahead lines are asked for in L2, whose queue holds more of them than the
// few buffers of L1, which would otherwise limit reading; near ahead they go on to L1. docs/experiments.md has the
// rest.
inline constexpr std::size_t kPrefetchFar = 4096, kPrefetchNear = 512;

template <std::size_t kBytes>
HWY_INLINE void prefetch_ahead(const void* from) {
  prefetch<1>(from, kPrefetchNear, kBytes);
  prefetch<2>(from, kPrefetchFar, kBytes);
}

// Some rows, and of those some columns: blocks first to first + n_blocks - 1.
template <typename Format>
struct RunOfRows {
  const std::byte* w;
  std::int64_t row_bytes;
  int n_rows, first, n_blocks;

  HWY_INLINE const typename Format::Block* row(int r) const {
    return reinterpret_cast<const typename Format::Block*>(w + r * row_bytes) + first;
  }
};

// products[r * n_blocks + b] = block b of row r times the same block of x, but for x's scale; then up to seven more.
template <typename Format>
HWY_INLINE void multiply_run(const RunOfRows<Format>& run, const Q8_32Row& x, float* products) {
  for (int r = 0; r < run.n_rows; ++r, products += run.n_blocks) {
    const auto* blocks = run.row(r);
    int b = 0;
    for (; b + 8 <= run.n_blocks; b += 8) {
      prefetch_ahead<8 * sizeof(typename Format::Block)>(blocks + b);
      store(products_32<Format, true>(blocks + b, 8, x, run.first + b), products + b);
    }
    const int n_left = run.n_blocks - b;
    if (n_left > 0) store(products_32<Format, false>(blocks + b, n_left, x, run.first + b), products + b);
  }
}

// Eight blocks at once wherever rows end: many rows have fewer. Where no eight are left, the last one is taken again.
template <typename Format>
HWY_INLINE void multiply_run(const RunOfRows<Format>& run, const Q8_256Row& x, float* products) {
  const int n = run.n_rows * run.n_blocks;
  int r = 0, b = 0;
  for (int i = 0; i < n; i += 8) {
    const typename Format::Block* blocks[8];
    BlockSums<Format> sums;
    for (int k = 0; k < 8; ++k) {
      blocks[k] = run.row(r) + b;
      prefetch_ahead<sizeof(typename Format::Block)>(blocks[k]);
      sums.multiply(*blocks[k], x, run.first + b, k);
      if (i + k + 1 < n && ++b == run.n_blocks) b = 0, ++r;
    }
    store(sums.scaled(blocks), products + i);
  }
}

// y = y + products * d of x, block by block in order, for eight rows.
HWY_INLINE F32x8 add_in_order(const float* products, const float* d, int n_blocks, F32x8 y) {
  for (int b = 0; b < n_blocks; b += 8) {
    U32x8 v[8];
    R1_UNROLL
    for (int r = 0; r < kRows; ++r) v[r] = load<U32x8>(products + r * n_blocks + b);
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
  alignas(64) float products[kRows * kRunBlocks + 8] = {};
  prefetch<2>(args.w, 0, kPrefetchFar);
  for (int first = 0; first < args.n_rows; first += kRows) {
    const int n_rows = std::min(kRows, args.n_rows - first);
    F32x8 y = zero<F32x8>();
    for (int run = 0; run < n_blocks; run += kRunBlocks) {
      const int n = std::min(kRunBlocks, n_blocks - run);
      multiply_run(RunOfRows<Format>{args.w + first * args.w_row_bytes, args.w_row_bytes, n_rows, run, n}, x, products);
      y = add_in_order(products, x.d + run, n, y);
    }
    store_first(y, n_rows, args.y + first);
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
