// multiply_amx.h: a panel of weights times many tokens on Intel's tile registers, 16 rows by 16 tokens by 64 columns an
// instruction (2,048 operations a cycle, against 256 of AVX-512 VNNI).
//
// Formats of 32: an instruction for each block, whose sums then meet the block's scales: bound by those float steps.
// Formats of 256: their integer scales are multiplied into the weights first, so that a block needs no step between its
// groups. Such a product has up to 14 bits; its lower seven and the rest are two planes of bytes, multiplied apart and
// put together in 32 bits: still the exact integer that portable.cpp defines.
#pragma once

#include "kernels/amx_tiles.h"
#include "kernels/multiply_tiles.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

static_assert(kPanelRows == kTileRows, "a panel's rows are a tile's");

// Activations of up to 256 columns of a chunk of tokens, as tiles want them: rows at one distance, no gaps.
struct PackedTokens {
  alignas(64) std::int8_t q[kChunkTokens][256];

  // The last tile's missing tokens keep what was there: their results are dropped.
  HWY_INLINE void pack(const TokenRows& tokens, std::int64_t q_at, int n_columns) {
    for (int t = 0; t < tokens.n; ++t) {
      for (int c = 0; c < n_columns; c += 32) store(load<I8x32>(tokens.row[t] + q_at + c), q[t] + c);
    }
  }
};

// ---- formats of 256 ------------------------------------------------------------------------------------------------

// Weights times their group's scale: value = 128 * high + low.
struct ScaledPanel {
  alignas(64) std::int8_t high[64][4 * kPanelRows];  // as Panel::lanes, -64 to 64
  alignas(64) std::int8_t low[64][4 * kPanelRows];   // 0 to 127
};

template <typename Format>
HWY_INLINE void multiply_scales_in(const Panel& panel, ScaledPanel& scaled) {
  using Words = Vector<std::uint16_t, 2 * kPanelRows>;
  const Words low_byte = set<Words>(0x00ff), high_byte = set<Words>(0xff00), seven = set<Words>(0x007f),
              high_seven = set<Words>(0x7f00);
  for (int i = 0; i < 64; ++i) {
    const PanelPairs scale = load<PanelPairs>(panel.scales[4 * i / Format::kGroup]);
    const Words lanes = load<Words>(panel.lanes[i]);
    // Columns 0 and 2, then 1 and 3, of every row.
    const PanelPairs even = mul(bit_cast<PanelPairs>(bit_and(lanes, low_byte)), scale);
    const PanelPairs odd = mul(bit_cast<PanelPairs>(shift_right<8>(lanes)), scale);
    const Words even_high = bit_and(bit_cast<Words>(shift_right<7>(even)), low_byte);
    const Words odd_high = bit_and(bit_cast<Words>(shift_left<1>(odd)), high_byte);
    const Words odd_low = bit_and(bit_cast<Words>(shift_left<8>(odd)), high_seven);
    store(bit_or(even_high, odd_high), scaled.high[i]);
    store(bit_or(bit_and(bit_cast<Words>(even), seven), odd_low), scaled.low[i]);
  }
}

// 16 tokens: their sums, and what is subtracted for minima and offsets.
struct TileSums {
  alignas(64) std::int32_t high[kTileRows][kPanelRows];
  alignas(64) std::int32_t low[kTileRows][kPanelRows];
};

HWY_INLINE void multiply_two_tiles(const ScaledPanel& panel, const std::int8_t (*q)[256], TileSums (&sums)[2]) {
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  for (int column = 0; column < 256; column += kTileBytes) {
    tile_load<4>(q[0] + column, 256);
    tile_load<6>(panel.high[column / 4], kTileBytes);
    tile_multiply_signed<0, 4, 6>();
    tile_load<7>(panel.low[column / 4], kTileBytes);
    tile_multiply_signed<1, 4, 7>();
    tile_load<5>(q[kTileRows] + column, 256);
    tile_multiply_signed<2, 5, 6>();
    tile_multiply_signed<3, 5, 7>();
  }
  tile_store<0>(sums[0].high);
  tile_store<1>(sums[0].low);
  tile_store<2>(sums[1].high);
  tile_store<3>(sums[1].low);
}

template <typename Format>
HWY_INLINE void add_block_of_256(const Panel& panel, const TileSums& sums, const std::byte* const* row, int n_tokens,
                                 const ColumnsAt& at, const TileResults& y) {
  constexpr int kPairs = Format::kHasMin || kPanelOffset<Format> != 0 ? 128 / Format::kGroup : 0;
  const PanelFloats d = load<PanelFloats>(panel.d[0]), dmin = load<PanelFloats>(panel.dmin[0]);
  PanelPairs mins[kPairs + 1];
  R1_UNROLL
  for (int pair = 0; pair < kPairs; ++pair) mins[pair] = load<PanelPairs>(panel.mins[pair]);
  for (int t = 0; t < n_tokens; ++t) {
    PanelSums isum = add(shift_left<7>(load<PanelSums>(sums.high[t])), load<PanelSums>(sums.low[t]));
    PanelSums msum = zero<PanelSums>();
    R1_UNROLL
    for (int pair = 0; pair < kPairs; ++pair) {
      msum = add_products(msum, mins[pair], broadcast_word<PanelPairs>(row[t] + at.sums + 4 * pair));
    }
    if constexpr (kPanelOffset<Format> != 0) isum = sub(isum, msum);
    const PanelFloats scaled = scale_sums<Format>(isum, msum, d, dmin);
    y.store(t, multiply_add(scaled, broadcast_word<PanelFloats>(row[t] + at.d), y.load(t)));
  }
}

template <typename Format>
void multiply_panel_of_256(const Panel& panel, const TokenRows& tokens, const PackedTokens& packed, const ColumnsAt& at,
                           const TileResults& y) {
  ScaledPanel scaled;
  multiply_scales_in<Format>(panel, scaled);
  TileSums sums[2];
  for (int token = 0; token < tokens.n; token += 2 * kTileRows) {
    multiply_two_tiles(scaled, packed.q + token, sums);
    for (int half = 0; half < 2; ++half) {
      const int first = token + half * kTileRows;
      add_block_of_256<Format>(panel, sums[half], tokens.row + first, std::min(kTileRows, tokens.n - first), at,
                               y.from(first));
    }
  }
}

// ---- formats of 32 -------------------------------------------------------------------------------------------------

// sums[i] = block i times 16 tokens, for four blocks.
HWY_INLINE void multiply_four_blocks(const Panel& panel, const std::int8_t (*q)[256], int block,
                                     std::int32_t (&sums)[4][kTileRows][kPanelRows]) {
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  tile_load<4>(q[0] + 32 * block, 256);
  tile_load<6>(panel.lanes[8 * block], kTileBytes);
  tile_multiply_unsigned<0, 4, 6>();
  tile_store<0>(sums[0]);
  tile_load<5>(q[0] + 32 * block + 32, 256);
  tile_load<7>(panel.lanes[8 * block + 8], kTileBytes);
  tile_multiply_unsigned<1, 5, 7>();
  tile_store<1>(sums[1]);
  tile_load<4>(q[0] + 32 * block + 64, 256);
  tile_load<6>(panel.lanes[8 * block + 16], kTileBytes);
  tile_multiply_unsigned<2, 4, 6>();
  tile_store<2>(sums[2]);
  tile_load<5>(q[0] + 32 * block + 96, 256);
  tile_load<7>(panel.lanes[8 * block + 24], kTileBytes);
  tile_multiply_unsigned<3, 5, 7>();
  tile_store<3>(sums[3]);
}

// Adds n_blocks blocks, at most four, to a token's results.
template <typename Format>
HWY_INLINE PanelFloats add_blocks_of_32(const Panel& panel, const std::int32_t (&sums)[4][kTileRows][kPanelRows], int t,
                                        int block, int n_blocks, const std::byte* row, const ColumnsAt& at,
                                        PanelFloats y) {
  for (int i = 0; i < n_blocks; ++i) {
    const int b = block + i;
    const PanelFloats d = load<PanelFloats>(panel.d[b]), m = load<PanelFloats>(panel.dmin[b]);
    const PanelFloats q_sum = broadcast_word<PanelFloats>(row + at.sums + 4 * b);
    const PanelFloats scaled = scale_sums_32<Format>(load<PanelSums>(sums[i][t]), q_sum, d, m, kPanelOffset<Format>);
    y = multiply_add(scaled, broadcast_word<PanelFloats>(row + at.d + 4 * b), y);
  }
  return y;
}

template <typename Format>
void multiply_panel_of_32(const Panel& panel, const TokenRows& tokens, const PackedTokens& packed, const ColumnsAt& at,
                          int n_blocks, const TileResults& y) {
  alignas(64) std::int32_t sums[2][4][kTileRows][kPanelRows];
  for (int token = 0; token < tokens.n; token += kTileRows) {
    const int n_tokens = std::min(kTileRows, tokens.n - token);
    multiply_four_blocks(panel, packed.q + token, 0, sums[0]);
    if (n_blocks > 4) multiply_four_blocks(panel, packed.q + token, 4, sums[1]);
    for (int t = token; t < token + n_tokens; ++t) {
      PanelFloats result = y.load(t);
      result = add_blocks_of_32<Format>(panel, sums[0], t - token, 0, std::min(n_blocks, 4), tokens.row[t], at, result);
      if (n_blocks > 4) {
        result = add_blocks_of_32<Format>(panel, sums[1], t - token, 4, n_blocks - 4, tokens.row[t], at, result);
      }
      y.store(t, result);
    }
  }
}

template <typename Format>
void multiply_many_tokens_amx(const MatmulArgs& args) {
  const TileShapes shapes(Format::kBlockValues == 32 ? 32 : kTileBytes);
  Panel panel;
  PackedTokens packed;
  for (int token = 0; token < args.n_tokens; token += kChunkTokens) {
    const TokenRows tokens(args, token);
    for (int column = 0; column < args.n_cols; column += 256) {
      const int n_columns = std::min(256, args.n_cols - column), n_blocks = n_columns / Format::kBlockValues;
      const ColumnsAt at = columns_at<Format>(column, args.n_cols);
      packed.pack(tokens, at.q, n_columns);
      for (int first = 0; first < args.n_rows; first += kPanelRows) {
        unpack(BlockRows<Format>(args, first), column, n_blocks, panel);
        const TileResults y(args, token, first, column);
        if constexpr (Format::kBlockValues == 32) {
          multiply_panel_of_32<Format>(panel, tokens, packed, at, n_blocks, y);
        } else {
          multiply_panel_of_256<Format>(panel, tokens, packed, at, y);
        }
      }
    }
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
