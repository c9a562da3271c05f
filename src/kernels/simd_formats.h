// simd_formats.h: how each format's lanes and scales come out of its bytes, 32 columns at a time.
//
// Lanes<Format> gives, for the kernels of matmul_blocks.h:
//   Stored      U8x32 where lanes are unsigned, I8x32 where they are signed
//   kMax        the largest magnitude of a stored lane
//   kOffset     what to subtract from a stored lane to get Unpacked's
//   group<g>()  the 32 stored lanes of columns 32 g to 32 g + 31, in column order
//   scales(), mins()   formats of 256: an integer for every 16 columns, twice the same where a group is 32
#pragma once

#include "kernels/formats.h"
#include "kernels/simd_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

template <typename Format>
struct Lanes;

template <>
struct Lanes<Q4_0> {
  using Stored = U8x32;
  static constexpr int kMax = 15, kOffset = 8;
  template <int g>
  static HWY_INLINE U8x32 group(const Q4_0::Block& block) {
    return nibbles(block.qs);
  }
};

template <>
struct Lanes<Q4_1> {
  using Stored = U8x32;
  static constexpr int kMax = 15, kOffset = 0;
  template <int g>
  static HWY_INLINE U8x32 group(const Q4_1::Block& block) {
    return nibbles(block.qs);
  }
};

template <>
struct Lanes<Q5_0> {
  using Stored = U8x32;
  static constexpr int kMax = 31, kOffset = 16;
  template <int g>
  static HWY_INLINE U8x32 group(const Q5_0::Block& block) {
    return bit_or(nibbles(block.qs), spread_bits<16>(block.qh));
  }
};

template <>
struct Lanes<Q5_1> {
  using Stored = U8x32;
  static constexpr int kMax = 31, kOffset = 0;
  template <int g>
  static HWY_INLINE U8x32 group(const Q5_1::Block& block) {
    return bit_or(nibbles(block.qs), spread_bits<16>(block.qh));
  }
};

template <>
struct Lanes<Q8_0> {
  using Stored = I8x32;
  static constexpr int kMax = 128, kOffset = 0;
  template <int g>
  static HWY_INLINE I8x32 group(const Q8_0::Block& block) {
    return load<I8x32>(block.qs);
  }
};

template <>
struct Lanes<IQ4_NL> {
  using Stored = I8x32;
  static constexpr int kMax = 127, kOffset = 0;
  template <int g>
  static HWY_INLINE I8x32 group(const IQ4_NL::Block& block) {
    return look_up(kIq4Codebook, nibbles(block.qs));
  }
};

// Eight bytes as 16-bit lanes, each twice: 0 0 1 1 2 2 ...
HWY_INLINE I16x16 widen_twice(std::uint64_t bytes) {
  alignas(32) static constexpr std::uint8_t kFrom[32] = {0,   128, 0,   128, 1,   128, 1,   128, 2,   128, 2,
                                                         128, 3,   128, 3,   128, 4,   128, 4,   128, 5,   128,
                                                         5,   128, 6,   128, 6,   128, 7,   128, 7,   128};
  const U8x32 eight = bit_cast<U8x32>(set<Vector<std::uint64_t, 4>>(bytes));
  const U8x32 from = load<U8x32>(kFrom);
  U8x32 v;
  R1_UNROLL
  for (int p = 0; p < U8x32::kParts; ++p) v.part[p] = hn::TableLookupBytesOr0(eight.part[p], from.part[p]);
  return bit_cast<I16x16>(v);
}

// Sixteen bytes as 16-bit lanes.
template <typename Byte>
HWY_INLINE I16x16 widen(const Byte* bytes) {
  I16x16 v;
  R1_UNROLL
  for (int p = 0; p < I16x16::kParts; ++p) {
    v.part[p] =
        hn::PromoteTo(I16x16::Tag(), hn::LoadU(hn::Rebind<Byte, I16x16::Tag>(), bytes + p * I16x16::kPartLanes));
  }
  return v;
}

template <typename V = I16x16>
HWY_INLINE V widen(std::uint64_t first, std::uint64_t last) {
  const hn::Rebind<std::uint8_t, typename V::Tag> narrow;
  V v;
  if constexpr (V::kParts == 1) {
    const hn::CappedTag<std::uint64_t, 2> pair;
    const auto both = hn::InterleaveLower(hn::Set(pair, first), hn::Set(pair, last));
    v.part[0] = hn::PromoteTo(typename V::Tag(), hn::BitCast(narrow, both));
  } else {
    const hn::CappedTag<std::uint64_t, 1> one;
    v.part[0] = hn::PromoteTo(typename V::Tag(), hn::BitCast(narrow, hn::Set(one, first)));
    v.part[1] = hn::PromoteTo(typename V::Tag(), hn::BitCast(narrow, hn::Set(one, last)));
  }
  return v;
}

HWY_INLINE std::uint32_t load_word(const std::uint8_t* bytes) {
  std::uint32_t word;
  std::memcpy(&word, bytes, 4);
  return word;
}

HWY_INLINE std::uint64_t join(std::uint32_t low, std::uint32_t high) { return low | std::uint64_t{high} << 32; }

template <>
struct Lanes<Q2_K> {
  using Stored = U8x32;
  static constexpr int kMax = 3, kOffset = 0;
  template <int g>
  static HWY_INLINE U8x32 group(const Q2_K::Block& block) {
    return bits<2 * (g % 4), 2>(load<U8x32>(block.qs + 32 * (g / 4)));
  }
  static HWY_INLINE I16x16 scales(const Q2_K::Block& block) { return bit_and(widen(block.scales), set<I16x16>(15)); }
  static HWY_INLINE I16x16 mins(const Q2_K::Block& block) {
    I16x16 v = widen(block.scales);
    R1_UNROLL
    for (auto& part : v.part) part = hn::ShiftRight<4>(part);
    return v;
  }
};

// Scales as stored, a byte each.
struct SixteenScales {
  std::uint64_t first, last;
};

HWY_INLINE SixteenScales scale_bytes(const Q3_K::Block& block) {
  const std::uint32_t a = load_word(block.scales), b = load_word(block.scales + 4), c = load_word(block.scales + 8);
  return {
      join((a & 0x0f0f0f0fu) | (c & 0x03030303u) << 4, (b & 0x0f0f0f0fu) | (c >> 2 & 0x03030303u) << 4),
      join((a >> 4 & 0x0f0f0f0fu) | (c >> 4 & 0x03030303u) << 4, (b >> 4 & 0x0f0f0f0fu) | (c >> 6 & 0x03030303u) << 4)};
}

template <>
struct Lanes<Q3_K> {
  using Stored = U8x32;
  static constexpr int kMax = 7, kOffset = 4;
  template <int g>
  static HWY_INLINE U8x32 group(const Q3_K::Block& block) {
    const U8x32 low = bits<2 * (g % 4), 2>(load<U8x32>(block.qs + 32 * (g / 4)));
    return bit_or(low, bits_at<g, 1, 2>(load<U8x32>(block.hmask)));
  }
  static HWY_INLINE I16x16 scales(const Q3_K::Block& block) {
    const SixteenScales stored = scale_bytes(block);
    return sub(widen(stored.first, stored.last), set<I16x16>(32));
  }
};

HWY_INLINE std::uint64_t scale_bytes(const PackedScalesAndMins& packed) {
  const std::uint32_t a = load_word(packed.bytes), c = load_word(packed.bytes + 8);
  return join(a & 0x3f3f3f3fu, (c & 0x0f0f0f0fu) | (a >> 6 & 0x03030303u) << 4);
}

HWY_INLINE std::uint64_t min_bytes(const PackedScalesAndMins& packed) {
  const std::uint32_t b = load_word(packed.bytes + 4), c = load_word(packed.bytes + 8);
  return join(b & 0x3f3f3f3fu, (c >> 4 & 0x0f0f0f0fu) | (b >> 6 & 0x03030303u) << 4);
}

template <>
struct Lanes<Q4_K> {
  using Stored = U8x32;
  static constexpr int kMax = 15, kOffset = 0;
  template <int g>
  static HWY_INLINE U8x32 group(const Q4_K::Block& block) {
    return bits<4 * (g % 2), 4>(load<U8x32>(block.qs + 32 * (g / 2)));
  }
  static HWY_INLINE I16x16 scales(const Q4_K::Block& block) { return widen_twice(scale_bytes(block.scales)); }
  static HWY_INLINE I16x16 mins(const Q4_K::Block& block) { return widen_twice(min_bytes(block.scales)); }
};

template <>
struct Lanes<Q5_K> {
  using Stored = U8x32;
  static constexpr int kMax = 31, kOffset = 0;
  template <int g>
  static HWY_INLINE U8x32 group(const Q5_K::Block& block) {
    const U8x32 low = bits<4 * (g % 2), 4>(load<U8x32>(block.qs + 32 * (g / 2)));
    return bit_or(low, bits_at<g, 1, 4>(load<U8x32>(block.qh)));
  }
  static HWY_INLINE I16x16 scales(const Q5_K::Block& block) { return widen_twice(scale_bytes(block.scales)); }
  static HWY_INLINE I16x16 mins(const Q5_K::Block& block) { return widen_twice(min_bytes(block.scales)); }
};

template <>
struct Lanes<Q6_K> {
  using Stored = U8x32;
  static constexpr int kMax = 63, kOffset = 32;
  template <int g>
  static HWY_INLINE U8x32 group(const Q6_K::Block& block) {
    constexpr int half = g / 4, k = g % 4;
    const U8x32 low = bits<4 * (k / 2), 4>(load<U8x32>(block.ql + 64 * half + 32 * (k % 2)));
    return bit_or(low, bits_at<2 * k, 2, 4>(load<U8x32>(block.qh + 32 * half)));
  }
  static HWY_INLINE I16x16 scales(const Q6_K::Block& block) { return widen(block.scales); }
};

// Eight nibbles and eight pairs of bits, each moved to a byte of its own.
HWY_INLINE std::uint64_t scale_bytes(const IQ4_XS::Block& block) {
  std::uint64_t low = load_word(block.scales_l), high = block.scales_h;
  low = (low | low << 16) & 0x0000ffff0000ffffull;
  low = (low | low << 8) & 0x00ff00ff00ff00ffull;
  low = (low | low << 4) & 0x0f0f0f0f0f0f0f0full;
  high = (high | high << 24) & 0x000000ff000000ffull;
  high = (high | high << 12) & 0x000f000f000f000full;
  high = (high | high << 6) & 0x0303030303030303ull;
  return low | high << 4;
}

template <>
struct Lanes<IQ4_XS> {
  using Stored = I8x32;
  static constexpr int kMax = 127, kOffset = 0;
  template <int g>
  static HWY_INLINE I8x32 group(const IQ4_XS::Block& block) {
    return look_up(kIq4Codebook, nibbles(block.qs + 16 * g));
  }
  static HWY_INLINE I16x16 scales(const IQ4_XS::Block& block) {
    return sub(widen_twice(scale_bytes(block)), set<I16x16>(32));
  }
};

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
