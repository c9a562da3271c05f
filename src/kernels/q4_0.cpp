// q4_0.cpp: Q4_0 from and to plain numbers.
#include "kernels/q4_0.h"

#include <cmath>

namespace r1 {

void Q4_0::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  out.scale[0] = 1;
  for (int j = 0; j < 16; ++j) {
    out.lane[j] = static_cast<std::int8_t>((block.qs[j] & 15) - 8);
    out.lane[j + 16] = static_cast<std::int8_t>((block.qs[j] >> 4) - 8);
  }
}

// The value of largest magnitude becomes -8, the end of the range that has one step more.
void Q4_0::encode(const float* x, Block& block) {
  float largest = 0;
  for (int j = 0; j < 32; ++j) {
    if (std::fabs(x[j]) > std::fabs(largest)) largest = x[j];
  }
  block.d = scale_to_f16(largest / -8.0f);
  const float inverse = inverse_or_zero(f16_to_f32(block.d));
  for (int j = 0; j < 16; ++j) {
    const int low = round_within(x[j] * inverse, -8, 7) + 8;
    const int high = round_within(x[j + 16] * inverse, -8, 7) + 8;
    block.qs[j] = static_cast<std::uint8_t>(low | high << 4);
  }
}

}  // namespace r1
