// block.h: what the block formats have in common: packed structs, and one block written out as plain numbers.
//
// A format is a struct with these members; q4_k.h is one to read first:
//   kDtype, kBlockValues (32 or 256), kGroup (values that share an integer scale), kHasMin, Block (the bytes),
//   unpack(block, unpacked), encode(x, block).
#pragma once

#include <cmath>
#include <cstdint>

#include "base/float16.h"

namespace r1 {

inline constexpr int kMaxBlockValues = 256;
inline constexpr int kMaxGroups = 16;

// value[c] = d * scale[c / kGroup] * lane[c] - dmin * min[c / kGroup], the products taken from the left in f32: GGML's
// order, so that dequantised values agree with it bit for bit.
struct Unpacked {
  float d = 0, dmin = 0;
  int scale[kMaxGroups];
  int min[kMaxGroups];
  std::int8_t lane[kMaxBlockValues];
};

// For encoders: the nearest integer in [low, high]; NaN gives low.
inline int round_within(float value, int low, int high) {
  if (!(value > static_cast<float>(low))) return low;
  if (value > static_cast<float>(high)) return high;
  return static_cast<int>(std::lrintf(value));
}

// A block's scale as stored: finite, whatever the values were.
inline std::uint16_t scale_to_f16(float scale) {
  if (!(std::fabs(scale) <= 65504.0f)) return std::isnan(scale) ? 0 : f32_to_f16(std::copysign(65504.0f, scale));
  return f32_to_f16(scale);
}

inline float inverse_or_zero(float scale) {
  const float inverse = 1.0f / scale;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

}  // namespace r1
