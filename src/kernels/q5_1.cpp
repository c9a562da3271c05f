// q5_1.cpp: Q5_1 from and to plain numbers.
#include "kernels/q5_1.h"

#include <algorithm>

namespace r1 {

void Q5_1::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  out.dmin = f16_to_f32(block.m);
  out.scale[0] = 1;
  out.min[0] = -1;
  for (int j = 0; j < 32; ++j) {
    const int nibble = j < 16 ? block.qs[j] & 15 : block.qs[j - 16] >> 4;
    const int fifth = block.qh[j / 8] >> (j % 8) & 1;
    out.lane[j] = static_cast<std::int8_t>(nibble | fifth << 4);
  }
}

void Q5_1::encode(const float* x, Block& block) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  block.d = scale_to_f16((*high - *low) / 31.0f);
  block.m = scale_to_f16(*low);
  const float inverse = inverse_or_zero(f16_to_f32(block.d)), m = f16_to_f32(block.m);
  std::fill(block.qh, block.qh + 4, std::uint8_t{0});
  std::fill(block.qs, block.qs + 16, std::uint8_t{0});
  for (int j = 0; j < 32; ++j) {
    const int q = round_within((x[j] - m) * inverse, 0, 31);
    block.qs[j % 16] |= static_cast<std::uint8_t>((q & 15) << (j < 16 ? 0 : 4));
    block.qh[j / 8] |= static_cast<std::uint8_t>(q >> 4 << (j % 8));
  }
}

}  // namespace r1
