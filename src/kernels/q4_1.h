// q4_1.h: Q4_1, 32 values in 20 bytes: a half-float scale, a half-float offset and 4 bits a value. value = d * q + m.
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct Q4_1 {
  static constexpr Dtype kDtype = Dtype::kQ4_1;
  static constexpr int kBlockValues = 32, kGroup = 32;
  static constexpr bool kHasMin = true;  // min is -1 and dmin is m

  struct [[gnu::packed]] Block {
    std::uint16_t d, m;
    std::uint8_t qs[16];  // byte j: value j in the low nibble, value j + 16 in the high one
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
