// activation.h: a row of activations in 8 bit, as matmul reads it.
//
// A row is quantised block by block: d = largest magnitude / 127, q = round(x / d) in [-127, 127]. The parts of a row
// lie in planes, not in structs, so that vector loads of q never straddle a scale. Every row starts on a multiple of
// kActivationAlignment if the first does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace r1 {

inline constexpr std::int64_t kActivationAlignment = 64;

// kQ8_32: blocks of 32. n_cols * 1.25 bytes, rounded up. Byte: std::byte to write the planes, const std::byte to read.
template <typename Byte>
struct Q8_32PlanesOf {
  template <typename T>
  using Plane = std::conditional_t<std::is_const_v<Byte>, const T, T>*;
  Plane<std::int8_t> q;  // [n_cols]
  Plane<float> d;        // [n_cols / 32]
  Plane<float> sum;      // [n_cols / 32] of the block's q: an integer, exact in f32

  static constexpr std::int64_t d_at(std::int64_t n_cols) { return n_cols; }
  static constexpr std::int64_t sum_at(std::int64_t n_cols) { return n_cols + n_cols / 8; }
  static constexpr std::int64_t bytes(std::int64_t n_cols) { return n_cols + n_cols / 4; }

  Q8_32PlanesOf(Byte* row, std::int64_t n_cols)
      : q(reinterpret_cast<Plane<std::int8_t>>(row)),
        d(reinterpret_cast<Plane<float>>(row + d_at(n_cols))),
        sum(reinterpret_cast<Plane<float>>(row + sum_at(n_cols))) {}
};
using Q8_32Planes = Q8_32PlanesOf<std::byte>;
using Q8_32Row = Q8_32PlanesOf<const std::byte>;

// kQ8_256: blocks of 256. n_cols * 1.203 bytes, rounded up.
template <typename Byte>
struct Q8_256PlanesOf {
  template <typename T>
  using Plane = std::conditional_t<std::is_const_v<Byte>, const T, T>*;
  Plane<std::int8_t> q;         // [n_cols]
  Plane<std::int16_t> sums_16;  // [n_cols / 16] of q, for formats with 16 values to a scale
  Plane<std::int16_t> sums_32;  // [n_cols / 32] of q, for those with 32
  Plane<float> d;               // [n_cols / 256]

  static constexpr std::int64_t sums_16_at(std::int64_t n_cols) { return n_cols; }
  static constexpr std::int64_t sums_32_at(std::int64_t n_cols) { return n_cols + n_cols / 8; }
  static constexpr std::int64_t d_at(std::int64_t n_cols) { return n_cols + n_cols / 16 * 3; }
  static constexpr std::int64_t bytes(std::int64_t n_cols) { return d_at(n_cols) + n_cols / 64; }

  Q8_256PlanesOf(Byte* row, std::int64_t n_cols)
      : q(reinterpret_cast<Plane<std::int8_t>>(row)),
        sums_16(reinterpret_cast<Plane<std::int16_t>>(row + sums_16_at(n_cols))),
        sums_32(reinterpret_cast<Plane<std::int16_t>>(row + sums_32_at(n_cols))),
        d(reinterpret_cast<Plane<float>>(row + d_at(n_cols))) {}
};
using Q8_256Planes = Q8_256PlanesOf<std::byte>;
using Q8_256Row = Q8_256PlanesOf<const std::byte>;

// Below this a block is all zeros: 127 / largest magnitude would overflow.
inline constexpr float kSmallestActivation = 0x1p-120f;

}  // namespace r1
