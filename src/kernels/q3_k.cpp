// q3_k.cpp: Q3_K from and to plain numbers.
#include "kernels/q3_k.h"

#include <cmath>

#include "kernels/quantize_search.h"

namespace r1 {

void Q3_K::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  for (int g = 0; g < 16; ++g) {
    const int low = block.scales[g % 8] >> (4 * (g / 8)) & 15;
    const int high = block.scales[8 + g % 4] >> (2 * (g / 4)) & 3;
    out.scale[g] = (low | high << 4) - 32;
  }
  for (int c = 0; c < 256; ++c) {
    const int half = c / 128, k = c % 128 / 32;
    const int low = block.qs[32 * half + c % 32] >> (2 * k) & 3;
    const int third = block.hmask[c % 32] >> (c / 32) & 1;
    out.lane[c] = static_cast<std::int8_t>((low | third << 2) - 4);
  }
}

void Q3_K::encode(const float* x, Block& block) {
  float scales[16];
  float largest = 0;
  for (int g = 0; g < 16; ++g) {
    scales[g] = search_scale({x + 16 * g, 16}, 4);
    if (std::fabs(scales[g]) > std::fabs(largest)) largest = scales[g];
  }
  block = Block{};
  block.d = scale_to_f16(largest / -32.0f);
  const float d = f16_to_f32(block.d), inverse = inverse_or_zero(d);
  for (int g = 0; g < 16; ++g) {
    const int scale = round_within(scales[g] * inverse, -32, 31);
    block.scales[g % 8] |= static_cast<std::uint8_t>(((scale + 32) & 15) << (4 * (g / 8)));
    block.scales[8 + g % 4] |= static_cast<std::uint8_t>((scale + 32) >> 4 << (2 * (g / 4)));
    const float group_inverse = inverse_or_zero(d * static_cast<float>(scale));
    for (int c = 16 * g; c < 16 * g + 16; ++c) {
      const int q = round_within(x[c] * group_inverse, -4, 3) + 4;
      block.qs[32 * (c / 128) + c % 32] |= static_cast<std::uint8_t>((q & 3) << (2 * (c % 128 / 32)));
      block.hmask[c % 32] |= static_cast<std::uint8_t>(q >> 2 << (c / 32));
    }
  }
}

}  // namespace r1
