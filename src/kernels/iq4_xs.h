// iq4_xs.h: IQ4_XS, 256 values in 136 bytes: IQ4_NL's codebook with one half-float scale per 256 and a signed 6-bit
// scale per 32. value = d * (scale - 32) * codebook[q].
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct IQ4_XS {
  static constexpr Dtype kDtype = Dtype::kIQ4_XS;
  static constexpr int kBlockValues = 256, kGroup = 32;
  static constexpr bool kHasMin = false;

  struct [[gnu::packed]] Block {
    std::uint16_t d;
    std::uint16_t scales_h;    // bits 2g and 2g + 1: the two high bits of group g's scale
    std::uint8_t scales_l[4];  // byte g / 2: the four low bits, group g even in the low nibble
    std::uint8_t qs[128];      // 16 bytes a group: value j in the low nibble of byte j, value j + 16 in the high one
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
