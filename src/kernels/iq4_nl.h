// iq4_nl.h: IQ4_NL, 32 values in 18 bytes: a half-float scale and 4 bits a value that index a codebook denser near
// zero, where weights are. value = d * codebook[q].
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

inline constexpr std::int8_t kIq4Codebook[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                 1,    13,   25,  38,  53,  69,  89,  113};

struct IQ4_NL {
  static constexpr Dtype kDtype = Dtype::kIQ4_NL;
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
