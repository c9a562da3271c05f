// q8_0.cpp: Q8_0 from and to plain numbers.
#include "kernels/q8_0.h"

#include <algorithm>
#include <cmath>

namespace r1 {

void Q8_0::unpack(const Block& block, Unpacked& out) {
  out.d = f16_to_f32(block.d);
  out.scale[0] = 1;
  std::copy(block.qs, block.qs + 32, out.lane);
}

void Q8_0::encode(const float* x, Block& block) {
  float largest = 0;
  for (int j = 0; j < 32; ++j) largest = std::max(largest, std::fabs(x[j]));
  block.d = scale_to_f16(largest / 127.0f);
  const float inverse = inverse_or_zero(f16_to_f32(block.d));
  for (int j = 0; j < 32; ++j) block.qs[j] = static_cast<std::int8_t>(round_within(x[j] * inverse, -127, 127));
}

}  // namespace r1
