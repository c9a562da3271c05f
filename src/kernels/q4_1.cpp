// q4_1.cpp: Q4_1 from and to plain numbers.
#include "kernels/q4_1.h"

#include <algorithm>

namespace r1 {

void Q4_1::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  out.dmin = f16_to_f32(block.m);
  out.scale[0] = 1;
  out.min[0] = -1;
  for (int j = 0; j < 16; ++j) {
    out.lane[j] = static_cast<std::int8_t>(block.qs[j] & 15);
    out.lane[j + 16] = static_cast<std::int8_t>(block.qs[j] >> 4);
  }
}

void Q4_1::encode(const float* x, Block& block) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  block.d = scale_to_f16((*high - *low) / 15.0f);
  block.m = scale_to_f16(*low);
  const float inverse = inverse_or_zero(f16_to_f32(block.d)), m = f16_to_f32(block.m);
  for (int j = 0; j < 16; ++j) {
    const int low_nibble = round_within((x[j] - m) * inverse, 0, 15);
    const int high_nibble = round_within((x[j + 16] - m) * inverse, 0, 15);
    block.qs[j] = static_cast<std::uint8_t>(low_nibble | high_nibble << 4);
  }
}

}  // namespace r1
