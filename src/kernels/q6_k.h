// q6_k.h: Q6_K, 256 values in 210 bytes: 6 bits a value, two of them apart, a signed byte of scale per 16 and a
// half-float factor for those. value = d * scale * (q - 32).
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct Q6_K {
  static constexpr Dtype kDtype = Dtype::kQ6_K;
  static constexpr int kBlockValues = 256, kGroup = 16;
  static constexpr bool kHasMin = false;

  struct [[gnu::packed]] Block {
    std::uint8_t ql[128];  // 64 bytes per 128 values: value j in the low nibble of byte j, value j + 64 in the high one
    std::uint8_t qh[64];   // 32 bytes per 128 values: bits 2k and 2k + 1 of byte j: the high bits of value 32 * k + j
    std::int8_t scales[16];
    std::uint16_t d;
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
