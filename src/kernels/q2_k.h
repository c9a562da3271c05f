// q2_k.h: Q2_K, 256 values in 84 bytes: 2 bits a value, a 4-bit scale and a 4-bit minimum per 16, two half-float
// factors for those. value = d * scale * q - dmin * min.
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct Q2_K {
  static constexpr Dtype kDtype = Dtype::kQ2_K;
  static constexpr int kBlockValues = 256, kGroup = 16;
  static constexpr bool kHasMin = true;

  struct [[gnu::packed]] Block {
    std::uint8_t scales[16];  // group g: the scale in the low nibble, the minimum in the high one
    std::uint8_t qs[64];      // 32 bytes per 128 values: bits 2k and 2k + 1 of byte j are value 32 * k + j
    std::uint16_t d, dmin;
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
