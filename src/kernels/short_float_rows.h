// short_float_rows.h: products of short rows of float weights with many tokens: those of training. matmul_floats.h's
// tiles hold a sum's 16 lanes in a register and have to add them across, which takes as long as multiplying 128
// columns; here rows lie side by side, a sum's lanes are 16 registers, and no shuffle is left. Bound by fused
// multiply-adds.
#pragma once

#include <algorithm>

#include "kernels/float_rows.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kManyTokens = 16;  // below, putting rows side by side takes longer than it saves

inline constexpr int kShortRows = 2 * F32x16::kPartLanes;  // rows of a panel: two registers
// Tokens of a tile: with two registers of rows and two lanes, as many sums as registers hold.
inline constexpr int kShortTileTokens = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 6 : 3;
inline constexpr int kShortChunkValues = 48 * kFloatChunk;  // activations that stay in L2 while panels pass

// Some rows in f32. A lane's columns, every 16th, follow each other.
struct ShortPanel {
  static constexpr int kSteps = kFloatChunk / kFloatLanes + 1;  // one more: lanes a power of two apart evict each other
  alignas(64) float lane[kFloatLanes][kSteps][kShortRows];
  int n_steps;  // columns beyond the last are zeros
};

// Columns 16 step to 16 step + 15 of eight rows from `first` on, decoded[row].
HWY_INLINE void store_sixteen_columns(const float (*decoded)[kFloatLanes], ShortPanel& panel, int step, int first) {
  R1_UNROLL
  for (int half = 0; half < kFloatLanes; half += 8) {
    U32x8 v[8];
    R1_UNROLL
    for (int r = 0; r < 8; ++r) v[r] = load<U32x8>(decoded[r] + half);
    transpose(v);
    R1_UNROLL
    for (int c = 0; c < 8; ++c) store(v[c], panel.lane[half + c][step] + first);
  }
}

template <typename Format>
void decode_short_panel(const MatmulArgs& args, int first_row, ShortPanel& panel) {
  const auto size = static_cast<std::int64_t>(sizeof(typename Format::Stored));
  for (int first = 0; first < kShortRows; first += 8) {
    for (int step = 0; step < panel.n_steps; ++step) {
      const int column = step * kFloatLanes, n_left = args.n_cols - column;
      alignas(64) float decoded[8][kFloatLanes];
      for (int r = 0; r < 8; ++r) {
        const FloatRow<Format> row(args, std::min(first_row + first + r, args.n_rows - 1));
        const std::byte* next = args.w_next == nullptr ? row.bytes : args.w_next + (row.bytes - args.w);
        __builtin_prefetch(row.at(column) + kShortRows * args.w_row_bytes);  // the next panel's, while this is used
        __builtin_prefetch(next + column * size, 0, 2);
        std::byte padded[kFloatLanes * 4];
        if (n_left < kFloatLanes) row.copy_last(column, n_left, padded);
        const std::byte* from = n_left < kFloatLanes ? padded : row.at(column);
        store(decode_scaled<Format>(from, row.scale_at(column)), decoded[r]);
      }
      store_sixteen_columns(decoded, panel, step, first);
    }
  }
}

// Of token t the panel's results go to y + t * stride.
struct ShortResults {
  float* y;
  std::int64_t stride;
};

// The last steps of plain_floats.h's order: i and i + 4, then + 2, then + 1.
template <int kTokens>
HWY_INLINE FloatPart add_eight(const FloatPart (&eight)[8][kTokens][2], int t, int p) {
  FloatPart four[4];
  R1_UNROLL
  for (int i = 0; i < 4; ++i) four[i] = hn::Add(eight[i][t][p], eight[i + 4][t][p]);
  return hn::Add(hn::Add(four[0], four[2]), hn::Add(four[1], four[3]));
}

// Lanes i and i + 8 at a time, which are added first.
template <int kTokens>
HWY_NOINLINE void multiply_short_tile(const ShortPanel& panel, const float* const* x, const ShortResults& to) {
  const F32x16::Tag tag;
  FloatPart eight[8][kTokens][2];
  for (int lane = 0; lane < 8; ++lane) {
    FloatPart sums[2][kTokens][2];
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[0][t][0] = sums[0][t][1] = sums[1][t][0] = sums[1][t][1] = hn::Zero(tag);
    for (int step = 0; step < panel.n_steps; ++step) {
      R1_UNROLL
      for (int half = 0; half < 2; ++half) {
        const float* w = panel.lane[lane + 8 * half][step];
        const FloatPart low = hn::Load(tag, w), high = hn::Load(tag, w + F32x16::kPartLanes);
        R1_UNROLL
        for (int t = 0; t < kTokens; ++t) {
          FloatPart factor = hn::Set(tag, x[t][kFloatLanes * step + lane + 8 * half]);
          keep_in_register(factor);
          sums[half][t][0] = hn::MulAdd(low, factor, sums[half][t][0]);
          sums[half][t][1] = hn::MulAdd(high, factor, sums[half][t][1]);
        }
      }
    }
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      eight[lane][t][0] = hn::Add(sums[0][t][0], sums[1][t][0]);
      eight[lane][t][1] = hn::Add(sums[0][t][1], sums[1][t][1]);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    R1_UNROLL
    for (int p = 0; p < 2; ++p) {
      // The first chunk is added to zero.
      const FloatPart sum = hn::Add(hn::Zero(tag), add_eight(eight, t, p));
      hn::StoreU(sum, tag, to.y + t * to.stride + p * F32x16::kPartLanes);
    }
  }
}

// Tiles of kTokens, then of fewer.
template <int kTokens>
HWY_INLINE void multiply_short_panel(const ShortPanel& panel, const float* const* x, ShortResults to, int n) {
  for (; n >= kTokens; n -= kTokens, x += kTokens, to.y += kTokens * to.stride) {
    multiply_short_tile<kTokens>(panel, x, to);
  }
  if constexpr (kTokens > 1) multiply_short_panel<kTokens - 1>(panel, x, to, n);
}

// Activations of some tokens: where they are, or where the last vector is incomplete, copies padded with zeros.
struct ShortChunk {
  static constexpr int kMost = 192;
  alignas(64) float y[kMost][kShortRows];  // of a last panel of fewer rows
  alignas(64) float padded[kShortChunkValues];
  const float* x[kMost];
  int n_tokens;

  ShortChunk(const MatmulArgs& args, int first, int most, int n_padded)
      : n_tokens(std::min(args.n_tokens - first, most)) {
    for (int t = 0; t < n_tokens; ++t) {
      const std::int64_t row = args.x_rows == nullptr ? first + t : args.x_rows[first + t];
      x[t] = reinterpret_cast<const float*>(args.x + row * args.x_row_bytes);
      if (n_padded == args.n_cols) continue;
      float* copy = padded + t * n_padded;
      std::copy(x[t], x[t] + args.n_cols, copy);
      std::fill(copy + args.n_cols, copy + n_padded, 0.0f);
      x[t] = copy;
    }
  }
};

// n_cols <= kFloatChunk.
template <typename Format>
void multiply_short_rows(const MatmulArgs& args) {
  ShortPanel panel;
  panel.n_steps = (args.n_cols + kFloatLanes - 1) / kFloatLanes;
  const int n_padded = panel.n_steps * kFloatLanes;
  const int most = std::min(kShortChunkValues / n_padded / kShortTileTokens * kShortTileTokens, ShortChunk::kMost);
  for (int token = 0; token < args.n_tokens; token += most) {
    ShortChunk chunk(args, token, most, n_padded);
    for (int first = 0; first < args.n_rows; first += kShortRows) {
      decode_short_panel<Format>(args, first, panel);
      float* y = args.y + token * args.y_stride + first;
      const int n = args.n_rows - first;
      const ShortResults to = n >= kShortRows ? ShortResults{y, args.y_stride} : ShortResults{chunk.y[0], kShortRows};
      multiply_short_panel<kShortTileTokens>(panel, chunk.x, to, chunk.n_tokens);
      for (int t = 0; t < chunk.n_tokens && n < kShortRows; ++t) {
        std::copy(chunk.y[t], chunk.y[t] + n, y + t * args.y_stride);
      }
    }
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
