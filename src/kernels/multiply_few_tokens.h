// multiply_few_tokens.h: rows of blocks times one token or a few: decoding, bound by reading the weights.
//
// Blocks are multiplied eight at a time in the order of memory, wherever rows begin in them; narrow_products.h and
// wide_products.h unpack them in registers, multiply along the columns, and add eight blocks' sums across at once.
#pragma once

#include "kernels/narrow_products.h"
#include "kernels/wide_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

// Above it, it is faster to unpack a panel once for all tokens (multiply_tiles.h): bench/kernels_bench.cpp, case few.
// SSE4 is for machines of long ago, and takes the compiler longer than any other set: one token there.
template <typename Format>
inline constexpr int kFewTokens = HWY_TARGET == HWY_SSE4                  ? 1
                                  : R1_WIDE || Format::kBlockValues == 32 ? 4
                                                                          : 8;

// Columns multiplied with all of eight rows before the next: more than models have, so that rows are read in one run.
inline constexpr int kRunValues = 32768;
template <typename Format>
inline constexpr int kRunBlocks = kRunValues / Format::kBlockValues;

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

// Blocks of x with their sums, and the first seven again behind the last: eight blocks of weights that follow each
// other meet eight blocks of x that do, though a row ends among them.
template <typename Format>
struct RepeatedBlocks {
  static constexpr int kValues = Format::kBlockValues, kSums = kSumsOfBlock<Format>;
  using Sum = typename XBlocks<Format, 1>::Sum;
  alignas(64) std::int8_t q[(kRunBlocks<Format> + 7) * kValues];
  alignas(64) Sum sums[(kRunBlocks<Format> + 7) * kSums];
  int first = 0, n_blocks = 0;

  static const float* sums_of(const Q8_32Row& x) { return x.sum; }
  static const std::int16_t* sums_of(const Q8_256Row& x) { return kSums == 8 ? x.sums_32 : x.sums_16; }

  // Blocks first_block to first_block + n - 1 of x; nothing is copied where it has them.
  void take(const ActivationRow<Format>& x, int first_block, int n) {
    if (first == first_block && n_blocks == n) return;
    first = first_block;
    n_blocks = n;
    for (int i = 0, b = 0; i < n + 7; ++i, b = b + 1 < n ? b + 1 : 0) {
      std::memcpy(q + kValues * i, x.q + kValues * (first + b), kValues);
      std::memcpy(sums + kSums * i, sums_of(x) + kSums * (first + b), sizeof(Sum) * kSums);
    }
  }
};

template <typename Format, int kTokens>
HWY_INLINE XBlocks<Format, kTokens> x_blocks_at(const RepeatedBlocks<Format>* x, int block) {
  XBlocks<Format, kTokens> blocks;
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    blocks.q[t] = x[t].q + x->kValues * block;
    blocks.sums[t] = x[t].sums + x->kSums * block;
  }
  return blocks;
}

// Products of kTokens tokens, one behind the other.
template <typename Format, int kTokens>
struct Products {
  alignas(64) float of[kTokens][kRows * kRunBlocks<Format> + 8];

  HWY_INLINE void set(int i, const F32x8 (&products)[kTokens]) {
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) store(products[t], of[t] + i);
  }
};

// From place `to` on, each token's products of n blocks that follow each other; then up to seven more.
template <typename Format, int kTokens>
HWY_INLINE void multiply_span(const typename Format::Block* blocks, int n, const RepeatedBlocks<Format>* x,
                              Products<Format, kTokens>& products, int to) {
  using Block = typename Format::Block;
  F32x8 eight[kTokens];
  int at = 0, i = 0;  // of x, and of the weights
  for (; i + 8 <= n; i += 8) {
    prefetch_ahead<8 * sizeof(Block)>(blocks + i);
    eight_products<Format, kTokens>(blocks + i, x_blocks_at<Format, kTokens>(x, at), eight);
    products.set(to + i, eight);
    for (at += 8; at >= x->n_blocks;) at -= x->n_blocks;
  }
  if (i == n) return;
  Block last[8] = {};
  std::memcpy(last, blocks + i, static_cast<std::size_t>(n - i) * sizeof(Block));
  eight_products<Format, kTokens>(last, x_blocks_at<Format, kTokens>(x, at), eight);
  products.set(to + i, eight);
}

// products.of[t][r * n_blocks + b] = block b of row r times the same of token t, but for its scale. Rows that follow
// each other without a gap are as one.
template <typename Format, int kTokens>
HWY_INLINE void multiply_rows(const std::byte* w, std::int64_t row_bytes, int n_rows, const RepeatedBlocks<Format>* x,
                              Products<Format, kTokens>& products) {
  using Block = typename Format::Block;
  const bool is_one = row_bytes == x->n_blocks * static_cast<std::int64_t>(sizeof(Block));
  const int n_spans = is_one ? 1 : n_rows, n = is_one ? n_rows * x->n_blocks : x->n_blocks;
  for (int s = 0; s < n_spans; ++s) {
    const auto* blocks = reinterpret_cast<const Block*>(w + s * row_bytes) + x->first;
    multiply_span<Format, kTokens>(blocks, n, x, products, s * n);
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

// Eight rows, or the last ones, times kTokens tokens from one on, whose blocks x holds.
template <typename Format, int kTokens>
HWY_NOINLINE void multiply_eight_rows(const MatmulArgs& args, int row, int token, RepeatedBlocks<Format>* x) {
  const int n_blocks = args.n_cols / Format::kBlockValues, n_rows = std::min(kRows, args.n_rows - row);
  const TokenRows tokens(args, token, kTokens);
  Products<Format, kTokens> products;
  F32x8 y[kTokens];
  for (auto& sums : y) sums = zero<F32x8>();
  for (int first = 0; first < n_blocks; first += kRunBlocks<Format>) {
    const int n = std::min(kRunBlocks<Format>, n_blocks - first);
    for (int t = 0; t < kTokens; ++t) {
      x[t].take(ActivationRow<Format>(tokens.row[t], args.n_cols), first, n);
      if (n_rows < kRows) std::fill_n(products.of[t] + n_rows * n, (kRows - n_rows) * n, 0.0f);
    }
    multiply_rows<Format, kTokens>(args.w + row * args.w_row_bytes, args.w_row_bytes, n_rows, x, products);
    for (int t = 0; t < kTokens; ++t) {
      y[t] = add_in_order(products.of[t], ActivationRow<Format>(tokens.row[t], args.n_cols).d + first, n, y[t]);
    }
  }
  for (int t = 0; t < kTokens; ++t) store_first(y[t], n_rows, args.y + (token + t) * args.y_stride + row);
}

// Four tokens at a time, then two, then one, while the rows' weights are near.
template <typename Format>
void multiply_few_tokens(const MatmulArgs& args) {
  RepeatedBlocks<Format> x[kFewTokens<Format>];
  prefetch<2>(args.w, 0, kPrefetchFar);
  for (int row = 0; row < args.n_rows; row += kRows) {
    int token = 0;
    if constexpr (kFewTokens < Format >> 1) {
      for (; token + 4 <= args.n_tokens; token += 4) multiply_eight_rows<Format, 4>(args, row, token, x + token);
      for (; token + 2 <= args.n_tokens; token += 2) multiply_eight_rows<Format, 2>(args, row, token, x + token);
    }
    if (token < args.n_tokens) multiply_eight_rows<Format, 1>(args, row, token, x + token);
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
