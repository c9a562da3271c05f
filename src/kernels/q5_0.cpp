// q5_0.cpp: Q5_0 from and to plain numbers.
#include "kernels/q5_0.h"

#include <algorithm>
#include <cmath>

namespace r1 {

void Q5_0::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  out.scale[0] = 1;
  for (int j = 0; j < 32; ++j) {
    const int nibble = j < 16 ? block.qs[j] & 15 : block.qs[j - 16] >> 4;
    const int fifth = block.qh[j / 8] >> (j % 8) & 1;
    out.lane[j] = static_cast<std::int8_t>((nibble | fifth << 4) - 16);
  }
}

void Q5_0::encode(const float* x, Block& block) {
  float largest = 0;
  for (int j = 0; j < 32; ++j) {
    if (std::fabs(x[j]) > std::fabs(largest)) largest = x[j];
  }
  block.d = scale_to_f16(largest / -16.0f);
  const float inverse = inverse_or_zero(f16_to_f32(block.d));
  std::fill(block.qh, block.qh + 4, std::uint8_t{0});
  std::fill(block.qs, block.qs + 16, std::uint8_t{0});
  for (int j = 0; j < 32; ++j) {
    const int q = round_within(x[j] * inverse, -16, 15) + 16;
    block.qs[j % 16] |= static_cast<std::uint8_t>((q & 15) << (j < 16 ? 0 : 4));
    block.qh[j / 8] |= static_cast<std::uint8_t>(q >> 4 << (j % 8));
  }
}

}  // namespace r1
