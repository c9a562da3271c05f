// q5_k.h: Q5_K, 256 values in 176 bytes: Q4_K with a fifth bit a value, kept apart.
// value = d * scale * q - dmin * min.
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"
#include "kernels/q4_k.h"

namespace r1 {

struct Q5_K {
  static constexpr Dtype kDtype = Dtype::kQ5_K;
  static constexpr int kBlockValues = 256, kGroup = 32;
  static constexpr bool kHasMin = true;

  struct [[gnu::packed]] Block {
    std::uint16_t d, dmin;
    PackedScalesAndMins scales;
    std::uint8_t qh[32];   // bit g of byte j: the fifth bit of value 32 * g + j
    std::uint8_t qs[128];  // 32 bytes per 64 values: value j in the low nibble of byte j, value j + 32 in the high one
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
