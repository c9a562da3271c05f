// panel.h: some rows of weights, up to 256 columns of them, unpacked side by side: what every token of a chunk passes
// over.
//
// Four columns of each row lie together, so that four bytes of a token, broadcast, meet all rows in one instruction and
// lanes of sums are rows. Unpacking costs as much as multiplying about ten tokens; the panel stays in L1.
#pragma once

#include <utility>

#include "kernels/block_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kPanelRows = HWY_TARGET == HWY_AVX3 ? 16 : 8;  // lanes of a register, or of two

using PanelBytes = Vector<std::uint8_t, 4 * kPanelRows>;
using PanelSigned = Vector<std::int8_t, 4 * kPanelRows>;
using PanelPairs = Vector<std::int16_t, 2 * kPanelRows>;
using PanelSums = Vector<std::int32_t, kPanelRows>;
using PanelFloats = Vector<float, kPanelRows>;

struct Panel {
  alignas(64) std::uint8_t lanes[64][4 * kPanelRows];   // [column / 4][row * 4 + column % 4]
  alignas(64) std::int16_t scales[16][2 * kPanelRows];  // [group][row], each twice
  alignas(64) std::int16_t mins[8][2 * kPanelRows];     // [pair of groups][row], the two groups' side by side; offsets
                                                        // as mins
  alignas(64) float d[8][kPanelRows];                   // [block of 32][row]; formats of 256: [0]
  alignas(64) float dmin[8][kPanelRows];                // likewise, dmin or m
};

// What is to be subtracted from a panel's lanes. Tiles multiply signed bytes: nothing is left to subtract. VNNI
// multiplies unsigned ones: signed lanes get 128 added.
template <typename Format>
inline constexpr bool kIsSigned = std::is_same_v<typename Lanes<Format>::Stored, I8x32>;
template <typename Format>
inline constexpr int kPanelOffset = R1_HAVE_TILES                      ? 0
                                    : R1_HAVE_VNNI&& kIsSigned<Format> ? 128
                                                                       : Lanes<Format>::kOffset;
template <typename Format>
inline constexpr int kPanelMax = R1_HAVE_VNNI&& kIsSigned<Format> ? 255 : Lanes<Format>::kMax;

// The panel's rows of blocks; rows beyond the last repeat it, and their results are dropped.
template <typename Format>
struct BlockRows {
  const typename Format::Block* row[kPanelRows];
  BlockRows(const MatmulArgs& args, int first) {
    for (int r = 0; r < kPanelRows; ++r) {
      const int clamped = std::min(first + r, args.n_rows - 1);
      row[r] = reinterpret_cast<const typename Format::Block*>(args.w + clamped * args.w_row_bytes);
    }
  }
};

// Below: eight rows at a time, into lanes [first, first + 8) of the panel.

template <typename Format, int g>
HWY_INLINE void unpack_group(const typename Format::Block* const* row, int b, int first, Panel& panel, int to) {
  U32x8 v[kRows];
  for (int r = 0; r < kRows; ++r) {
    U8x32 stored = bit_cast<U8x32>(Lanes<Format>::template group<g>(row[r][b]));
    if constexpr (kPanelOffset<Format> == 128) stored = bit_xor(stored, set<U8x32>(128));
    if constexpr (kPanelOffset<Format> != Lanes<Format>::kOffset && !kIsSigned<Format>) {
      stored = sub(stored, set<U8x32>(Lanes<Format>::kOffset));
    }
    v[r] = bit_cast<U32x8>(stored);
  }
  transpose(v);
  for (int i = 0; i < 8; ++i) store(v[i], panel.lanes[to + i] + 4 * first);
}

template <typename Format, int... g>
HWY_INLINE void unpack_groups(const typename Format::Block* const* row, int b, int first, Panel& panel,
                              std::integer_sequence<int, g...>) {
  (unpack_group<Format, g>(row, b, first, panel, 8 * g), ...);
}

// 16-bit lanes 0 0 1 1 ... of the scales of 16 columns each, in two vectors: 0-3 and 8-11, 4-7 and 12-15.
template <bool kFirst>
HWY_INLINE U32x8 twice(const I16x16& v) {
  return bit_cast<U32x8>(interleave<kFirst>(v, v));
}

// Groups of 32: scales come twice, so a row's 32-bit lane g is what the panel wants of group g.
template <typename Format>
HWY_INLINE void unpack_scales_of_32(const typename Format::Block* const* row, int b, int first, Panel& panel) {
  U32x8 scales[kRows];
  for (int r = 0; r < kRows; ++r) scales[r] = bit_cast<U32x8>(Lanes<Format>::scales(row[r][b]));
  transpose(scales);
  for (int g = 0; g < 8; ++g) store(scales[g], panel.scales[g] + 2 * first);
  if constexpr (Format::kHasMin || kPanelOffset<Format> != 0) {
    U32x8 mins[kRows];
    if constexpr (Format::kHasMin) {
      for (int r = 0; r < kRows; ++r) mins[r] = bit_cast<U32x8>(Lanes<Format>::mins(row[r][b]));
      transpose(mins);
    } else {
      const I16x16 offset = set<I16x16>(kPanelOffset<Format>);
      for (int g = 0; g < 8; ++g) mins[g] = bit_cast<U32x8>(mul(bit_cast<I16x16>(scales[g]), offset));
    }
    for (int pair = 0; pair < 4; ++pair) {
      const I16x16 even = bit_cast<I16x16>(mins[2 * pair]), odd = bit_cast<I16x16>(mins[2 * pair + 1]);
      store(odd_even(odd, even), panel.mins[pair] + 2 * first);
    }
  }
}

template <typename Format>
HWY_INLINE void unpack_scales_of_16(const typename Format::Block* const* row, int b, int first, Panel& panel) {
  U32x8 low[kRows], high[kRows], pairs[kRows];
  for (int r = 0; r < kRows; ++r) {
    const I16x16 scales = Lanes<Format>::scales(row[r][b]);
    low[r] = twice<true>(scales);
    high[r] = twice<false>(scales);
    I16x16 mins = scales;
    if constexpr (Format::kHasMin) mins = Lanes<Format>::mins(row[r][b]);
    if constexpr (kPanelOffset<Format> != 0) mins = mul(mins, set<I16x16>(kPanelOffset<Format>));
    pairs[r] = bit_cast<U32x8>(mins);
  }
  transpose(low);
  transpose(high);
  transpose(pairs);
  for (int g = 0; g < 4; ++g) {
    store(low[g], panel.scales[g] + 2 * first);
    store(high[g], panel.scales[g + 4] + 2 * first);
    store(low[g + 4], panel.scales[g + 8] + 2 * first);
    store(high[g + 4], panel.scales[g + 12] + 2 * first);
  }
  for (int pair = 0; pair < 8; ++pair) store(pairs[pair], panel.mins[pair] + 2 * first);
}

template <typename Format>
HWY_INLINE void unpack_factors(const typename Format::Block* const* row, int b, int first, Panel& panel, int to) {
  using Block = typename Format::Block;
  store(row_halves(row, b, &Block::d), panel.d[to] + first);
  if constexpr (Format::kHasMin && Format::kBlockValues == 256) {
    store(row_halves(row, b, &Block::dmin), panel.dmin[to] + first);
  } else if constexpr (Format::kHasMin) {
    store(row_halves(row, b, &Block::m), panel.dmin[to] + first);
  }
}

// Columns [column, column + 256) of all rows, or as many blocks of 32 as are left.
template <typename Format>
void unpack(const BlockRows<Format>& rows, int column, int n_blocks, Panel& panel) {
  for (int first = 0; first < kPanelRows; first += kRows) {
    const auto* row = rows.row + first;
    if constexpr (Format::kBlockValues == 256) {
      const int b = column / 256;
      unpack_groups<Format>(row, b, first, panel, std::make_integer_sequence<int, 8>());
      if constexpr (Format::kGroup == 32) unpack_scales_of_32<Format>(row, b, first, panel);
      if constexpr (Format::kGroup == 16) unpack_scales_of_16<Format>(row, b, first, panel);
      unpack_factors<Format>(row, b, first, panel, 0);
    } else {
      for (int i = 0; i < n_blocks; ++i) {
        unpack_group<Format, 0>(row, column / 32 + i, first, panel, 8 * i);
        unpack_factors<Format>(row, column / 32 + i, first, panel, i);
      }
    }
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
