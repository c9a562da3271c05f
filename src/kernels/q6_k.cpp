// q6_k.cpp: Q6_K from and to plain numbers.
#include "kernels/q6_k.h"

#include <cmath>

#include "kernels/quantize_search.h"

namespace r1 {

void Q6_K::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  for (int g = 0; g < 16; ++g) out.scale[g] = block.scales[g];
  for (int c = 0; c < 256; ++c) {
    const int half = c / 128, j = c % 128;
    const int low = block.ql[64 * half + j % 64] >> (4 * (j / 64)) & 15;
    const int high = block.qh[32 * half + j % 32] >> (2 * (j / 32)) & 3;
    out.lane[c] = static_cast<std::int8_t>((low | high << 4) - 32);
  }
}

void Q6_K::encode(const float* x, Block& block) {
  float scales[16];
  float largest = 0;
  for (int g = 0; g < 16; ++g) {
    scales[g] = search_scale({x + 16 * g, 16}, 32);
    if (std::fabs(scales[g]) > std::fabs(largest)) largest = scales[g];
  }
  block = Block{};
  block.d = scale_to_f16(largest / -128.0f);
  const float d = f16_to_f32(block.d), inverse = inverse_or_zero(d);
  for (int g = 0; g < 16; ++g) {
    const int scale = round_within(scales[g] * inverse, -128, 127);
    block.scales[g] = static_cast<std::int8_t>(scale);
    const float group_inverse = inverse_or_zero(d * static_cast<float>(scale));
    for (int c = 16 * g; c < 16 * g + 16; ++c) {
      const int q = round_within(x[c] * group_inverse, -32, 31) + 32;
      const int half = c / 128, j = c % 128;
      block.ql[64 * half + j % 64] |= static_cast<std::uint8_t>((q & 15) << (4 * (j / 64)));
      block.qh[32 * half + j % 32] |= static_cast<std::uint8_t>(q >> 4 << (2 * (j / 32)));
    }
  }
}

}  // namespace r1
