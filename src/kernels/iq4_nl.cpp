// iq4_nl.cpp: IQ4_NL from and to plain numbers.
#include "kernels/iq4_nl.h"

#include "kernels/quantize_search.h"

namespace r1 {

void IQ4_NL::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  out.scale[0] = 1;
  for (int j = 0; j < 16; ++j) {
    out.lane[j] = kIq4Codebook[block.qs[j] & 15];
    out.lane[j + 16] = kIq4Codebook[block.qs[j] >> 4];
  }
}

void IQ4_NL::encode(const float* x, Block& block) {
  block.d = scale_to_f16(search_codebook_scale({x, 32}, kIq4Codebook));
  const float inverse = inverse_or_zero(f16_to_f32(block.d));
  for (int j = 0; j < 16; ++j) {
    const int low = nearest_code(x[j] * inverse, kIq4Codebook);
    const int high = nearest_code(x[j + 16] * inverse, kIq4Codebook);
    block.qs[j] = static_cast<std::uint8_t>(low | high << 4);
  }
}

}  // namespace r1
