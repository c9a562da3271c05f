// multiply_one_token.h: rows of blocks times one token: decoding, bound by reading the weights.
//
// Blocks are multiplied eight at a time in the order of memory, wherever rows begin in them; narrow_products.h and
// wide_products.h unpack them in registers, multiply along the columns, and add eight blocks' sums across at once.
#pragma once

#include "kernels/narrow_products.h"
#include "kernels/wide_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

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
  static constexpr int kValues = Format::kBlockValues, kSums = kValues == 32 ? 1 : kSumsOfBlock<Format>;
  using Sum = std::conditional_t<kValues == 32, float, std::int16_t>;
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

// products[i] = block i times its block of x but for x's scale, of n blocks that follow each other; then up to seven
// more.
template <typename Format>
HWY_INLINE void multiply_span(const typename Format::Block* blocks, int n, const RepeatedBlocks<Format>& x,
                              float* products) {
  using Block = typename Format::Block;
  int at = 0, i = 0;  // of x, and of the weights
  for (; i + 8 <= n; i += 8) {
    prefetch_ahead<8 * sizeof(Block)>(blocks + i);
    store(eight_products<Format>(blocks + i, x.q + x.kValues * at, x.sums + x.kSums * at), products + i);
    for (at += 8; at >= x.n_blocks;) at -= x.n_blocks;
  }
  if (i == n) return;
  Block last[8] = {};
  std::memcpy(last, blocks + i, static_cast<std::size_t>(n - i) * sizeof(Block));
  store(eight_products<Format>(last, x.q + x.kValues * at, x.sums + x.kSums * at), products + i);
}

// products[r * x.n_blocks + b] = block b of row r, as above. Rows that follow each other without a gap are as one.
template <typename Format>
HWY_INLINE void multiply_rows(const std::byte* w, std::int64_t row_bytes, int n_rows, const RepeatedBlocks<Format>& x,
                              float* products) {
  using Block = typename Format::Block;
  const bool is_one = row_bytes == x.n_blocks * static_cast<std::int64_t>(sizeof(Block));
  const int n_spans = is_one ? 1 : n_rows, n = is_one ? n_rows * x.n_blocks : x.n_blocks;
  for (int s = 0; s < n_spans; ++s) {
    const auto* blocks = reinterpret_cast<const Block*>(w + s * row_bytes) + x.first;
    multiply_span<Format>(blocks, n, x, products + s * n);
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
  RepeatedBlocks<Format> repeated;
  alignas(64) float products[kRows * kRunBlocks<Format> + 8];
  prefetch<2>(args.w, 0, kPrefetchFar);
  for (int row = 0; row < args.n_rows; row += kRows) {
    const int n_rows = std::min(kRows, args.n_rows - row);
    F32x8 y = zero<F32x8>();
    for (int first = 0; first < n_blocks; first += kRunBlocks<Format>) {
      repeated.take(x, first, std::min(kRunBlocks<Format>, n_blocks - first));
      if (n_rows < kRows)
        std::fill_n(products + n_rows * repeated.n_blocks, (kRows - n_rows) * repeated.n_blocks, 0.0f);
      multiply_rows<Format>(args.w + row * args.w_row_bytes, args.w_row_bytes, n_rows, repeated, products);
      y = add_in_order(products, x.d + first, repeated.n_blocks, y);
    }
    store_first(y, n_rows, args.y + row);
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
