// q4_0.h: Q4_0, 32 values in 18 bytes: a half-float scale and 4 bits a value. value = d * (q - 8).
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct Q4_0 {
  static constexpr Dtype kDtype = Dtype::kQ4_0;
  static constexpr int kBlockValues = 32, kGroup = 32;
  static constexpr bool kHasMin = false;

  struct [[gnu::packed]] Block {
    std::uint16_t d;
    std::uint8_t qs[16];  // byte j: value j in the low nibble, value j + 16 in the high one
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
