// float16.cpp: the one conversion too long for a header.
#include "base/float16.h"

#include <cmath>

namespace r1 {

std::uint8_t f32_to_f8e4m3(float value) {
  const auto sign = static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(value) >> 24 & 0x80u);
  const float magnitude = std::fabs(value);
  if (std::isnan(magnitude)) return sign | 0x7fu;
  if (magnitude >= 448.0f) return sign | 0x7eu;
  if (magnitude < 0x1p-6f)
    return static_cast<std::uint8_t>(sign | std::lrint(magnitude * 0x1p9f));  // subnormal steps of 2^-9
  const auto bits = std::bit_cast<std::uint32_t>(magnitude);
  const std::uint32_t rounded = bits + 0x7ffffu + ((bits >> 20) & 1u);
  return static_cast<std::uint8_t>(sign | ((rounded - 0x3c000000u) >> 20));
}

}  // namespace r1
