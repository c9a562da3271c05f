// q8_0.h: Q8_0, 32 values in 34 bytes: a half-float scale and a signed byte a value. value = d * q.
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

struct Q8_0 {
  static constexpr Dtype kDtype = Dtype::kQ8_0;
  static constexpr int kBlockValues = 32, kGroup = 32;
  static constexpr bool kHasMin = false;

  struct [[gnu::packed]] Block {
    std::uint16_t d;
    std::int8_t qs[32];
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
