// q5_0.h: Q5_0, 32 values in 22 bytes: a half-float scale and 5 bits a value, the fifth apart. value = d * (q - 16).
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct Q5_0 {
  static constexpr Dtype kDtype = Dtype::kQ5_0;
  static constexpr int kBlockValues = 32, kGroup = 32;
  static constexpr bool kHasMin = false;

  struct [[gnu::packed]] Block {
    std::uint16_t d;
    std::uint8_t qh[4];   // bit j, counted through the four bytes: the fifth bit of value j
    std::uint8_t qs[16];  // byte j: value j in the low nibble, value j + 16 in the high one
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
