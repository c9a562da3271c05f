// activation.h: a row of activations in 8 bit, as matmul reads it.
//
// A row is quantised block by block: d = largest magnitude / 127, q = round(x / d) in [-127, 127]. The parts of a row
// lie in planes, not in structs, so that vector loads of q never straddle a scale. Every row starts on a multiple of
// kActivationAlignment if the first does.
#pragma once

#include <cstddef>
#include <cstdint>

namespace r1 {

inline constexpr std::int64_t kActivationAlignment = 64;

// kQ8_32: blocks of 32. n_cols * 1.25 bytes, rounded up.
struct Q8_32Row {
  const std::int8_t* q;  // [n_cols]
  const float* d;        // [n_cols / 32]
  const float* sum;      // [n_cols / 32] of the block's q: an integer, exact in f32

  Q8_32Row(const std::byte* row, std::int64_t n_cols)
      : q(reinterpret_cast<const std::int8_t*>(row)),
        d(reinterpret_cast<const float*>(row + n_cols)),
        sum(d + n_cols / 32) {}
  static constexpr std::int64_t bytes(std::int64_t n_cols) { return n_cols + n_cols / 32 * 8; }
};

// kQ8_256: blocks of 256. n_cols * 1.203 bytes, rounded up.
struct Q8_256Row {
  const std::int8_t* q;         // [n_cols]
  const std::int16_t* sums_16;  // [n_cols / 16] of q, for formats with 16 values to a scale
  const std::int16_t* sums_32;  // [n_cols / 32] of q, for those with 32
  const float* d;               // [n_cols / 256]

  Q8_256Row(const std::byte* row, std::int64_t n_cols)
      : q(reinterpret_cast<const std::int8_t*>(row)),
        sums_16(reinterpret_cast<const std::int16_t*>(row + n_cols)),
        sums_32(sums_16 + n_cols / 16),
        d(reinterpret_cast<const float*>(sums_32 + n_cols / 32)) {}
  static constexpr std::int64_t bytes(std::int64_t n_cols) { return n_cols + n_cols / 16 * 3 + n_cols / 256 * 4; }
};

// Below this a block is all zeros: 127 / largest magnitude would overflow.
inline constexpr float kSmallestActivation = 0x1p-120f;

}  // namespace r1
