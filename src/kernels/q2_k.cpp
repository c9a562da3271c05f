// q2_k.cpp: Q2_K from and to plain numbers.
#include "kernels/q2_k.h"

#include <algorithm>

#include "kernels/quantize_search.h"

namespace r1 {

void Q2_K::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  out.dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 16; ++g) {
    out.scale[g] = block.scales[g] & 15;
    out.min[g] = block.scales[g] >> 4;
  }
  for (int c = 0; c < 256; ++c) {
    const int half = c / 128, k = c % 128 / 32;
    out.lane[c] = static_cast<std::int8_t>(block.qs[32 * half + c % 32] >> (2 * k) & 3);
  }
}

void Q2_K::encode(const float* x, Block& block) {
  ScaleAndMin groups[16];
  float largest_scale = 0, largest_min = 0;
  for (int g = 0; g < 16; ++g) {
    groups[g] = search_scale_and_min({x + 16 * g, 16}, 3);
    largest_scale = std::max(largest_scale, groups[g].scale);
    largest_min = std::max(largest_min, groups[g].min);
  }
  block = Block{};
  block.d = scale_to_f16(largest_scale / 15.0f);
  block.dmin = scale_to_f16(largest_min / 15.0f);
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 16; ++g) {
    const int scale = round_within(groups[g].scale * inverse_or_zero(d), 0, 15);
    const int min = round_within(groups[g].min * inverse_or_zero(dmin), 0, 15);
    block.scales[g] = static_cast<std::uint8_t>(scale | min << 4);
    const float inverse = inverse_or_zero(d * static_cast<float>(scale));
    for (int c = 16 * g; c < 16 * g + 16; ++c) {
      const int q = round_within((x[c] + dmin * static_cast<float>(min)) * inverse, 0, 3);
      block.qs[32 * (c / 128) + c % 32] |= static_cast<std::uint8_t>(q << (2 * (c % 128 / 32)));
    }
  }
}

}  // namespace r1
