// q3_k.h: Q3_K, 256 values in 110 bytes: 3 bits a value, the third apart, a signed 6-bit scale per 16 and a half-float
// factor for those. value = d * (scale - 32) * (q - 4).
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct Q3_K {
  static constexpr Dtype kDtype = Dtype::kQ3_K;
  static constexpr int kBlockValues = 256, kGroup = 16;
  static constexpr bool kHasMin = false;

  struct [[gnu::packed]] Block {
    std::uint8_t hmask[32];   // bit k of byte j: the third bit of value 32 * k + j
    std::uint8_t qs[64];      // 32 bytes per 128 values: bits 2k and 2k + 1 of byte j belong to value 32 * k + j
    std::uint8_t scales[12];  // low nibbles of bytes 0-7: the four low bits of scales 0-7, high nibbles: of 8-15;
                              // bits 2k and 2k + 1 of byte 8 + j: the two high bits of scale 4 * k + j
    std::uint16_t d;
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
