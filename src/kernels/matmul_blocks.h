// matmul_blocks.h: the one microkernel for all block formats: eight rows of weights times one token, or times tiles of
// tokens.
//
// Lanes of the accumulators are rows. The integer product of a block is complete before floats come in (portable.cpp
// says how), so both ways of summing give the same bits:
//   one token:  decoding, bound by reading the weights. Row after row, as memory likes to be read, blocks are unpacked
//   in
//               registers and multiplied along the columns; eight blocks' sums are added across at once.
//   more:       eight rows' blocks are unpacked once into a panel in L1, four columns of each row side by side, and
//               every token passes over it: four of its bytes, broadcast, meet all eight rows. No shuffles are left,
//               and 16-bit sums run over as many products as can't overflow. Bound by vpmaddubsw (or vpdpbusd).
#pragma once

#include <algorithm>
#include <utility>

#include "kernels/activation.h"
#include "kernels/kernels.h"
#include "kernels/simd_formats.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kRows = 8;                           // rows in a tile: lanes of an accumulator
inline constexpr int kTileTokens = R1_HAVE_VNNI ? 8 : 4;  // tokens in a tile: what 32 or 16 registers hold
inline constexpr int kChunkTokens = 64;                   // tokens that pass over a panel before the next is unpacked

// Eight rows of blocks; rows beyond the last repeat it, and their results are dropped.
template <typename Format>
struct BlockRows {
  const typename Format::Block* row[kRows];
  BlockRows(const MatmulArgs& args, int first) {
    for (int r = 0; r < kRows; ++r) {
      const int clamped = std::min(first + r, args.n_rows - 1);
      row[r] = reinterpret_cast<const typename Format::Block*>(args.w + clamped * args.w_row_bytes);
    }
  }
};

// One half float of each of eight rows' block b.
template <typename Block>
HWY_INLINE F32x8 row_halves(const Block* const (&row)[kRows], int b, std::uint16_t Block::*half) {
  return halves_to_float(row[0][b].*half, row[1][b].*half, row[2][b].*half, row[3][b].*half, row[4][b].*half,
                         row[5][b].*half, row[6][b].*half, row[7][b].*half);
}

// One half float of each of eight blocks of a row; of fewer where kAll is false, the last one's repeated.
template <bool kAll, typename Block>
HWY_INLINE F32x8 block_halves(const Block* blocks, int n_blocks, std::uint16_t Block::*half) {
  const Block* block[8];
  R1_UNROLL
  for (int i = 0; i < 8; ++i) block[i] = blocks + (kAll ? i : std::min(i, n_blocks - 1));
  return row_halves(block, 0, half);
}

// d * isum (- dmin * msum) for eight blocks: the first float steps of portable.cpp.
template <typename Format>
HWY_INLINE F32x8 scale_sums(const I32x8& isum, const I32x8& msum, const F32x8& d, const F32x8& dmin) {
  const F32x8 product = mul(d, to_float(isum));
  if constexpr (!Format::kHasMin) return product;
  return negative_multiply_add(dmin, to_float(msum), product);
}

// The same for formats of 32, where the offset of stored lanes is taken out in f32, exactly, and dmin * min is -m.
template <typename Format>
HWY_INLINE F32x8 scale_sums_32(const I32x8& isum, const F32x8& q_sum, const F32x8& d, const F32x8& m, int offset) {
  F32x8 exact = to_float(isum);
  if (offset != 0) exact = negative_multiply_add(set<F32x8>(static_cast<float>(offset)), q_sum, exact);
  const F32x8 product = mul(d, exact);
  if constexpr (!Format::kHasMin) return product;
  return multiply_add(m, q_sum, product);
}

HWY_INLINE void store_rows(const F32x8& y, int n_rows, float* to) {
  if (n_rows >= kRows) return store(y, to);
  float lanes[kRows];
  store(y, lanes);
  std::copy(lanes, lanes + n_rows, to);
}

// Four bytes or two 16-bit numbers in every 32-bit lane: one load.
HWY_INLINE I8x32 broadcast_four(const std::byte* q) {
  std::uint32_t four;
  std::memcpy(&four, q, 4);
  return bit_cast<I8x32>(set<U32x8>(four));
}

HWY_INLINE I16x16 broadcast_two(const void* numbers) {
  std::uint32_t two;
  std::memcpy(&two, numbers, 4);
  return bit_cast<I16x16>(set<U32x8>(two));
}

template <typename Format>
using ActivationRow = std::conditional_t<Format::kBlockValues == 32, Q8_32Row, Q8_256Row>;

// ---- one token -----------------------------------------------------------------------------------------------------

// Scales for the 16 pair sums of group g: one number for 32 columns, or two for 16 each.
template <int kGroup>
HWY_INLINE I16x16 group_scale(const std::int16_t* scales, int g) {
  if constexpr (kGroup == 32) return broadcast_two(scales + 2 * g);
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

// products[b] = block first + b of a row times the same block of x.
template <typename Format>
HWY_INLINE void multiply_run(const typename Format::Block* blocks, const ActivationRow<Format>& x, int first,
                             int n_blocks, float* products) {
  int b = 0;
  for (; b + 8 <= n_blocks; b += 8) store(products_of<Format, true>(blocks + b, 8, x, first + b), products + b);
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
    store_rows(y, n_rows, args.y + first);
  }
}

// ---- tiles of tokens -----------------------------------------------------------------------------------------------

// With VNNI signed lanes are made unsigned by adding 128, and sums of bytes go to 32 bits at once.
template <typename Format>
inline constexpr bool kIsSigned = std::is_same_v<typename Lanes<Format>::Stored, I8x32>;
template <typename Format>
inline constexpr int kPanelOffset = R1_HAVE_VNNI&& kIsSigned<Format> ? 128 : Lanes<Format>::kOffset;
template <typename Format>
inline constexpr int kPanelMax = R1_HAVE_VNNI&& kIsSigned<Format> ? 255 : Lanes<Format>::kMax;

// How many products of four bytes fit in the sums' 16 bits.
template <typename Format>
inline constexpr int kProductsPerSum = R1_HAVE_VNNI ? 8 : std::clamp(32767 / (2 * 127 * kPanelMax<Format>), 1, 8);

// Eight rows by up to 256 columns, unpacked.
struct Panel {
  alignas(64) std::uint8_t lanes[64][32];   // [column / 4][row * 4 + column % 4]
  alignas(64) std::int16_t scales[16][16];  // [group][row], each twice
  alignas(64) std::int16_t mins[8][16];     // [pair of groups][row], the two groups' side by side; offsets as mins
  alignas(64) float d[8][kRows];            // [block of 32][row]; formats of 256: [0]
  alignas(64) float dmin[8][kRows];         // likewise, dmin or m
};

template <typename Format, int g>
HWY_INLINE void unpack_group(const BlockRows<Format>& rows, int b, std::uint8_t (*lanes)[32]) {
  U32x8 v[kRows];
  for (int r = 0; r < kRows; ++r) {
    U8x32 stored = bit_cast<U8x32>(Lanes<Format>::template group<g>(rows.row[r][b]));
    if constexpr (kPanelOffset<Format> == 128) stored = bit_xor(stored, set<U8x32>(128));
    v[r] = bit_cast<U32x8>(stored);
  }
  transpose(v);
  for (int i = 0; i < 8; ++i) store(v[i], lanes[i]);
}

template <typename Format, int... g>
HWY_INLINE void unpack_groups(const BlockRows<Format>& rows, int b, Panel& panel, std::integer_sequence<int, g...>) {
  (unpack_group<Format, g>(rows, b, panel.lanes + 8 * g), ...);
}

// 16-bit lanes 0 0 1 1 ... of the scales of 16 columns each, in two vectors: 0-3 and 8-11, 4-7 and 12-15.
template <bool kFirst>
HWY_INLINE U32x8 twice(const I16x16& v) {
  return bit_cast<U32x8>(interleave<kFirst>(v, v));
}

// Groups of 32: scales come twice, so a row's 32-bit lane g is what the panel wants of group g.
template <typename Format>
HWY_INLINE void unpack_scales_of_32(const BlockRows<Format>& rows, int b, Panel& panel) {
  U32x8 scales[kRows];
  for (int r = 0; r < kRows; ++r) scales[r] = bit_cast<U32x8>(Lanes<Format>::scales(rows.row[r][b]));
  transpose(scales);
  for (int g = 0; g < 8; ++g) store(scales[g], panel.scales[g]);
  if constexpr (Format::kHasMin || kPanelOffset<Format> != 0) {
    U32x8 mins[kRows];
    if constexpr (Format::kHasMin) {
      for (int r = 0; r < kRows; ++r) mins[r] = bit_cast<U32x8>(Lanes<Format>::mins(rows.row[r][b]));
      transpose(mins);
    } else {
      const I16x16 offset = set<I16x16>(kPanelOffset<Format>);
      for (int g = 0; g < 8; ++g) mins[g] = bit_cast<U32x8>(mul(bit_cast<I16x16>(scales[g]), offset));
    }
    for (int pair = 0; pair < 4; ++pair) {
      const I16x16 even = bit_cast<I16x16>(mins[2 * pair]), odd = bit_cast<I16x16>(mins[2 * pair + 1]);
      store(odd_even(odd, even), panel.mins[pair]);
    }
  }
}

template <typename Format>
HWY_INLINE void unpack_scales_of_16(const BlockRows<Format>& rows, int b, Panel& panel) {
  U32x8 first[kRows], second[kRows], pairs[kRows];
  for (int r = 0; r < kRows; ++r) {
    const I16x16 scales = Lanes<Format>::scales(rows.row[r][b]);
    first[r] = twice<true>(scales);
    second[r] = twice<false>(scales);
    I16x16 mins = scales;
    if constexpr (Format::kHasMin) mins = Lanes<Format>::mins(rows.row[r][b]);
    if constexpr (kPanelOffset<Format> != 0) mins = mul(mins, set<I16x16>(kPanelOffset<Format>));
    pairs[r] = bit_cast<U32x8>(mins);
  }
  transpose(first);
  transpose(second);
  transpose(pairs);
  for (int g = 0; g < 4; ++g) {
    store(first[g], panel.scales[g]);
    store(second[g], panel.scales[g + 4]);
    store(first[g + 4], panel.scales[g + 8]);
    store(second[g + 4], panel.scales[g + 12]);
  }
  for (int pair = 0; pair < 8; ++pair) store(pairs[pair], panel.mins[pair]);
}

template <typename Format>
void unpack_256(const BlockRows<Format>& rows, int b, Panel& panel) {
  using Block = typename Format::Block;
  unpack_groups(rows, b, panel, std::make_integer_sequence<int, 8>());
  if constexpr (Format::kGroup == 32) unpack_scales_of_32(rows, b, panel);
  if constexpr (Format::kGroup == 16) unpack_scales_of_16(rows, b, panel);
  store(row_halves(rows.row, b, &Block::d), panel.d[0]);
  if constexpr (Format::kHasMin) store(row_halves(rows.row, b, &Block::dmin), panel.dmin[0]);
}

template <typename Format>
void unpack_32(const BlockRows<Format>& rows, int first, int n_blocks, Panel& panel) {
  using Block = typename Format::Block;
  for (int i = 0; i < n_blocks; ++i) {
    unpack_group<Format, 0>(rows, first + i, panel.lanes + 8 * i);
    store(row_halves(rows.row, first + i, &Block::d), panel.d[i]);
    if constexpr (Format::kHasMin) store(row_halves(rows.row, first + i, &Block::m), panel.dmin[i]);
  }
}

// Sums of products of bytes on their way to 32 bits: 16 bits where the machine has nothing better.
#if R1_HAVE_VNNI
using ByteSums = I32x8;
HWY_INLINE ByteSums add_bytes(ByteSums sums, const U8x32& w, const I8x32& x) { return add_byte_products(sums, w, x); }
HWY_INLINE I32x8 add_scaled(I32x8 total, const ByteSums& sums, const I16x16& scale) {
  I32x8 wide = bit_cast<I32x8>(scale);
  R1_UNROLL
  for (auto& part : wide.part) part = hn::ShiftRight<16>(part);
  return add(total, mul(sums, wide));
}
HWY_INLINE I32x8 widen_sums(const ByteSums& sums) { return sums; }
#else
using ByteSums = I16x16;
template <typename Stored>
HWY_INLINE ByteSums add_bytes(ByteSums sums, const Stored& w, const I8x32& x) {
  return add(sums, pair_sums(w, x));
}
HWY_INLINE I32x8 add_scaled(I32x8 total, const ByteSums& sums, const I16x16& scale) {
  return add_products(total, sums, scale);
}
HWY_INLINE I32x8 widen_sums(const ByteSums& sums) { return add_products(zero<I32x8>(), sums, set<I16x16>(1)); }
#endif

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

HWY_INLINE F32x8 broadcast_float(const std::byte* from) {
  float value;
  std::memcpy(&value, from, sizeof value);
  return set<F32x8>(value);
}

// sums[t] = the products of n_fours * 4 columns, for kTokens tokens.
template <typename Format, int n_fours, int kTokens>
HWY_INLINE void multiply_columns(const std::uint8_t (*lanes)[32], const std::byte* const* row, std::int64_t at,
                                 ByteSums (&sums)[kTokens]) {
  using Stored = std::conditional_t<kIsSigned<Format> && !R1_HAVE_VNNI, I8x32, U8x32>;
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) sums[t] = zero<ByteSums>();
  for (int i = 0; i < n_fours; ++i) {
    const Stored w = load<Stored>(lanes[i]);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[t] = add_bytes(sums[t], w, broadcast_four(row[t] + at + 4 * i));
  }
}

template <typename Format, int kTokens>
HWY_INLINE void multiply_tile_256(const Panel& panel, const std::byte* const* row, const ColumnsAt& at,
                                  float (*y)[kRows]) {
  constexpr int kFours = std::min(kProductsPerSum<Format>, Format::kGroup / 4);
  I32x8 isums[kTokens];
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) isums[t] = zero<I32x8>();
  for (int column = 0; column < 256; column += 4 * kFours) {
    ByteSums sums[kTokens];
    multiply_columns<Format, kFours>(panel.lanes + column / 4, row, at.q + column, sums);
    const I16x16 scale = load<I16x16>(panel.scales[column / Format::kGroup]);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) isums[t] = add_scaled(isums[t], sums[t], scale);
  }
  I32x8 msums[kTokens];
  if constexpr (Format::kHasMin || kPanelOffset<Format> != 0) {
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) msums[t] = zero<I32x8>();
    for (int pair = 0; pair < 128 / Format::kGroup; ++pair) {
      const I16x16 mins = load<I16x16>(panel.mins[pair]);
      R1_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        msums[t] = add_products(msums[t], mins, broadcast_two(row[t] + at.sums + 4 * pair));
      }
    }
  }
  const F32x8 d = load<F32x8>(panel.d[0]), dmin = load<F32x8>(panel.dmin[0]);
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    if constexpr (kPanelOffset<Format> != 0) isums[t] = sub(isums[t], msums[t]);
    const F32x8 scaled = scale_sums<Format>(isums[t], msums[t], d, dmin);
    store(multiply_add(scaled, broadcast_float(row[t] + at.d), load<F32x8>(y[t])), y[t]);
  }
}

template <typename Format, int kTokens>
HWY_INLINE void multiply_tile_32(const Panel& panel, const std::byte* const* row, const ColumnsAt& at, int n_blocks,
                                 float (*to)[kRows]) {
  constexpr int kFours = kProductsPerSum<Format>;
  F32x8 y[kTokens];
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) y[t] = load<F32x8>(to[t]);
  for (int i = 0; i < n_blocks; ++i) {
    I32x8 isums[kTokens];
    for (int column = 0; column < 32; column += 4 * kFours) {
      ByteSums sums[kTokens];
      multiply_columns<Format, kFours>(panel.lanes + 8 * i + column / 4, row, at.q + 32 * i + column, sums);
      R1_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        isums[t] = column == 0 ? widen_sums(sums[t]) : add(isums[t], widen_sums(sums[t]));
      }
    }
    const F32x8 d = load<F32x8>(panel.d[i]), m = load<F32x8>(panel.dmin[i]);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const F32x8 q_sum = broadcast_float(row[t] + at.sums + 4 * i);
      const F32x8 scaled = scale_sums_32<Format>(isums[t], q_sum, d, m, kPanelOffset<Format>);
      y[t] = multiply_add(scaled, broadcast_float(row[t] + at.d + 4 * i), y[t]);
    }
  }
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) store(y[t], to[t]);
}

// The tokens of one chunk: their rows of activations and, for eight rows of weights, their running results.
struct TokenChunk {
  alignas(64) float y[kChunkTokens][kRows];
  const std::byte* row[kChunkTokens];
  int n_tokens;

  TokenChunk(const MatmulArgs& args, int first) : n_tokens(std::min(args.n_tokens - first, kChunkTokens)) {
    for (int t = 0; t < n_tokens; ++t) {
      row[t] = args.x + (args.x_rows == nullptr ? first + t : args.x_rows[first + t]) * args.x_row_bytes;
    }
  }
};

template <typename Format, int kTokens>
HWY_NOINLINE void multiply_tile(const Panel& panel, const std::byte* const* row, const ColumnsAt& at, int n_blocks,
                                float (*y)[kRows]) {
  if constexpr (Format::kBlockValues == 32) multiply_tile_32<Format, kTokens>(panel, row, at, n_blocks, y);
  if constexpr (Format::kBlockValues == 256) multiply_tile_256<Format, kTokens>(panel, row, at, y);
}

// As many tiles of kTokens as fit, then smaller ones.
template <typename Format, int kTokens>
HWY_INLINE void multiply_tiles(const Panel& panel, TokenChunk& chunk, const ColumnsAt& at, int n_blocks, int token) {
  for (; token + kTokens <= chunk.n_tokens; token += kTokens) {
    multiply_tile<Format, kTokens>(panel, chunk.row + token, at, n_blocks, chunk.y + token);
  }
  constexpr int kSmaller = kTokens > 4 ? 4 : kTokens - 1;
  if constexpr (kSmaller > 0) multiply_tiles<Format, kSmaller>(panel, chunk, at, n_blocks, token);
}

template <typename Format>
void multiply_chunk(const MatmulArgs& args, int first_token) {
  TokenChunk chunk(args, first_token);
  Panel panel;
  for (int first = 0; first < args.n_rows; first += kRows) {
    const BlockRows<Format> rows(args, first);
    std::fill(chunk.y[0], chunk.y[chunk.n_tokens], 0.0f);
    for (int column = 0; column < args.n_cols; column += 256) {
      const int n_blocks = std::min(256, args.n_cols - column) / Format::kBlockValues;
      if constexpr (Format::kBlockValues == 32) unpack_32(rows, column / 32, n_blocks, panel);
      if constexpr (Format::kBlockValues == 256) unpack_256(rows, column / 256, panel);
      multiply_tiles<Format, kTileTokens>(panel, chunk, columns_at<Format>(column, args.n_cols), n_blocks, 0);
    }
    const int n = std::min(kRows, args.n_rows - first);
    for (int t = 0; t < chunk.n_tokens; ++t) {
      std::copy(chunk.y[t], chunk.y[t] + n, args.y + (first_token + t) * args.y_stride + first);
    }
  }
}

template <typename Format>
void multiply_blocks(const MatmulArgs& args) {
  if (args.n_tokens == 1) return multiply_one_token<Format>(args);
  for (int token = 0; token < args.n_tokens; token += kChunkTokens) multiply_chunk<Format>(args, token);
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
