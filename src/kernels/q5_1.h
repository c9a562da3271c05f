// q5_1.h: Q5_1, 32 values in 24 bytes: half-float scale and offset, 5 bits a value, the fifth apart. value = d * q + m.
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct Q5_1 {
  static constexpr Dtype kDtype = Dtype::kQ5_1;
  static constexpr int kBlockValues = 32, kGroup = 32;
  static constexpr bool kHasMin = true;  // min is -1 and dmin is m

  struct [[gnu::packed]] Block {
    std::uint16_t d, m;
    std::uint8_t qh[4];   // bit j, counted through the four bytes: the fifth bit of value j
    std::uint8_t qs[16];  // byte j: value j in the low nibble, value j + 16 in the high one
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
