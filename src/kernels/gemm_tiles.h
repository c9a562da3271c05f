// gemm_tiles.h: gemm.h's products on tiles of registers. Bound by fused multiply-adds, two a cycle.
//
// A tile is some lines of a by a panel of b: for each k, its lines' values are broadcast one after another and meet
// the panel's values, two registers of them (four on NEON). Sums stay in registers for a block of k.
#pragma once

#include <algorithm>
#include <utility>

#include "kernels/gemm.h"
#include "kernels/simd_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

// What registers hold: 13 x 2 sums and 3 operands of 32 (of a 14th line GCC spills one), 6 x 2 and 3 of 16, 6 x 4 and
// 5 of NEON's 32.
inline constexpr int kGemmTileLines = HWY_TARGET == HWY_AVX3 ? 13 : 6;
inline constexpr int kGemmParts = HWY_TARGET == HWY_NEON ? 4 : 2;
using GemmTag = hn::CappedTag<float, kPartBytes<64> / 4>;
inline constexpr int kGemmPartLanes = kPartBytes<64> / 4;
inline constexpr int kGemmPanelLines = kGemmParts * kGemmPartLanes;

inline constexpr int kStripLines = (kGemmTileLines + 7) / 8 * 8;  // lines of a tile as packed, whole vectors of 8
inline constexpr int kStrips = 8;                                 // tiles whose packed lines (128 KB, 64 KB) stay in L2

// Loops over a tile's lines and parts must vanish, or GCC keeps the sums in memory.
#define R1_UNROLL_TILE _Pragma("GCC unroll 16")

// ---- packing -------------------------------------------------------------------------------------------------------

// A strip is [k, kLines]: lines [first, first + kLines) side by side, for k in [k0, k1). Beyond the last line it holds
// numbers that nobody uses.

// Lines whose values of k lie together: eight by eight, transposed in registers.
template <int kLines>
HWY_INLINE void pack_along_k(const GemmOperand& from, int first, int k0, int k1, float* strip) {
  const float* line[kLines];
  for (int i = 0; i < kLines; ++i) line[i] = from.data + std::min(first + i, from.n_lines - 1) * from.line_step;
  int k = k0;
  for (; k + 8 <= k1; k += 8, strip += 8 * kLines) {
    for (int group = 0; group < kLines; group += 8) {
      U32x8 v[8];
      R1_UNROLL
      for (int i = 0; i < 8; ++i) v[i] = load<U32x8>(line[group + i] + k);
      transpose(v);
      R1_UNROLL
      for (int i = 0; i < 8; ++i) store(v[i], strip + i * kLines + group);
    }
  }
  for (; k < k1; ++k, strip += kLines) {
    for (int i = 0; i < kLines; ++i) strip[i] = line[i][k];
  }
}

// Lines side by side already: copied.
template <int kLines>
HWY_INLINE void pack_across_k(const GemmOperand& from, int first, int k0, int k1, float* strip) {
  const int n = from.n_lines - first;
  for (int k = k0; k < k1; ++k, strip += kLines) {
    const float* values = from.data + first + k * from.k_step;
    R1_UNROLL
    for (int i = 0; i < kLines; i += 8) {
      store(n >= i + 8 ? load<F32x8>(values + i) : load_first<F32x8>(values + i, std::max(n - i, 0)), strip + i);
    }
  }
}

template <int kLines>
HWY_INLINE void pack_strip(const GemmOperand& from, int first, int k0, int k1, float* strip) {
  from.k_step == 1 ? pack_along_k<kLines>(from, first, k0, k1, strip)
                   : pack_across_k<kLines>(from, first, k0, k1, strip);
}

inline void gemm_pack_panels(const GemmOperand& b, float* packed) {
  for (int first = 0; first < b.n_lines; first += kGemmPanelLines) {
    pack_strip<kGemmPanelLines>(b, first, 0, b.n_k, packed + std::int64_t{first} * b.n_k);
  }
}

// ---- tiles ---------------------------------------------------------------------------------------------------------

// Where a tile's sums go.
struct GemmTarget {
  float* c;
  std::int64_t row_step;
  int n_columns;
  bool adds;
};

HWY_INLINE void store_tile_row(const hn::Vec<GemmTag> (&sums)[kGemmParts], float* c, bool adds) {
  const GemmTag tag;
  R1_UNROLL_TILE
  for (int p = 0; p < kGemmParts; ++p) {
    float* to = c + p * kGemmPartLanes;
    hn::StoreU(adds ? hn::Add(hn::LoadU(tag, to), sums[p]) : sums[p], tag, to);
  }
}

// The last panel's columns that are there.
HWY_INLINE void store_part_of_row(const hn::Vec<GemmTag> (&sums)[kGemmParts], float* c, int n_columns, bool adds) {
  float row[kGemmPanelLines] = {};
  std::copy(c, c + n_columns, row);
  store_tile_row(sums, row, adds);
  std::copy(row, row + n_columns, c);
}

template <int kLines>
HWY_NOINLINE void multiply_tile(const float* strip, const float* panel, int n_k, const GemmTarget& to) {
  const GemmTag tag;
  hn::Vec<GemmTag> sums[kLines][kGemmParts];
  R1_UNROLL_TILE
  for (int i = 0; i < kLines; ++i) {
    __builtin_prefetch(to.c + i * to.row_step, 1);
    R1_UNROLL_TILE
    for (int p = 0; p < kGemmParts; ++p) sums[i][p] = hn::Zero(tag);
  }
  for (int k = 0; k < n_k; ++k, strip += kStripLines, panel += kGemmPanelLines) {
    hn::Vec<GemmTag> b[kGemmParts];
    R1_UNROLL_TILE
    for (int p = 0; p < kGemmParts; ++p) b[p] = hn::LoadU(tag, panel + p * kGemmPartLanes);
    R1_UNROLL_TILE
    for (int i = 0; i < kLines; ++i) {
      auto a = hn::Set(tag, strip[i]);
      keep_in_register(a);
      R1_UNROLL_TILE
      for (int p = 0; p < kGemmParts; ++p) sums[i][p] = hn::MulAdd(a, b[p], sums[i][p]);
    }
  }
  R1_UNROLL_TILE
  for (int i = 0; i < kLines; ++i) {
    float* c = to.c + i * to.row_step;
    if (to.n_columns >= kGemmPanelLines)
      store_tile_row(sums[i], c, to.adds);
    else
      store_part_of_row(sums[i], c, to.n_columns, to.adds);
  }
}

using MultiplyTile = void (*)(const float* strip, const float* panel, int n_k, const GemmTarget& to);

template <int... kLinesLessOne>
constexpr MultiplyTile tile_of(int n_lines, std::integer_sequence<int, kLinesLessOne...>) {
  constexpr MultiplyTile kTiles[] = {multiply_tile<kLinesLessOne + 1>...};
  return kTiles[n_lines - 1];
}

// Lines of a cut into tiles of nearly one size: a small last tile would wait for its few sums.
struct GemmTiles {
  int n_lines, n_tiles;

  explicit GemmTiles(int lines) : n_lines(lines), n_tiles((lines + kGemmTileLines - 1) / kGemmTileLines) {}
  int first_line(int tile) const { return static_cast<int>(std::int64_t{n_lines} * tile / n_tiles); }
};

// A few tiles of lines, all columns, one block of k.
HWY_INLINE void multiply_strips(const GemmArgs& args, const GemmTiles& tiles, int first_tile, int k0,
                                const float (*strips)[kGemmBlock * kStripLines]) {
  const int end_tile = std::min(first_tile + kStrips, tiles.n_tiles);
  const int n_k = std::min(kGemmBlock, args.a.n_k - k0);
  for (int column = 0; column < args.n_columns; column += kGemmPanelLines) {
    const float* panel = args.packed_b + std::int64_t{column} * args.a.n_k + std::int64_t{k0} * kGemmPanelLines;
    for (int t = first_tile; t < end_tile; ++t) {
      const int line = tiles.first_line(t), n_lines = tiles.first_line(t + 1) - line;
      const GemmTarget to{.c = args.c + line * args.c_row_step + column,
                          .row_step = args.c_row_step,
                          .n_columns = args.n_columns - column,
                          .adds = k0 > 0 || args.into == GemmInto::kAccumulate};
      tile_of(n_lines, std::make_integer_sequence<int, kGemmTileLines>())(strips[t - first_tile], panel, n_k, to);
    }
  }
}

inline void multiply_gemm(const GemmArgs& args) {
  alignas(64) float strips[kStrips][kGemmBlock * kStripLines];
  const GemmTiles tiles(args.a.n_lines);
  for (int first_tile = 0; first_tile < tiles.n_tiles; first_tile += kStrips) {
    const int end_tile = std::min(first_tile + kStrips, tiles.n_tiles);
    for (int k0 = 0; k0 < args.a.n_k; k0 += kGemmBlock) {
      for (int t = first_tile; t < end_tile; ++t) {
        pack_strip<kStripLines>(args.a, tiles.first_line(t), k0, std::min(k0 + kGemmBlock, args.a.n_k),
                                strips[t - first_tile]);
      }
      multiply_strips(args, tiles, first_tile, k0, strips);
    }
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
