// wide_lanes.h: how each format's lanes and scales come out of its bytes, 64 columns at a time (AVX-512).
//
// WideLanes<Format> is to wide_products.h what Lanes<Format> of simd_formats.h is to the narrower sets:
//   kOffset             what to subtract from a lane to get Unpacked's. Lanes are unsigned: bytes and codebooks with a
//                       sign are moved up by 128
//   two_blocks(blocks)  formats of 32: the lanes of two blocks that follow each other
//   columns<j>(block)   formats of 256: the lanes of columns 64 j to 64 j + 63
//   scales(block)       formats of 256: a byte for each group, repeated every 16 bytes; kSignedScales: with a sign
#pragma once

#include "kernels/simd_wide.h"

#if R1_WIDE
R1_BEFORE_SIMD();
namespace r1::R1_SET {

HWY_INLINE U8x64 codebook_values(const U8x64& nibbles) {
  const auto codebook = hn::LoadDup128(U8x64::Tag(), reinterpret_cast<const std::uint8_t*>(kIq4Codebook));
  return {{hn::TableLookupBytes(codebook, nibbles.part[0])}};
}

// Moved up by 128.
HWY_INLINE U8x64 iq4_lanes(const U8x64& nibbles) { return bit_xor(codebook_values(nibbles), set<U8x64>(128)); }

template <typename Format>
struct WideLanes;

template <>
struct WideLanes<Q4_0> {
  static constexpr int kOffset = 8;
  static HWY_INLINE U8x64 two_blocks(const Q4_0::Block* blocks) {
    return nibbles_of_pairs(repeat_16(blocks[0].qs, blocks[1].qs));
  }
};

template <>
struct WideLanes<Q4_1> {
  static constexpr int kOffset = 0;
  static HWY_INLINE U8x64 two_blocks(const Q4_1::Block* blocks) {
    return nibbles_of_pairs(repeat_16(blocks[0].qs, blocks[1].qs));
  }
};

template <typename Block>
HWY_INLINE U8x64 five_bits(const Block* blocks) {
  const std::uint64_t fifth = join(load_word(blocks[0].qh), load_word(blocks[1].qh));
  return bit_or(nibbles_of_pairs(repeat_16(blocks[0].qs, blocks[1].qs)), sixteen_where(fifth));
}

template <>
struct WideLanes<Q5_0> {
  static constexpr int kOffset = 16;
  static HWY_INLINE U8x64 two_blocks(const Q5_0::Block* blocks) { return five_bits(blocks); }
};

template <>
struct WideLanes<Q5_1> {
  static constexpr int kOffset = 0;
  static HWY_INLINE U8x64 two_blocks(const Q5_1::Block* blocks) { return five_bits(blocks); }
};

template <>
struct WideLanes<Q8_0> {
  static constexpr int kOffset = 128;
  static HWY_INLINE U8x64 two_blocks(const Q8_0::Block* blocks) {
    return bit_xor(join_32(blocks[0].qs, blocks[1].qs), set<U8x64>(128));
  }
};

template <>
struct WideLanes<IQ4_NL> {
  static constexpr int kOffset = 128;
  static HWY_INLINE U8x64 two_blocks(const IQ4_NL::Block* blocks) {
    return iq4_lanes(nibbles_of_pairs(repeat_16(blocks[0].qs, blocks[1].qs)));
  }
};

template <>
struct WideLanes<Q2_K> {
  static constexpr int kOffset = 0;
  static constexpr bool kSignedScales = false;
  template <int j>
  static HWY_INLINE U8x64 columns(const Q2_K::Block& block) {
    return bits_of_halves<4 * (j % 2), 4 * (j % 2) + 2, 2>(repeat_32(block.qs + 32 * (j / 2)));
  }
  static HWY_INLINE U8x64 scales(const Q2_K::Block& block) {
    return bit_and(repeat_16_bytes(block.scales), set<U8x64>(15));
  }
  static HWY_INLINE U8x64 mins(const Q2_K::Block& block) {
    return bits_of_halves<4, 4, 4>(repeat_16_bytes(block.scales));
  }
};

template <>
struct WideLanes<Q3_K> {
  static constexpr int kOffset = 4;
  static constexpr bool kSignedScales = true;
  template <int j>
  static HWY_INLINE U8x64 columns(const Q3_K::Block& block) {
    const U8x64 low = bits_of_halves<4 * (j % 2), 4 * (j % 2) + 2, 2>(repeat_32(block.qs + 32 * (j / 2)));
    return bit_or(low, bits_of_halves<2 * j, 2 * j + 1, 1, 2>(repeat_32(block.hmask)));
  }
  static HWY_INLINE U8x64 scales(const Q3_K::Block& block) {
    const SixteenScales bytes = scale_bytes(block);
    return sub(repeat_16_bytes(bytes.first, bytes.last), set<U8x64>(32));
  }
};

template <>
struct WideLanes<Q4_K> {
  static constexpr int kOffset = 0;
  static constexpr bool kSignedScales = false;
  template <int j>
  static HWY_INLINE U8x64 columns(const Q4_K::Block& block) {
    return bits_of_halves<0, 4, 4>(repeat_32(block.qs + 32 * j));
  }
  static HWY_INLINE U8x64 scales(const Q4_K::Block& block) { return repeat_8_bytes(scale_bytes(block.scales)); }
};

template <>
struct WideLanes<Q5_K> {
  static constexpr int kOffset = 0;
  static constexpr bool kSignedScales = false;
  template <int j>
  static HWY_INLINE U8x64 columns(const Q5_K::Block& block) {
    const U8x64 low = bits_of_halves<0, 4, 4>(repeat_32(block.qs + 32 * j));
    return bit_or(low, bits_of_halves<2 * j, 2 * j + 1, 1, 4>(repeat_32(block.qh)));
  }
  static HWY_INLINE U8x64 scales(const Q5_K::Block& block) { return repeat_8_bytes(scale_bytes(block.scales)); }
};

template <>
struct WideLanes<Q6_K> {
  static constexpr int kOffset = 32;
  static constexpr bool kSignedScales = true;
  template <int j>
  static HWY_INLINE U8x64 columns(const Q6_K::Block& block) {
    constexpr int half = j / 2, at = 4 * (j % 2);
    const U8x64 low = bits_of_halves<at, at, 4>(load<U8x64>(block.ql + 64 * half));
    return bit_or(low, bits_of_halves<at, at + 2, 2, 4>(repeat_32(block.qh + 32 * half)));
  }
  static HWY_INLINE U8x64 scales(const Q6_K::Block& block) { return repeat_16_bytes(block.scales); }
};

template <>
struct WideLanes<IQ4_XS> {
  static constexpr int kOffset = 128;
  static constexpr bool kSignedScales = true;
  template <int j>
  static HWY_INLINE U8x64 columns(const IQ4_XS::Block& block) {
    return iq4_lanes(nibbles_of_pairs(repeat_16(block.qs + 32 * j, block.qs + 32 * j + 16)));
  }
  static HWY_INLINE U8x64 scales(const IQ4_XS::Block& block) {
    return sub(repeat_8_bytes(scale_bytes(block)), set<U8x64>(32));
  }
};

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
#endif
