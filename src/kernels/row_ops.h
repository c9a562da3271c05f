// row_ops.h: float_ops.h and the quantisation of activations, on vectors of 16.
//
// A row's last, incomplete vector is padded and computed like the others: a value gives the same wherever it stands.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/activation.h"
#include "kernels/float_ops.h"
#include "kernels/kernels.h"
#include "kernels/simd_floats.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline float dot_row(const float* a, const float* b, std::int64_t n) {
  float total = 0;
  for (std::int64_t chunk = 0; chunk < n; chunk += kFloatChunk) {
    const std::int64_t end = std::min(chunk + kFloatChunk, n);
    F32x16 sum = zero<F32x16>();
    for (std::int64_t i = chunk; i < end; i += kFloatLanes) {
      sum = multiply_add(load_first<F32x16>(a + i, end - i), load_first<F32x16>(b + i, end - i), sum);
    }
    total += sum_of_lanes(sum);
  }
  return total;
}

inline float dot3_row(const float* a, const float* b, const float* c, std::int64_t n) {
  float total = 0;
  for (std::int64_t chunk = 0; chunk < n; chunk += kFloatChunk) {
    const std::int64_t end = std::min(chunk + kFloatChunk, n);
    F32x16 sum = zero<F32x16>();
    for (std::int64_t i = chunk; i < end; i += kFloatLanes) {
      const F32x16 product = mul(load_first<F32x16>(a + i, end - i), load_first<F32x16>(b + i, end - i));
      sum = multiply_add(product, load_first<F32x16>(c + i, end - i), sum);
    }
    total += sum_of_lanes(sum);
  }
  return total;
}

inline float max_of_row(const float* x, std::int64_t n) {
  F32x16 largest = set<F32x16>(x[0]);
  for (std::int64_t i = 0; i < n; i += kFloatLanes) {
    const F32x16 v = load_first<F32x16>(x + i, n - i, x[0]);
    R1_UNROLL
    for (int p = 0; p < F32x16::kParts; ++p) largest.part[p] = hn::Max(largest.part[p], v.part[p]);
  }
  float lanes[kFloatLanes];
  store(largest, lanes);
  return *std::max_element(lanes, lanes + kFloatLanes);
}

inline void add_rows(const float* a, const float* b, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kFloatLanes) {
    store_first(add(load_first<F32x16>(a + i, n - i), load_first<F32x16>(b + i, n - i)), n - i, y + i);
  }
}

inline void scale_row(float* x, float factor, std::int64_t n) {
  const F32x16 factors = set<F32x16>(factor);
  for (std::int64_t i = 0; i < n; i += kFloatLanes)
    store_first(mul(load_first<F32x16>(x + i, n - i), factors), n - i, x + i);
}

inline void add_scaled_row(const float* x, float factor, float* y, std::int64_t n) {
  const F32x16 factors = set<F32x16>(factor);
  for (std::int64_t i = 0; i < n; i += kFloatLanes) {
    store_first(multiply_add(factors, load_first<F32x16>(x + i, n - i), load_first<F32x16>(y + i, n - i)), n - i,
                y + i);
  }
}

inline void add_scaled_product_row(const float* a, const float* b, float factor, float* y, std::int64_t n) {
  const F32x16 factors = set<F32x16>(factor);
  for (std::int64_t i = 0; i < n; i += kFloatLanes) {
    const F32x16 scaled = mul(factors, load_first<F32x16>(a + i, n - i));
    store_first(multiply_add(scaled, load_first<F32x16>(b + i, n - i), load_first<F32x16>(y + i, n - i)), n - i, y + i);
  }
}

inline void rms_norm_row(const float* x, const float* weight, float eps, float* y, std::int64_t n) {
  const float mean = dot_row(x, x, n) / static_cast<float>(n);
  const F32x16 inverse = set<F32x16>(1.0f / std::sqrt(mean + eps));
  for (std::int64_t i = 0; i < n; i += kFloatLanes) {
    store_first(mul(mul(load_first<F32x16>(x + i, n - i), inverse), load_first<F32x16>(weight + i, n - i)), n - i,
                y + i);
  }
}

inline float exp_and_sum_row(float* x, float shift, std::int64_t n) {
  const F32x16 shifts = set<F32x16>(shift);
  float total = 0;
  for (std::int64_t chunk = 0; chunk < n; chunk += kFloatChunk) {
    const std::int64_t end = std::min(chunk + kFloatChunk, n);
    F32x16 sum = zero<F32x16>();
    std::int64_t i = chunk;
    for (; i + kFloatLanes <= end; i += kFloatLanes) {
      const F32x16 v = exp(sub(load<F32x16>(x + i), shifts));
      store(v, x + i);
      sum = add(sum, v);
    }
    if (i < end) {
      store_first(exp(sub(load_first<F32x16>(x + i, end - i), shifts)), end - i, x + i);
      sum = add(sum, load_first<F32x16>(x + i, end - i));  // loaded again: what pads the vector isn't counted
    }
    total += sum_of_lanes(sum);
  }
  return total;
}

// v / (1 + exp(-v)), and the same with 1 above.
HWY_INLINE F32x16 over_one_plus_exp(F32x16 above, const F32x16& v) {
  const F32x16 below = add(set<F32x16>(1.0f), exp(sub(zero<F32x16>(), v)));
  R1_UNROLL
  for (int p = 0; p < F32x16::kParts; ++p) above.part[p] = hn::Div(above.part[p], below.part[p]);
  return above;
}

inline void sigmoid_row(float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kFloatLanes) {
    store_first(over_one_plus_exp(set<F32x16>(1.0f), load_first<F32x16>(x + i, n - i)), n - i, x + i);
  }
}

inline void silu_mul_row(const float* gate, const float* up, float* y, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kFloatLanes) {
    const F32x16 v = load_first<F32x16>(gate + i, n - i);
    store_first(mul(over_one_plus_exp(v, v), load_first<F32x16>(up + i, n - i)), n - i, y + i);
  }
}

// ---- products with W itself ---------------------------------------------------------------------------------------

inline constexpr int kBlockRows = 64, kBlockColumns = 64;  // decoded at a time: 16 KB
// Tokens and vectors of 16 columns of a tile: as many sums as registers hold beside the operands, and enough of them to
// hide the latency of an addition.
inline constexpr int kRowTokens = HWY_TARGET == HWY_AVX3 ? 8 : HWY_TARGET == HWY_SSE4 ? 3 : 6;
inline constexpr int kRowVectors = HWY_TARGET == HWY_AVX3 ? 2 : 1;

struct AccumulateBlock {
  const float (*w)[kBlockColumns];  // from the tile's first column on
  int first_row, n_rows;
  int column, n_columns;  // at most kRowVectors * 16
};

// y = y + x * w over a block's rows, kVectors times 16 columns, kTokens tokens.
template <int kTokens, int kVectors>
HWY_INLINE void accumulate_tokens(const AccumulateArgs& args, const AccumulateBlock& block, int token) {
  F32x16 y[kTokens][kVectors];
  float* to = args.y + token * args.y_stride + block.column;
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    R1_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      y[t][v] = load_first<F32x16>(to + t * args.y_stride + v * kFloatLanes, block.n_columns - v * kFloatLanes);
      if (block.first_row != 0) continue;
      y[t][v] = args.alpha == nullptr ? zero<F32x16>() : mul(set<F32x16>(args.alpha[token + t]), y[t][v]);
    }
  }
  const float* x = args.x + token * args.x_stride + block.first_row;
  for (int r = 0; r < block.n_rows; ++r) {
    F32x16 weights[kVectors];
    R1_UNROLL
    for (int v = 0; v < kVectors; ++v) weights[v] = load<F32x16>(block.w[r] + v * kFloatLanes);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      const F32x16 factor = set<F32x16>(x[t * args.x_stride + r]);
      R1_UNROLL
      for (int v = 0; v < kVectors; ++v) y[t][v] = multiply_add(factor, weights[v], y[t][v]);
    }
  }
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    R1_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      store_first(y[t][v], block.n_columns - v * kFloatLanes, to + t * args.y_stride + v * kFloatLanes);
    }
  }
}

// Tiles of kTokens, then of fewer.
template <int kVectors, int kTokens = kRowTokens>
HWY_INLINE void accumulate_block(const AccumulateArgs& args, const AccumulateBlock& block, int token = 0) {
  for (; token + kTokens <= args.n_tokens; token += kTokens) accumulate_tokens<kTokens, kVectors>(args, block, token);
  constexpr int kFewer = kTokens > 2 ? kTokens - 2 : kTokens - 1;
  if constexpr (kFewer > 0) accumulate_block<kVectors, kFewer>(args, block, token);
}

template <typename Format>
HWY_INLINE void decode_block(const std::byte* from, const std::byte* next, std::int64_t row_bytes, int n_rows,
                             int n_columns, float (*decoded)[kBlockColumns]) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(typename Format::Stored));
  for (int r = 0; r < n_rows; ++r, from += row_bytes, next += row_bytes) {
    int c = 0;
    for (; c + kFloatLanes <= n_columns; c += kFloatLanes) {
      __builtin_prefetch(next + c * kSize, 0, 2);
      store(decode<Format>(from + c * kSize), decoded[r] + c);
    }
    for (; c < n_columns; ++c) {
      decoded[r][c] = Format::decode(load_unaligned<typename Format::Stored>(from + c * kSize));
    }
  }
}

template <typename Format>
void accumulate(const AccumulateArgs& args) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(typename Format::Stored));
  constexpr int kColumnsAtOnce = kRowVectors * kFloatLanes;
  alignas(64) float decoded[kBlockRows][kBlockColumns] = {};
  const std::byte* next = args.w_next == nullptr ? args.w : args.w_next;
  // At least once, so that y is scaled or cleared even where there are no rows.
  for (int first_row = 0; first_row == 0 || first_row < args.n_rows; first_row += kBlockRows) {
    const int n_rows = std::min(kBlockRows, args.n_rows - first_row);
    for (int column = 0; column < args.n_cols; column += kBlockColumns) {
      const int n_columns = std::min(kBlockColumns, args.n_cols - column);
      const std::int64_t at = first_row * args.w_row_bytes + column * kSize;
      decode_block<Format>(args.w + at, next + at, args.w_row_bytes, n_rows, n_columns, decoded);
      for (int c = 0; c < n_columns; c += kColumnsAtOnce) {
        const auto* w = reinterpret_cast<const float(*)[kBlockColumns]>(decoded[0] + c);
        const int n = std::min(kColumnsAtOnce, n_columns - c);
        const AccumulateBlock block{w, first_row, n_rows, column + c, n};
        n <= kFloatLanes ? accumulate_block<1>(args, block) : accumulate_block<kRowVectors>(args, block);
      }
    }
  }
}

template <typename Format>
void widen_row(const std::byte* src, float* dst, std::int64_t n_values) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(typename Format::Stored));
  std::int64_t i = 0;
  for (; i + kFloatLanes <= n_values; i += kFloatLanes) store(decode<Format>(src + i * kSize), dst + i);
  for (; i < n_values; ++i) dst[i] = Format::decode(load_unaligned<typename Format::Stored>(src + i * kSize));
}

inline void accumulate_any(const AccumulateArgs& args) {
  if (args.dtype == Dtype::kF16) return accumulate<F16>(args);
  if (args.dtype == Dtype::kBF16) return accumulate<BF16>(args);
  return accumulate<F32>(args);
}

// ---- activations --------------------------------------------------------------------------------------------------

// The bits of the largest magnitude among n values, a multiple of 16; NaN is the largest.
HWY_INLINE std::uint32_t largest_bits(const float* x, int n) {
  using Bits = Vector<std::int32_t, 16>;
  Bits largest = zero<Bits>();
  for (int i = 0; i < n; i += kFloatLanes) {
    const Bits bits = bit_and(load<Bits>(x + i), set<Bits>(0x7fffffff));
    R1_UNROLL
    for (int p = 0; p < Bits::kParts; ++p) largest.part[p] = hn::Max(largest.part[p], bits.part[p]);
  }
  std::int32_t lanes[kFloatLanes];
  store(largest, lanes);
  return static_cast<std::uint32_t>(*std::max_element(lanes, lanes + kFloatLanes));
}

// Quantises 16 values; returns the sum of their integers.
HWY_INLINE int quantize_16(const float* x, float inverse, std::int8_t* q) {
  const F32x16::Tag tag;
  const hn::RebindToSigned<F32x16::Tag> whole;
  const hn::Rebind<std::int8_t, F32x16::Tag> byte;
  const F32x16 scaled = mul(load<F32x16>(x), set<F32x16>(inverse));
  auto sum = hn::Zero(whole);
  R1_UNROLL
  for (int p = 0; p < F32x16::kParts; ++p) {
    const auto clamped = hn::Min(hn::Max(scaled.part[p], hn::Set(tag, -127.0f)), hn::Set(tag, 127.0f));
    const auto rounded = hn::NearestInt(clamped);
    hn::StoreU(hn::DemoteTo(byte, rounded), byte, q + p * F32x16::kPartLanes);
    sum = hn::Add(sum, rounded);
  }
  return hn::GetLane(hn::SumOfLanes(whole, sum));
}

// portable.cpp's steps: the scale of a block, its integers, and for every 16 of them their sum.
HWY_INLINE float quantize_block(const float* x, int n, std::int8_t* q, int* sums) {
  const auto largest = std::bit_cast<float>(largest_bits(x, n));
  if (largest < kSmallestActivation) {
    std::fill(q, q + n, std::int8_t{0});
    std::fill(sums, sums + n / 16, 0);
    return 0;
  }
  const float inverse = 127.0f / largest;
  for (int i = 0; i < n; i += 16) sums[i / 16] = quantize_16(x + i, inverse, q + i);
  return largest / 127.0f;
}

inline void quantize_q8_32(const float* x, std::byte* dst, std::int64_t n_cols) {
  const Q8_32Planes row(dst, n_cols);
  for (std::int64_t b = 0; b < n_cols / 32; ++b) {
    int sums[2];
    row.d[b] = quantize_block(x + 32 * b, 32, row.q + 32 * b, sums);
    row.sum[b] = static_cast<float>(sums[0] + sums[1]);
  }
}

inline void quantize_q8_256(const float* x, std::byte* dst, std::int64_t n_cols) {
  const Q8_256Planes row(dst, n_cols);
  for (std::int64_t b = 0; b < n_cols / 256; ++b) {
    int sums[16];
    row.d[b] = quantize_block(x + 256 * b, 256, row.q + 256 * b, sums);
    for (int i = 0; i < 16; ++i) row.sums_16[16 * b + i] = static_cast<std::int16_t>(sums[i]);
    for (int i = 0; i < 8; ++i) row.sums_32[8 * b + i] = static_cast<std::int16_t>(sums[2 * i] + sums[2 * i + 1]);
  }
}

inline void quantize_row(ActivationFormat format, const float* x, std::byte* dst, std::int64_t n_cols) {
  if (format == ActivationFormat::kQ8_32) return quantize_q8_32(x, dst, n_cols);
  if (format == ActivationFormat::kQ8_256) return quantize_q8_256(x, dst, n_cols);
  std::memcpy(dst, x, static_cast<std::size_t>(n_cols) * sizeof(float));
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
