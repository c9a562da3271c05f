// q5_k.cpp: Q5_K from and to plain numbers.
#include "kernels/q5_k.h"

#include <algorithm>

#include "kernels/quantize_search.h"

namespace r1 {

void Q5_K::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  out.dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 8; ++g) {
    out.scale[g] = block.scales.scale(g);
    out.min[g] = block.scales.min(g);
    for (int j = 0; j < 32; ++j) {
      const int nibble = block.qs[32 * (g / 2) + j] >> (4 * (g % 2)) & 15;
      const int fifth = block.qh[j] >> g & 1;
      out.lane[32 * g + j] = static_cast<std::int8_t>(nibble | fifth << 4);
    }
  }
}

void Q5_K::encode(const float* x, Block& block) {
  ScaleAndMin groups[8];
  float largest_scale = 0, largest_min = 0;
  for (int g = 0; g < 8; ++g) {
    groups[g] = search_scale_and_min({x + 32 * g, 32}, 31);
    largest_scale = std::max(largest_scale, groups[g].scale);
    largest_min = std::max(largest_min, groups[g].min);
  }
  block = Block{};
  block.d = scale_to_f16(largest_scale / 63.0f);
  block.dmin = scale_to_f16(largest_min / 63.0f);
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 8; ++g) {
    const int scale = round_within(groups[g].scale * inverse_or_zero(d), 0, 63);
    const int min = round_within(groups[g].min * inverse_or_zero(dmin), 0, 63);
    block.scales.set(g, scale, min);
    const float inverse = inverse_or_zero(d * static_cast<float>(scale));
    for (int j = 0; j < 32; ++j) {
      const int q = round_within((x[32 * g + j] + dmin * static_cast<float>(min)) * inverse, 0, 31);
      block.qs[32 * (g / 2) + j] |= static_cast<std::uint8_t>((q & 15) << (4 * (g % 2)));
      block.qh[j] |= static_cast<std::uint8_t>(q >> 4 << g);
    }
  }
}

}  // namespace r1
