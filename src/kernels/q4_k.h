// q4_k.h: Q4_K, 256 values in 144 bytes: 4 bits a value, a 6-bit scale and a 6-bit minimum per 32, two half-float
// factors for those. value = d * scale * q - dmin * min.
#pragma once

#include "base/dtype.h"
#include "kernels/block.h"

namespace r1 {

// Eight 6-bit scales and eight 6-bit minima in 12 bytes, as Q4_K and Q5_K store them. The four first of each have a
// byte of their own; the four last are split: four bits in bytes 8-11, two in the top of bytes 0-3 (scales) and 4-7
// (minima).
struct [[gnu::packed]] PackedScalesAndMins {
  std::uint8_t bytes[12];

  int scale(int group) const {
    return group < 4 ? bytes[group] & 63 : (bytes[group + 4] & 15) | bytes[group - 4] >> 6 << 4;
  }
  int min(int group) const {
    return group < 4 ? bytes[group + 4] & 63 : bytes[group + 4] >> 4 | bytes[group] >> 6 << 4;
  }
  void set(int group, int scale, int min);  // all bytes are zero before the first
};

struct Q4_K {
  static constexpr Dtype kDtype = Dtype::kQ4_K;
  static constexpr int kBlockValues = 256, kGroup = 32;
  static constexpr bool kHasMin = true;

  struct [[gnu::packed]] Block {
    std::uint16_t d, dmin;
    PackedScalesAndMins scales;
    std::uint8_t qs[128];  // 32 bytes per 64 values: value j in the low nibble of byte j, value j + 32 in the high one
  };

  static void unpack(const Block& block, Unpacked& out);
  static void encode(const float* x, Block& block);
};

}  // namespace r1
