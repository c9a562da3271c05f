// iq4_xs.cpp: IQ4_XS from and to plain numbers.
#include "kernels/iq4_xs.h"

#include <algorithm>
#include <cmath>

#include "kernels/iq4_nl.h"
#include "kernels/quantize_search.h"

namespace r1 {

void IQ4_XS::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  for (int g = 0; g < 8; ++g) {
    const int low = block.scales_l[g / 2] >> (4 * (g % 2)) & 15;
    out.scale[g] = (low | (block.scales_h >> (2 * g) & 3) << 4) - 32;
    for (int j = 0; j < 16; ++j) {
      const int q = block.qs[16 * g + j];
      out.lane[32 * g + j] = kIq4Codebook[q & 15];
      out.lane[32 * g + j + 16] = kIq4Codebook[q >> 4];
    }
  }
}

void IQ4_XS::encode(const float* x, Block& block) {
  float scales[8];
  float largest = 0;
  for (int g = 0; g < 8; ++g) {
    scales[g] = search_codebook_scale({x + 32 * g, 32}, kIq4Codebook);
    if (std::fabs(scales[g]) > std::fabs(largest)) largest = scales[g];
  }
  block = Block{};
  block.d = scale_to_f16(largest / -32.0f);
  const float d = f16_to_f32(block.d), inverse = inverse_or_zero(d);
  for (int g = 0; g < 8; ++g) {
    const int scale = round_within(scales[g] * inverse, -32, 31);
    block.scales_l[g / 2] |= static_cast<std::uint8_t>(((scale + 32) & 15) << (4 * (g % 2)));
    block.scales_h = static_cast<std::uint16_t>(block.scales_h | (scale + 32) >> 4 << (2 * g));
    const float group_inverse = inverse_or_zero(d * static_cast<float>(scale));
    for (int j = 0; j < 16; ++j) {
      const int low = nearest_code(x[32 * g + j] * group_inverse, kIq4Codebook);
      const int high = nearest_code(x[32 * g + j + 16] * group_inverse, kIq4Codebook);
      block.qs[16 * g + j] = static_cast<std::uint8_t>(low | high << 4);
    }
  }
}

}  // namespace r1
