// multiply_tiles.h: a panel of weights times tiles of tokens: prompts, batches, experts. Bound by vpmaddubsw (or
// vpdpbusd).
//
// No shuffles are left here, and 16-bit sums run over as many products as can't overflow.
#pragma once

#include "kernels/narrow_panel.h"
#include "kernels/wide_panel.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kTileTokens = R1_WIDE ? 6 : R1_HAVE_VNNI ? 3 : 4;  // in a tile: what 32 or 16 registers hold

// How many products of four bytes fit in 16 bits, in two parts or, with VNNI, in one.
template <typename Format>
inline constexpr int kFitIn16 = 32767 / ((R1_HAVE_VNNI ? 4 : 2) * 127 * kPanelMax<Format>);

// With VNNI sums that fit in 16 bits take their scale in, and are added, in one instruction. Where four products don't,
// the saving is less than what more such steps cost.
template <typename Format>
inline constexpr bool kHasShortSums = R1_HAVE_VNNI&& kFitIn16<Format> >= 4;

// How many are summed before anything else is done.
template <typename Format>
inline constexpr int kProductsPerSum = R1_HAVE_VNNI ? 8 : std::clamp(kFitIn16<Format>, 1, 8);

// Sums of products of bytes on their way to 32 bits: 16 bits where the machine has nothing better.
#if R1_HAVE_VNNI
using ByteSums = PanelSums;
HWY_INLINE ByteSums add_bytes(ByteSums sums, const PanelBytes& w, const PanelSigned& x) {
  return add_byte_products(sums, w, x);
}
template <typename Format>
HWY_INLINE PanelSums add_scaled(PanelSums total, const ByteSums& sums, const PanelPairs& scale) {
  const PanelSums twice = bit_cast<PanelSums>(scale);
  if constexpr (!kHasShortSums<Format>) return add(total, mul(sums, shift_right<16>(twice)));
  // The sums' upper halves are their sign.
  const PanelSums once = bit_and(twice, set<PanelSums>(0xffff));
  return add_products(total, bit_cast<PanelPairs>(sums), bit_cast<PanelPairs>(once));
}
HWY_INLINE PanelSums widen_sums(const ByteSums& sums) { return sums; }
#else
using ByteSums = PanelPairs;
template <typename Stored>
HWY_INLINE ByteSums add_bytes(ByteSums sums, const Stored& w, const PanelSigned& x) {
  return add(sums, pair_sums(w, x));
}
template <typename Format>
HWY_INLINE PanelSums add_scaled(PanelSums total, const ByteSums& sums, const PanelPairs& scale) {
  return add_products(total, sums, scale);
}
HWY_INLINE PanelSums widen_sums(const ByteSums& sums) {
  return add_products(zero<PanelSums>(), sums, set<PanelPairs>(1));
}
#endif

// A panel's running results for some tokens, where they will stay: one block after another is added to them.
struct TileResults {
  float* y;  // [token * stride + row]
  std::int64_t stride;
  int n_rows;
  bool is_first;  // nothing was added yet

  TileResults(const MatmulArgs& args, int token, int first_row, int column)
      : y(args.y + token * args.y_stride + first_row),
        stride(args.y_stride),
        n_rows(std::min(kPanelRows, args.n_rows - first_row)),
        is_first(column == 0) {}

  HWY_INLINE TileResults from(int token) const {
    TileResults later = *this;
    later.y += token * stride;
    return later;
  }
  HWY_INLINE PanelFloats load(int token) const {
    return is_first ? zero<PanelFloats>() : load_first<PanelFloats>(y + token * stride, n_rows);
  }
  HWY_INLINE void store(int token, const PanelFloats& v) const { store_first(v, n_rows, y + token * stride); }
};

// sums[t] = the products of n_fours * 4 columns, for kTokens tokens.
template <typename Format, int n_fours, int kTokens>
HWY_INLINE void multiply_columns(const std::uint8_t (*lanes)[4 * kPanelRows], const std::byte* const* row,
                                 std::int64_t at, ByteSums (&sums)[kTokens]) {
  using Stored = std::conditional_t<kIsSigned<Format> && !R1_HAVE_VNNI, PanelSigned, PanelBytes>;
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) sums[t] = zero<ByteSums>();
  for (int i = 0; i < n_fours; ++i) {
    const Stored w = load<Stored>(lanes[i]);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[t] = add_bytes(sums[t], w, broadcast_word<PanelSigned>(row[t] + at + 4 * i));
  }
}

template <typename Format, int kTokens>
HWY_INLINE void multiply_tile_256(const Panel& panel, const std::byte* const* row, const ColumnsAt& at,
                                  const TileResults& y) {
  constexpr int kFours = kHasShortSums<Format> ? 4 : std::min(kProductsPerSum<Format>, Format::kGroup / 4);
  PanelSums isums[kTokens];
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) isums[t] = zero<PanelSums>();
  for (int column = 0; column < 256; column += 4 * kFours) {
    ByteSums sums[kTokens];
    multiply_columns<Format, kFours>(panel.lanes + column / 4, row, at.q + column, sums);
    const PanelPairs scale = load<PanelPairs>(panel.scales[column / Format::kGroup]);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) isums[t] = add_scaled<Format>(isums[t], sums[t], scale);
  }
  PanelSums msums[kTokens];
  if constexpr (Format::kHasMin || kPanelOffset<Format> != 0) {
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) msums[t] = zero<PanelSums>();
    for (int pair = 0; pair < 128 / Format::kGroup; ++pair) {
      const PanelPairs mins = load<PanelPairs>(panel.mins[pair]);
      R1_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        msums[t] = add_products(msums[t], mins, broadcast_word<PanelPairs>(row[t] + at.sums + 4 * pair));
      }
    }
  }
  const PanelFloats d = load<PanelFloats>(panel.d[0]), dmin = load<PanelFloats>(panel.dmin[0]);
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    if constexpr (kPanelOffset<Format> != 0) isums[t] = sub(isums[t], msums[t]);
    const PanelFloats scaled = scale_sums<Format>(isums[t], msums[t], d, dmin);
    y.store(t, multiply_add(scaled, broadcast_word<PanelFloats>(row[t] + at.d), y.load(t)));
  }
}

template <typename Format, int kTokens>
HWY_INLINE void multiply_tile_32(const Panel& panel, const std::byte* const* row, const ColumnsAt& at, int n_blocks,
                                 const TileResults& results) {
  constexpr int kFours = kProductsPerSum<Format>;
  PanelFloats y[kTokens];
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) y[t] = results.load(t);
  for (int i = 0; i < n_blocks; ++i) {
    PanelSums isums[kTokens];
    for (int column = 0; column < 32; column += 4 * kFours) {
      ByteSums sums[kTokens];
      multiply_columns<Format, kFours>(panel.lanes + 8 * i + column / 4, row, at.q + 32 * i + column, sums);
      R1_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        isums[t] = column == 0 ? widen_sums(sums[t]) : add(isums[t], widen_sums(sums[t]));
      }
    }
    const PanelFloats d = load<PanelFloats>(panel.d[i]), m = load<PanelFloats>(panel.dmin[i]);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const PanelFloats q_sum = broadcast_word<PanelFloats>(row[t] + at.sums + 4 * i);
      const PanelFloats scaled = scale_sums_32<Format>(isums[t], q_sum, d, m, kPanelOffset<Format>);
      y[t] = multiply_add(scaled, broadcast_word<PanelFloats>(row[t] + at.d + 4 * i), y[t]);
    }
  }
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) results.store(t, y[t]);
}

template <typename Format, int kTokens>
HWY_NOINLINE void multiply_tile(const Panel& panel, const std::byte* const* row, const ColumnsAt& at, int n_blocks,
                                const TileResults& y) {
  if constexpr (Format::kBlockValues == 32) multiply_tile_32<Format, kTokens>(panel, row, at, n_blocks, y);
  if constexpr (Format::kBlockValues == 256) multiply_tile_256<Format, kTokens>(panel, row, at, y);
}

// As many tiles of kTokens as fit, then smaller ones.
template <typename Format, int kTokens = kTileTokens>
HWY_INLINE void multiply_tiles(const Panel& panel, const TokenRows& tokens, const ColumnsAt& at, int n_blocks,
                               const TileResults& y, int token = 0) {
  for (; token + kTokens <= tokens.n; token += kTokens) {
    multiply_tile<Format, kTokens>(panel, tokens.row + token, at, n_blocks, y.from(token));
  }
  constexpr int kSmaller = kTokens > 4 ? 4 : kTokens - 1;
  if constexpr (kSmaller > 0) multiply_tiles<Format, kSmaller>(panel, tokens, at, n_blocks, y, token);
}

// The panel's rows a group further on, asked for in L2 while this one is used: pieces of rows are too short for the
// processor to see where reading goes. Wide panels do it while they unpack.
template <typename Format>
HWY_INLINE void prefetch_next_rows(const MatmulArgs& args, int first, int column, int n_blocks) {
  using Block = typename Format::Block;
  const std::byte* row =
      args.w + (first + kPanelRows) * args.w_row_bytes + column / Format::kBlockValues * sizeof(Block);
  for (int r = 0; r < kPanelRows; ++r, row += args.w_row_bytes) {
    prefetch<2>(row, 0, static_cast<std::size_t>(n_blocks) * sizeof(Block));
  }
}

// Columns [column, column + 256) of rows first to first + kPanelRows - 1, for all tokens of a chunk.
template <typename Format>
HWY_INLINE void multiply_panel(const MatmulArgs& args, const TokenRows& tokens, int token, int first, int column,
                               Panel& panel) {
  const int n_blocks = std::min(256, args.n_cols - column) / Format::kBlockValues;
  if constexpr (!R1_WIDE) prefetch_next_rows<Format>(args, first, column, n_blocks);
  unpack(BlockRows<Format>(args, first, kPanelRows * args.w_row_bytes), column, n_blocks, panel);
  multiply_tiles<Format>(panel, tokens, columns_at<Format>(column, args.n_cols), n_blocks,
                         TileResults(args, token, first, column));
}

// What stays in L2 beside weights and results, and how many tokens share a panel once it is unpacked, which costs as
// much as ten of them.
inline constexpr int kNearBytes = 192 << 10, kNearTokens = 96;

// Some tokens at a time and as many columns as leave their activations in L2. Under them rows are outermost, so that
// weights are read as they lie and a panel's results are still near when the next columns add to them.
template <typename Format>
void multiply_many_tokens(const MatmulArgs& args) {
  if (args.n_tokens == 0) return;  // of rows that go no further the last layers have none
  Panel panel;
  const int n_chunks = (args.n_tokens + kNearTokens - 1) / kNearTokens;
  const int n_tokens = ((args.n_tokens + n_chunks - 1) / n_chunks + kTileTokens - 1) / kTileTokens * kTileTokens;
  const int n_columns = kNearBytes * 4 / 5 / n_tokens / 256 * 256;  // a column takes 1.25 bytes at most
  for (int begin = 0; begin < args.n_cols; begin += n_columns) {
    const int end = std::min(begin + n_columns, args.n_cols);
    for (int token = 0; token < args.n_tokens; token += n_tokens) {
      const TokenRows tokens(args, token, n_tokens);
      for (int first = 0; first < args.n_rows; first += kPanelRows) {
        for (int column = begin; column < end; column += 256) {
          multiply_panel<Format>(args, tokens, token, first, column, panel);
        }
      }
    }
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
