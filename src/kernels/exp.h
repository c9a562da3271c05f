// exp.h: the numbers of our exponential function, and the function itself for one value.
//
// exp(x) = 2^n * exp(r) with n = round(x / ln 2) and |r| <= ln 2 / 2; exp(r) = 1 + r + r^2 * q(r), q of degree four,
// its relative error 3e-9 (Lawson's weighted least squares). The SIMD kernels take the same steps with the same fused
// multiply-adds, so a lane gives what this gives. Error: 1 ulp where the result is a normal number (float_ops_test.cpp
// tries every float).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace r1 {

inline constexpr float kExpQ[5] = {0x1.fffffcp-2f, 0x1.555490p-3f, 0x1.5558fcp-5f, 0x1.123b9ap-7f, 0x1.6a215ap-10f};
inline constexpr float kLog2E = 0x1.715476p+0f;
inline constexpr float kLn2High = 0x1.62e400p-1f, kLn2Low = 0x1.7f7d1cp-20f;  // their sum is ln 2 to 2^-45
inline constexpr float kRoundMagic = 0x1.8p23f;                               // adding it rounds to an integer
inline constexpr float kExpLowest = -104.0f, kExpHighest = 89.0f;             // beyond: 0 and infinity

inline float exp_one(float x) {
  x = x < kExpLowest ? kExpLowest : x;
  x = x > kExpHighest ? kExpHighest : x;
  const float shifted = std::fma(x, kLog2E, kRoundMagic);
  const float n = shifted - kRoundMagic;
  const float r = std::fma(n, -kLn2Low, std::fma(n, -kLn2High, x));
  float q = kExpQ[4];
  for (int i = 3; i >= 0; --i) q = std::fma(q, r, kExpQ[i]);
  const float exp_r = std::fma(q, r * r, r) + 1.0f;
  // 2^n in two factors, so that results below the normal range are rounded by a multiplication.
  const auto whole = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(kRoundMagic);
  const std::int32_t half = whole >> 1;
  const float first = std::bit_cast<float>((half + 127) << 23);
  const float second = std::bit_cast<float>((whole - half + 127) << 23);
  return exp_r * first * second;
}

}  // namespace r1
