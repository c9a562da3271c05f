// float_rows.h: rows of float weights as stored, decoded 16 values at a time.
#pragma once

#include <cstring>

#include "kernels/kernels.h"
#include "kernels/simd_floats.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

// 16 weights; F8E4M3 times their scale, of which it wants 256 times.
template <typename Format>
HWY_INLINE F32x16 decode_scaled(const std::byte* from, float scale_times_256) {
  if constexpr (Format::kDtype == Dtype::kF8E4M3) {
    return decode_f8(from, scale_times_256);
  } else {
    return decode<Format>(from);
  }
}

// A row of weights as stored.
template <typename Format>
struct FloatRow {
  const std::byte* bytes;
  const float* scales = nullptr;  // F8E4M3: one for 128 columns

  FloatRow(const MatmulArgs& args, int row) : bytes(args.w + row * args.w_row_bytes) {
    if constexpr (Format::kDtype == Dtype::kF8E4M3) {
      const std::int64_t n_scales = (args.n_cols + kF8ScaleBlock - 1) / kF8ScaleBlock;
      scales = args.block_scales + (args.first_row + row) / kF8ScaleBlock * n_scales;
    }
  }
  HWY_INLINE const std::byte* at(int column) const {
    return bytes + column * static_cast<std::int64_t>(sizeof(typename Format::Stored));
  }
  HWY_INLINE float scale_at(int column) const {
    return Format::kDtype == Dtype::kF8E4M3 ? scales[column / kF8ScaleBlock] * 256.0f : 0.0f;
  }
  HWY_INLINE F32x16 decode_at(int column) const { return decode_scaled<Format>(at(column), scale_at(column)); }

  // The last columns, fewer than 16, and zeros after them.
  void copy_last(int column, int n_left, std::byte (&padded)[kFloatLanes * 4]) const {
    std::memset(padded, 0, sizeof padded);
    std::memcpy(padded, at(column), static_cast<std::size_t>(n_left) * sizeof(typename Format::Stored));
  }
};

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
