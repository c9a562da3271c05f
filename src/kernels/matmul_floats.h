// matmul_floats.h: products of float weights with f32 activations, in the order plain_floats.h fixes.
//
// One token: each row's weights are decoded in registers, eight rows in turn by four; bound by reading the weights.
// More tokens: eight rows by a chunk of columns are decoded once into L1 (f32 weights are used where they are), and
// tiles of rows by tokens pass over them; bound by fused multiply-adds, two a cycle.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"
#include "kernels/simd_floats.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kFloatRows = 8;  // a group of rows: what add_across adds at once
// Rows and tokens of a tile: as many sums as registers hold beside the operands.
#if HWY_TARGET == HWY_SSE4
inline constexpr int kTileRows = 1, kTileColumns = 3;
#elif HWY_TARGET == HWY_AVX3
inline constexpr int kTileRows = 4, kTileColumns = 6;
#else
inline constexpr int kTileRows = 2, kTileColumns = 3;
#endif
inline constexpr int kFloatChunkTokens = 48;  // tokens whose activations stay in L2 while a group of rows passes

// A row of weights as stored.
template <typename Format>
struct FloatRow {
  const std::byte* bytes;
  const float* scales = nullptr;  // F8E4M3: one for 128 columns

  FloatRow() = default;
  FloatRow(const MatmulArgs& args, int row) : bytes(args.w + row * args.w_row_bytes) {
    if constexpr (Format::kDtype == Dtype::kF8E4M3) {
      const std::int64_t n_scales = (args.n_cols + kF8ScaleBlock - 1) / kF8ScaleBlock;
      scales = args.block_scales + (args.first_row + row) / kF8ScaleBlock * n_scales;
    }
  }

  HWY_INLINE F32x16 decode_at(int column) const {
    const std::byte* from = bytes + column * static_cast<std::int64_t>(sizeof(typename Format::Stored));
    if constexpr (Format::kDtype == Dtype::kF8E4M3) {
      return decode_f8(from, scales[column / kF8ScaleBlock] * 256.0f);
    } else {
      return decode<Format>(from);
    }
  }

  // Likewise where fewer than 16 columns are left; zeros beyond them.
  HWY_INLINE F32x16 decode_last(int column, int n_left) const {
    std::byte padded[kFloatLanes * sizeof(typename Format::Stored)] = {};
    const auto size = static_cast<std::int64_t>(sizeof(typename Format::Stored));
    std::memcpy(padded, bytes + column * size, static_cast<std::size_t>(n_left * size));
    FloatRow last = *this;
    last.bytes = padded;
    if constexpr (Format::kDtype == Dtype::kF8E4M3) last.scales = scales + column / kF8ScaleBlock;
    return last.decode_at(0);
  }
};

template <typename Format>
HWY_INLINE void set_rows(const MatmulArgs& args, int first, FloatRow<Format> (&rows)[kFloatRows]) {
  for (int r = 0; r < kFloatRows; ++r) rows[r] = FloatRow<Format>(args, std::min(first + r, args.n_rows - 1));
}

// ---- one token -----------------------------------------------------------------------------------------------------

// sums[r] = row r times x over a chunk of columns, lanes folded to eight; four rows, so that no addition waits.
template <typename Format>
HWY_INLINE void multiply_four_rows(const FloatRow<Format>* rows, const float* x, int chunk, int end, F32x8* sums) {
  F32x16 sum[4];
  for (int r = 0; r < 4; ++r) sum[r] = zero<F32x16>();
  int c = chunk;
  for (; c + kFloatLanes <= end; c += kFloatLanes) {
    const F32x16 x_lanes = load<F32x16>(x + c);
    for (int r = 0; r < 4; ++r) sum[r] = multiply_add(rows[r].decode_at(c), x_lanes, sum[r]);
  }
  if (c < end) {
    const F32x16 x_lanes = load_first(x + c, end - c);
    for (int r = 0; r < 4; ++r) sum[r] = multiply_add(rows[r].decode_last(c, end - c), x_lanes, sum[r]);
  }
  for (int r = 0; r < 4; ++r) sums[r] = fold(sum[r]);
}

HWY_INLINE void store_results(const F32x8& y, int n, float* to) {
  float lanes[kFloatRows];
  store(y, lanes);
  std::copy(lanes, lanes + std::min(n, kFloatRows), to);
}

template <typename Format>
void multiply_one_token_floats(const MatmulArgs& args) {
  const std::int64_t x_row = args.x_rows == nullptr ? 0 : args.x_rows[0];
  const auto* x = reinterpret_cast<const float*>(args.x + x_row * args.x_row_bytes);
  for (int first = 0; first < args.n_rows; first += kFloatRows) {
    FloatRow<Format> rows[kFloatRows];
    set_rows(args, first, rows);
    F32x8 y = zero<F32x8>();
    for (int chunk = 0; chunk < args.n_cols; chunk += kFloatChunk) {
      const int end = std::min(chunk + kFloatChunk, args.n_cols);
      F32x8 sums[kFloatRows];
      multiply_four_rows(rows, x, chunk, end, sums);
      multiply_four_rows(rows + 4, x, chunk, end, sums + 4);
      y = add(y, add_across(sums));
    }
    store_results(y, args.n_rows - first, args.y + first);
  }
}

// ---- tiles of tokens -----------------------------------------------------------------------------------------------

// A chunk of columns of eight rows in f32, and where each row of it is: here, or with the weights themselves.
struct FloatPanel {
  alignas(64) float decoded[kFloatRows][kFloatChunk];
  const float* row[kFloatRows];
  int n_cols;  // rounded up to whole vectors: the rest are zeros
};

template <typename Format>
void decode_panel(const FloatRow<Format> (&rows)[kFloatRows], int chunk, int end, FloatPanel& panel) {
  panel.n_cols = (end - chunk + kFloatLanes - 1) / kFloatLanes * kFloatLanes;
  const bool is_whole = end - chunk == panel.n_cols;
  for (int r = 0; r < kFloatRows; ++r) {
    panel.row[r] = panel.decoded[r];
    if (Format::kDtype == Dtype::kF32 && is_whole) {
      panel.row[r] = reinterpret_cast<const float*>(rows[r].bytes) + chunk;
      continue;
    }
    int c = chunk;
    for (; c + kFloatLanes <= end; c += kFloatLanes) store(rows[r].decode_at(c), panel.decoded[r] + c - chunk);
    if (c < end) store(rows[r].decode_last(c, end - c), panel.decoded[r] + c - chunk);
  }
}

// sums[t][r] = rows r0 to r0 + kTileRows - 1 of the panel times the tokens' columns, lanes folded to eight.
template <int kTokens>
HWY_INLINE void multiply_float_tile(const float* const* w, const float* const* x, int n_cols, int r0,
                                    F32x8 (&sums)[kTokens][kFloatRows]) {
  const F32x16::Tag tag;
  F32x16 sum[kTileRows][kTokens];
  for (int r = 0; r < kTileRows; ++r) {
    for (int t = 0; t < kTokens; ++t) sum[r][t] = zero<F32x16>();
  }
  for (int c = 0; c < n_cols; c += kFloatLanes) {
    for (int p = 0; p < F32x16::kParts; ++p) {
      const int at = c + p * F32x16::kPartLanes;
      FloatPart weights[kTileRows];
      for (int r = 0; r < kTileRows; ++r) weights[r] = hn::LoadU(tag, w[r0 + r] + at);
      for (int t = 0; t < kTokens; ++t) {
        const FloatPart x_lanes = hn::LoadU(tag, x[t] + at);
        for (int r = 0; r < kTileRows; ++r) sum[r][t].part[p] = hn::MulAdd(weights[r], x_lanes, sum[r][t].part[p]);
      }
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int t = 0; t < kTokens; ++t) sums[t][r0 + r] = fold(sum[r][t]);
  }
}

template <int kTokens>
HWY_NOINLINE void multiply_float_tiles(const FloatPanel& panel, const float* const* x, float (*y)[kFloatRows]) {
  F32x8 sums[kTokens][kFloatRows];
  for (int r = 0; r < kFloatRows; r += kTileRows) multiply_float_tile<kTokens>(panel.row, x, panel.n_cols, r, sums);
  for (int t = 0; t < kTokens; ++t) store(add(load<F32x8>(y[t]), add_across(sums[t])), y[t]);
}

// Tiles of kTokens, then of fewer.
template <int kTokens>
HWY_INLINE void multiply_float_panel(const FloatPanel& panel, const float* const* x, float (*y)[kFloatRows], int n) {
  for (; n >= kTokens; n -= kTokens, x += kTokens, y += kTokens) multiply_float_tiles<kTokens>(panel, x, y);
  if constexpr (kTokens > 1) multiply_float_panel<kTokens - 1>(panel, x, y, n);
}

// The tokens' activations from one column on. In a row's last, incomplete vector they are copies padded with zeros.
struct FloatChunk {
  alignas(64) float y[kFloatChunkTokens][kFloatRows];
  alignas(64) float padded[kFloatChunkTokens][kFloatChunk];
  const float* row[kFloatChunkTokens];
  const float* at[kFloatChunkTokens];
  int n_tokens;

  FloatChunk(const MatmulArgs& args, int first) : n_tokens(std::min(args.n_tokens - first, kFloatChunkTokens)) {
    for (int t = 0; t < n_tokens; ++t) {
      const std::int64_t x_row = args.x_rows == nullptr ? first + t : args.x_rows[first + t];
      row[t] = reinterpret_cast<const float*>(args.x + x_row * args.x_row_bytes);
    }
  }

  void move_to(int chunk, int end) {
    const bool is_whole = (end - chunk) % kFloatLanes == 0;
    for (int t = 0; t < n_tokens; ++t) {
      at[t] = is_whole ? row[t] + chunk : padded[t];
      if (is_whole) continue;
      std::copy(row[t] + chunk, row[t] + end, padded[t]);
      std::fill(padded[t] + (end - chunk), padded[t] + std::min(end - chunk + kFloatLanes, kFloatChunk), 0.0f);
    }
  }
};

template <typename Format>
void multiply_float_chunk(const MatmulArgs& args, int first_token) {
  FloatChunk chunk(args, first_token);
  FloatPanel panel;
  for (int first = 0; first < args.n_rows; first += kFloatRows) {
    FloatRow<Format> rows[kFloatRows];
    set_rows(args, first, rows);
    std::fill(chunk.y[0], chunk.y[chunk.n_tokens], 0.0f);
    for (int column = 0; column < args.n_cols; column += kFloatChunk) {
      const int end = std::min(column + kFloatChunk, args.n_cols);
      decode_panel(rows, column, end, panel);
      chunk.move_to(column, end);
      multiply_float_panel<kTileColumns>(panel, chunk.at, chunk.y, chunk.n_tokens);
    }
    const int n = std::min(kFloatRows, args.n_rows - first);
    for (int t = 0; t < chunk.n_tokens; ++t) {
      std::copy(chunk.y[t], chunk.y[t] + n, args.y + (first_token + t) * args.y_stride + first);
    }
  }
}

template <typename Format>
void multiply_floats(const MatmulArgs& args) {
  if (args.n_tokens == 1) return multiply_one_token_floats<Format>(args);
  for (int token = 0; token < args.n_tokens; token += kFloatChunkTokens) multiply_float_chunk<Format>(args, token);
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
