// plain_floats.h: the formats whose values stand alone, and the order in which their products are summed.
//
// Every sum of floats in this room runs in one order, whatever the vector width: columns are cut into chunks of
// kFloatChunk; within a chunk, 16 lanes each take every 16th column, by fused multiply-add, columns beyond the row
// counting as zeros; the lanes are added pairwise (i and i + 8, then i and i + 4, + 2, + 1); the chunks' sums are added
// in order. So machines with fused multiply-add agree bit for bit, and chunks bound both the rounding error and the
// cache a tile needs.
#pragma once

#include <cstring>

#include "base/dtype.h"
#include "base/float16.h"

namespace r1 {

inline constexpr int kFloatLanes = 16;
inline constexpr int kFloatChunk = 512;
inline constexpr int kF8ScaleBlock = 128;  // rows and columns that share one scale of F8E4M3

struct F32 {
  static constexpr Dtype kDtype = Dtype::kF32;
  using Stored = float;
  static float decode(Stored stored) { return stored; }
  static Stored encode(float value) { return value; }
};

struct F16 {
  static constexpr Dtype kDtype = Dtype::kF16;
  using Stored = std::uint16_t;
  static float decode(Stored stored) { return f16_to_f32(stored); }
  static Stored encode(float value) { return f32_to_f16(value); }
};

struct BF16 {
  static constexpr Dtype kDtype = Dtype::kBF16;
  using Stored = std::uint16_t;
  static float decode(Stored stored) { return bf16_to_f32(stored); }
  static Stored encode(float value) { return f32_to_bf16(value); }
};

struct F8E4M3 {
  static constexpr Dtype kDtype = Dtype::kF8E4M3;
  using Stored = std::uint8_t;
  static float decode(Stored stored) { return f8e4m3_to_f32(stored); }
  static Stored encode(float value) { return f32_to_f8e4m3(value); }
};

// Rows come from mapped files, which need not align them.
template <typename T>
T load_unaligned(const void* address) {
  T value;
  std::memcpy(&value, address, sizeof(T));
  return value;
}

}  // namespace r1
