// narrow_panel.h: panels unpacked eight rows at a time, into lanes [first, first + 8): each row's bits are taken apart
// 32 columns at a time, then eight rows are put side by side.
#pragma once

#include <utility>

#include "kernels/panel.h"

#if !R1_WIDE
R1_BEFORE_SIMD();
namespace r1::R1_SET {

template <typename Format, int g>
HWY_INLINE void unpack_group(const typename Format::Block* const* row, int b, int first, Panel& panel, int to) {
  U32x8 v[kRows];
  for (int r = 0; r < kRows; ++r) {
    v[r] = bit_cast<U32x8>(Lanes<Format>::template group<g>(row[r][b]));
    if constexpr (kPanelOffset<Format> == 128) v[r] = bit_xor(v[r], set<U32x8>(0x80808080));
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
#endif
