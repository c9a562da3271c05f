// matmul_floats.h: products of float weights with f32 activations, in the order plain_floats.h fixes.
//
// One token: row after row, as memory likes to be read, weights are decoded in registers; bound by reading them.
// More tokens: eight rows by a chunk of columns are decoded once into L1, and tiles of rows by tokens pass over them;
// bound by fused multiply-adds, two a cycle. Many tokens by short rows: short_float_rows.h.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/float_rows.h"
#include "kernels/short_float_rows.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kFloatRows = 8;  // a group of rows: what add_across adds at once
// Rows and tokens of a tile: as many sums as registers hold beside the operands.
inline constexpr int kTileRows = 4, kTileColumns = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 6 : 3;
inline constexpr int kFloatChunkTokens = 48;  // tokens whose activations stay in L2 while a group of rows passes

// ---- one token -----------------------------------------------------------------------------------------------------

// The sum over one chunk of columns of a row, lanes folded to eight.
template <typename Format>
HWY_INLINE F32x8 multiply_chunk_of_row(const FloatRow<Format>& row, const float* x, int chunk, int end) {
  constexpr int kStep = Format::kDtype == Dtype::kF8E4M3 ? kF8ScaleBlock : kFloatChunk;
  const int whole_end = end - (end - chunk) % kFloatLanes;
  F32x16 sum = zero<F32x16>();
  for (int step = chunk; step < whole_end; step += kStep) {
    const float scale = row.scale_at(step);
    for (int c = step; c < std::min(step + kStep, whole_end); c += kFloatLanes) {
      sum = multiply_add(decode_scaled<Format>(row.at(c), scale), load<F32x16>(x + c), sum);
    }
  }
  if (whole_end < end) {
    std::byte padded[kFloatLanes * 4];
    row.copy_last(whole_end, end - whole_end, padded);
    const F32x16 weights = decode_scaled<Format>(padded, row.scale_at(whole_end));
    sum = multiply_add(weights, load_first<F32x16>(x + whole_end, end - whole_end), sum);
  }
  return fold(sum);
}

inline constexpr int kRunChunks = 16;  // chunks of a row multiplied before the next row's: long runs, for prefetching

// sums[i] = the sum over chunk i of a run of columns. One row at a time: two at once are 20 % faster in cache, but half
// as fast from memory where rows are a power of two apart (Zen 4).
template <typename Format>
HWY_INLINE void multiply_float_run(const FloatRow<Format>& row, const float* x, int begin, int end, float* sums) {
  for (int column = begin; column < end; column += 8 * kFloatChunk, sums += 8) {
    F32x8 chunks[8];
    for (int i = 0; i < 8; ++i) {
      const int chunk = column + i * kFloatChunk;
      chunks[i] = zero<F32x8>();
      if (chunk < end) chunks[i] = multiply_chunk_of_row(row, x, chunk, std::min(chunk + kFloatChunk, end));
    }
    store(add_across(VectorsInMemory<F32x8>{chunks}), sums);
  }
}

// y = y + the sums of chunks, in order, for eight rows.
HWY_INLINE F32x8 add_chunks_in_order(const float (*sums)[kRunChunks], int n_chunks, F32x8 y) {
  for (int first = 0; first < n_chunks; first += 8) {
    U32x8 v[8];
    R1_UNROLL
    for (int r = 0; r < kFloatRows; ++r) v[r] = load<U32x8>(sums[r] + first);
    transpose(v);
    for (int i = 0; i < std::min(8, n_chunks - first); ++i) y = add(y, bit_cast<F32x8>(v[i]));
  }
  return y;
}

template <typename Format>
void multiply_one_token_floats(const MatmulArgs& args) {
  const std::int64_t x_row = args.x_rows == nullptr ? 0 : args.x_rows[0];
  const auto* x = reinterpret_cast<const float*>(args.x + x_row * args.x_row_bytes);
  alignas(64) float sums[kFloatRows][kRunChunks] = {};
  for (int first = 0; first < args.n_rows; first += kFloatRows) {
    const int n_rows = std::min(kFloatRows, args.n_rows - first);
    F32x8 y = zero<F32x8>();
    for (int begin = 0; begin < args.n_cols; begin += kRunChunks * kFloatChunk) {
      const int end = std::min(begin + kRunChunks * kFloatChunk, args.n_cols);
      for (int r = 0; r < n_rows; ++r) {
        multiply_float_run(FloatRow<Format>(args, first + r), x, begin, end, sums[r]);
      }
      y = add_chunks_in_order(sums, (end - begin + kFloatChunk - 1) / kFloatChunk, y);
    }
    float results[kFloatRows];
    store(y, results);
    std::copy(results, results + n_rows, args.y + first);
  }
}

// ---- tiles of tokens -----------------------------------------------------------------------------------------------

// A chunk of columns of eight rows in f32. F32 weights are copied too: rows a power of two apart evict each other.
struct FloatPanel {
  alignas(64) float row[kFloatRows][kFloatChunk];
  int n_cols;  // rounded up to whole vectors: the rest are zeros
};

template <typename Format>
void decode_panel(const MatmulArgs& args, int first_row, int chunk, int end, FloatPanel& panel) {
  panel.n_cols = (end - chunk + kFloatLanes - 1) / kFloatLanes * kFloatLanes;
  for (int r = 0; r < kFloatRows; ++r) {
    const FloatRow<Format> row(args, std::min(first_row + r, args.n_rows - 1));
    const std::byte* next = args.w_next == nullptr ? row.bytes : args.w_next + (row.bytes - args.w);
    const auto size = static_cast<std::int64_t>(sizeof(typename Format::Stored));
    int c = chunk;
    for (; c + kFloatLanes <= end; c += kFloatLanes) {
      __builtin_prefetch(row.at(c) + kFloatRows * args.w_row_bytes);  // the next panel's comes while this one is used
      __builtin_prefetch(next + c * size, 0, 2);
      store(row.decode_at(c), panel.row[r] + c - chunk);
    }
    if (c == end) continue;
    std::byte padded[kFloatLanes * 4];
    row.copy_last(c, end - c, padded);
    store(decode_scaled<Format>(padded, row.scale_at(c)), panel.row[r] + c - chunk);
  }
}

// sums[t][r] = rows r0 to r0 + kTileRows - 1 of the panel times the tokens' columns, lanes folded to eight. Part by
// part of a vector: with all parts at once fewer rows and tokens would share what is loaded.
template <int kTokens>
HWY_INLINE void multiply_float_tile(const float (*w)[kFloatChunk], const float* const* x, int n_cols, int r0,
                                    F32x8 (&sums)[kTokens][kFloatRows]) {
  const F32x16::Tag tag;
  F32x16 parts[kTileRows][kTokens];
  R1_UNROLL
  for (int p = 0; p < F32x16::kParts; ++p) {
    FloatPart sum[kTileRows][kTokens];
    R1_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      R1_UNROLL
      for (int t = 0; t < kTokens; ++t) sum[r][t] = hn::Zero(tag);
    }
    for (int c = p * F32x16::kPartLanes; c < n_cols; c += kFloatLanes) {
      FloatPart weights[kTileRows];
      R1_UNROLL
      for (int r = 0; r < kTileRows; ++r) weights[r] = hn::LoadU(tag, w[r0 + r] + c);
      R1_UNROLL
      for (int t = 0; t < kTokens; ++t) {
        FloatPart x_lanes = hn::LoadU(tag, x[t] + c);
        keep_in_register(x_lanes);
        R1_UNROLL
        for (int r = 0; r < kTileRows; ++r) sum[r][t] = hn::MulAdd(weights[r], x_lanes, sum[r][t]);
      }
    }
    R1_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      R1_UNROLL
      for (int t = 0; t < kTokens; ++t) parts[r][t].part[p] = sum[r][t];
    }
  }
  R1_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) sums[t][r0 + r] = fold(parts[r][t]);
  }
}

template <int kTokens>
HWY_NOINLINE void multiply_float_tiles(const FloatPanel& panel, const float* const* x, float (*y)[kFloatRows]) {
  F32x8 sums[kTokens][kFloatRows];
  for (int r = 0; r < kFloatRows; r += kTileRows) multiply_float_tile<kTokens>(panel.row, x, panel.n_cols, r, sums);
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) store(add(load<F32x8>(y[t]), add_across(VectorsInMemory<F32x8>{sums[t]})), y[t]);
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
    std::memset(chunk.y, 0, static_cast<std::size_t>(chunk.n_tokens) * sizeof(chunk.y[0]));
    for (int column = 0; column < args.n_cols; column += kFloatChunk) {
      const int end = std::min(column + kFloatChunk, args.n_cols);
      decode_panel<Format>(args, first, column, end, panel);
      chunk.move_to(column, end);
      multiply_float_panel<kTileColumns>(panel, chunk.at, chunk.y, chunk.n_tokens);
    }
    const int n = std::min(kFloatRows, args.n_rows - first);
    for (int t = 0; t < chunk.n_tokens; ++t) {
      float* y = args.y + (first_token + t) * args.y_stride + first;
      // Eight at once where all are wanted: a copy of any length is a call.
      if (n == kFloatRows) {
        store(load<F32x8>(chunk.y[t]), y);
      } else {
        std::copy(chunk.y[t], chunk.y[t] + n, y);
      }
    }
  }
}

template <typename Format>
void multiply_floats(const MatmulArgs& args) {
  if (args.n_tokens == 1) return multiply_one_token_floats<Format>(args);
  if (args.n_tokens >= kManyTokens && args.n_cols <= kFloatChunk) return multiply_short_rows<Format>(args);
  for (int token = 0; token < args.n_tokens; token += kFloatChunkTokens) multiply_float_chunk<Format>(args, token);
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
