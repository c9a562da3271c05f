// block_products.h: what the two ways of multiplying blocks share: scales of several blocks at once, and the float
// steps that make a block's integer sums a part of the result (portable.cpp defines them).
#pragma once

#include <algorithm>

#include "kernels/activation.h"
#include "kernels/kernels.h"
#include "kernels/simd_formats.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kRows = 8;  // rows whose blocks are loaded together

// Asks for lines in L1 or in L2; nothing happens where there is no memory.
template <int kLevel>
HWY_INLINE void prefetch(const void* from, std::size_t first, std::size_t n_bytes) {
  R1_UNROLL
  for (std::size_t at = 0; at < n_bytes; at += 64) {
    __builtin_prefetch(static_cast<const std::byte*>(from) + first + at, 0, kLevel == 1 ? 3 : 2);
  }
}

// One half float of each of eight rows' block b.
template <typename Block>
HWY_INLINE F32x8 row_halves(const Block* const* row, int b, std::uint16_t Block::*half) {
  return halves_to_float(row[0][b].*half, row[1][b].*half, row[2][b].*half, row[3][b].*half, row[4][b].*half,
                         row[5][b].*half, row[6][b].*half, row[7][b].*half);
}

// One half float of each of eight blocks that follow each other.
template <typename Block>
HWY_INLINE F32x8 block_halves(const Block* blocks, std::uint16_t Block::*half) {
  return halves_to_float(blocks[0].*half, blocks[1].*half, blocks[2].*half, blocks[3].*half, blocks[4].*half,
                         blocks[5].*half, blocks[6].*half, blocks[7].*half);
}

// d * isum (- dmin * msum) for a block of each lane: the first float steps of portable.cpp.
template <typename Format, int n>
HWY_INLINE Vector<float, n> scale_sums(const Vector<std::int32_t, n>& isum, const Vector<std::int32_t, n>& msum,
                                       const Vector<float, n>& d, const Vector<float, n>& dmin) {
  const Vector<float, n> product = mul(d, to_float(isum));
  if constexpr (!Format::kHasMin) return product;
  return negative_multiply_add(dmin, to_float(msum), product);
}

// The same for formats of 32, where the offset of stored lanes is taken out in f32, exactly, and dmin * min is -m.
template <typename Format, int n>
HWY_INLINE Vector<float, n> scale_sums_32(const Vector<std::int32_t, n>& isum, const Vector<float, n>& q_sum,
                                          const Vector<float, n>& d, const Vector<float, n>& m, int offset) {
  Vector<float, n> exact = to_float(isum);
  if (offset != 0) exact = negative_multiply_add(set<Vector<float, n>>(static_cast<float>(offset)), q_sum, exact);
  const Vector<float, n> product = mul(d, exact);
  if constexpr (!Format::kHasMin) return product;
  return multiply_add(m, q_sum, product);
}

// Four bytes, two 16-bit numbers or a float in every 32-bit lane: one load.
template <typename V>
HWY_INLINE V broadcast_word(const void* from) {
  std::uint32_t word;
  std::memcpy(&word, from, 4);
  return bit_cast<V>(set<Vector<std::uint32_t, V::kBytes / 4>>(word));
}

template <typename Format>
using ActivationRow = std::conditional_t<Format::kBlockValues == 32, Q8_32Row, Q8_256Row>;

inline constexpr int kChunkTokens = 512;  // tokens that pass over a panel at most before the next is unpacked

// Where a block of columns begins in the planes of a row of activations, in bytes; the same in every row.
struct ColumnsAt {
  std::int64_t q, sums, d;
};

template <typename Format>
ColumnsAt columns_at(int column, int n_cols) {
  if constexpr (Format::kBlockValues == 32) {
    return {column, Q8_32Row::sum_at(n_cols) + column / 8, Q8_32Row::d_at(n_cols) + column / 8};
  }
  const std::int64_t d = Q8_256Row::d_at(n_cols) + column / 64;
  if constexpr (Format::kGroup == 16) return {column, Q8_256Row::sums_16_at(n_cols) + column / 8, d};
  return {column, Q8_256Row::sums_32_at(n_cols) + column / 16, d};
}

// Rows of activations of a chunk of tokens.
struct TokenRows {
  const std::byte* row[kChunkTokens];
  int n;

  TokenRows(const MatmulArgs& args, int first, int most = kChunkTokens) : n(std::min(args.n_tokens - first, most)) {
    for (int t = 0; t < n; ++t) {
      row[t] = args.x + (args.x_rows == nullptr ? first + t : args.x_rows[first + t]) * args.x_row_bytes;
    }
  }
};

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
