// wide_products.h: the integer products of a few tokens' blocks with AVX-512, 64 columns in an instruction. It gives
// eight_products() (x_blocks.h).
//
// Formats of 256: four products of 64 columns each, whose 32-bit lanes hold four columns (below 2^15: at most
// 4 x 63 x 127) and fit in 16 bits once packed; so two multiplications take the groups' scales in. The codebook of
// IQ4_XS does not fit and takes its scales in 32 bits.
#pragma once

#include <array>
#include <utility>

#include "kernels/wide_lanes.h"
#include "kernels/x_blocks.h"

#if R1_WIDE
R1_BEFORE_SIMD();
namespace r1::R1_SET {

// pack() of the products of columns 128 p to 128 p + 63 and of the next 64 has in 16 bytes number `at` the sums of two
// groups; which byte of the scales each 16-bit lane wants. Bytes with a sign go to the lane's upper half.
template <typename Format>
consteval std::array<std::uint8_t, 64> scale_places(int p) {
  std::array<std::uint8_t, 64> places{};
  for (int lane = 0; lane < 32; ++lane) {
    const int column = 128 * p + 64 * (lane % 8 / 4) + 16 * (lane / 8);
    const auto group = static_cast<std::uint8_t>(column / Format::kGroup);
    places[2 * lane] = WideLanes<Format>::kSignedScales ? 128 : group;
    places[2 * lane + 1] = WideLanes<Format>::kSignedScales ? group : 128;
  }
  return places;
}

// The same for 32-bit lanes of columns 64 j to 64 j + 63.
consteval std::array<std::uint8_t, 64> scale_places_32(int j) {
  std::array<std::uint8_t, 64> places{};
  for (int i = 0; i < 64; ++i) places[i] = i % 4 == 3 ? static_cast<std::uint8_t>(2 * j + i / 32) : 128;
  return places;
}

template <typename Format, int p>
HWY_INLINE I16x32 packed_scales(const U8x64& scales) {
  alignas(64) static constexpr auto kPlaces = scale_places<Format>(p);
  I16x32 v = bit_cast<I16x32>(pick_bytes(scales, kPlaces.data()));
  if constexpr (WideLanes<Format>::kSignedScales) v = shift_right<8>(v);
  return v;
}

template <int j>
HWY_INLINE I32x16 scales_32(const U8x64& scales) {
  alignas(64) static constexpr auto kPlaces = scale_places_32(j);
  return shift_right<24>(bit_cast<I32x16>(pick_bytes(scales, kPlaces.data())));
}

// A block of 256, ready to be multiplied with any token's.
template <typename Format>
struct UnpackedBlock {
  U8x64 columns[4];
  I16x32 scales[2];

  HWY_INLINE UnpackedBlock(const typename Format::Block& block, const U8x64& scale_bytes)
      : columns{WideLanes<Format>::template columns<0>(block), WideLanes<Format>::template columns<1>(block),
                WideLanes<Format>::template columns<2>(block), WideLanes<Format>::template columns<3>(block)},
        scales{packed_scales<Format, 0>(scale_bytes), packed_scales<Format, 1>(scale_bytes)} {}

  template <int j>
  HWY_INLINE I32x16 product_of_64(const std::int8_t* q) const {
    return add_byte_products(zero<I32x16>(), columns[j], load<I8x64>(q + 64 * j));
  }
  // The sum over groups of scale times stored lanes times q; sixteen lanes, still to be added across.
  HWY_INLINE I32x16 product(const std::int8_t* q) const {
    const I16x32 first = pack(product_of_64<0>(q), product_of_64<1>(q));
    const I16x32 last = pack(product_of_64<2>(q), product_of_64<3>(q));
    return add_products(add_products(zero<I32x16>(), first, scales[0]), last, scales[1]);
  }
};

template <>
struct UnpackedBlock<IQ4_XS> {
  U8x64 columns[4];
  I32x16 scales[4];

  HWY_INLINE UnpackedBlock(const IQ4_XS::Block& block, const U8x64& scale_bytes)
      : columns{WideLanes<IQ4_XS>::columns<0>(block), WideLanes<IQ4_XS>::columns<1>(block),
                WideLanes<IQ4_XS>::columns<2>(block), WideLanes<IQ4_XS>::columns<3>(block)},
        scales{scales_32<0>(scale_bytes), scales_32<1>(scale_bytes), scales_32<2>(scale_bytes),
               scales_32<3>(scale_bytes)} {}

  template <int j>
  HWY_INLINE I32x16 product_of_64(const std::int8_t* q) const {
    return mul(add_byte_products(zero<I32x16>(), columns[j], load<I8x64>(q + 64 * j)), scales[j]);
  }
  HWY_INLINE I32x16 product(const std::int8_t* q) const {
    return add(add(product_of_64<0>(q), product_of_64<1>(q)), add(product_of_64<2>(q), product_of_64<3>(q)));
  }
};

template <typename Format, int kTokens>
struct WideSums {
  I32x16 of[kTokens][8];

  HWY_INLINE void multiply(const UnpackedBlock<Format>& block, const XBlocks<Format, kTokens>& x, int i) {
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) of[t][i] = block.product(x.q[t] + 256 * i);
  }
};

// Q4_K and Q5_K: scales and mins of four blocks at a time.
template <typename Format, int kTokens, int... k>
HWY_INLINE void products_with_headers(const typename Format::Block* blocks, const XBlocks<Format, kTokens>& x,
                                      F32x8 (&products)[kTokens], std::integer_sequence<int, k...>) {
  const U8x64 headers[2] = {four_headers(blocks), four_headers(blocks + 4)};
  const U8x64 scales[2] = {scales_and_mins(headers[0]), scales_and_mins(headers[1])};
  WideSums<Format, kTokens> isums;
  (isums.multiply(UnpackedBlock<Format>(blocks[k], repeat_sixteen<k % 4>(scales[k / 4])), x, k), ...);
  const I16x32 mins[2] = {widen_upper_eights(scales[0]), widen_upper_eights(scales[1])};
  const HeaderHalves halves = halves_of_headers(headers[0], headers[1]);
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    const I32x16 first = add_products(zero<I32x16>(), mins[0], load<I16x32>(x.sums[t]));
    const I32x16 last = add_products(zero<I32x16>(), mins[1], load<I16x32>(x.sums[t] + 32));
    const I32x8 isum = add_across(isums.of[t]), msum = add_quads_across(first, last);
    products[t] = scale_sums<Format>(isum, msum, halves.d, halves.dmin);
  }
}

// The mins, or the scales, which multiply what lanes are too large by: 16 bytes, repeated.
template <typename Format>
HWY_INLINE U8x64 factors_of_sums(const typename Format::Block& block, const U8x64& scales) {
  if constexpr (Format::kHasMin) return WideLanes<Format>::mins(block);
  if constexpr (Format::kGroup == 32) return double_bytes(scales);
  return scales;
}

// The other formats of 256; sums of x with factors for two blocks at a time.
template <typename Format, int kTokens, int... k>
HWY_INLINE void products_with_scales(const typename Format::Block* blocks, const XBlocks<Format, kTokens>& x,
                                     F32x8 (&products)[kTokens], std::integer_sequence<int, k...>) {
  using Block = typename Format::Block;
  const U8x64 scales[8] = {WideLanes<Format>::scales(blocks[k])...};
  WideSums<Format, kTokens> isums;
  (isums.multiply(UnpackedBlock<Format>(blocks[k], scales[k]), x, k), ...);
  const U8x64 bytes[8] = {factors_of_sums<Format>(blocks[k], scales[k])...};
  I16x32 factors[4];
  R1_UNROLL
  for (int i = 0; i < 4; ++i) {
    factors[i] = widen_first_sixteens<WideLanes<Format>::kSignedScales>(bytes[2 * i], bytes[2 * i + 1]);
  }
  const F32x8 d = block_halves(blocks, &Block::d);
  F32x8 dmin = d;
  if constexpr (Format::kHasMin) dmin = block_halves(blocks, &Block::dmin);
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    I32x16 pairs[4];
    R1_UNROLL
    for (int i = 0; i < 4; ++i) {
      pairs[i] = add_products(zero<I32x16>(), factors[i], load<I16x32>(x.sums[t] + 32 * i));
    }
    I32x8 isum = add_across(isums.of[t]);
    const I32x8 msum = add_across_pairs(pairs);
    if constexpr (!Format::kHasMin) {
      constexpr int kLog = std::countr_zero(static_cast<unsigned>(WideLanes<Format>::kOffset));
      isum = sub(isum, shift_left<kLog>(msum));
    }
    products[t] = scale_sums<Format>(isum, msum, d, dmin);
  }
}

template <typename Format, int kTokens>
requires(Format::kBlockValues == 256) HWY_INLINE
    void eight_products(const typename Format::Block* blocks, const XBlocks<Format, kTokens>& x,
                        F32x8 (&products)[kTokens]) {
  constexpr auto kEight = std::make_integer_sequence<int, 8>();
  if constexpr (kSumsOfBlock<Format> == 8) {
    products_with_headers(blocks, x, products, kEight);
  } else {
    products_with_scales(blocks, x, products, kEight);
  }
}

template <typename Format, int kTokens>
requires(Format::kBlockValues == 32) HWY_INLINE
    void eight_products(const typename Format::Block* blocks, const XBlocks<Format, kTokens>& x,
                        F32x8 (&products)[kTokens]) {
  using Block = typename Format::Block;
  I32x16 pairs[kTokens][4];
  R1_UNROLL
  for (int i = 0; i < 4; ++i) {
    const U8x64 lanes = WideLanes<Format>::two_blocks(blocks + 2 * i);
    R1_UNROLL
    for (int t = 0; t < kTokens; ++t) {
      pairs[t][i] = add_byte_products(zero<I32x16>(), lanes, load<I8x64>(x.q[t] + 64 * i));
    }
  }
  F32x8 d;
  if constexpr (sizeof(Block) == 18) {
    d = halves_every_18(blocks);
  } else {
    d = block_halves(blocks, &Block::d);
  }
  F32x8 m = d;
  if constexpr (Format::kHasMin) m = block_halves(blocks, &Block::m);
  R1_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    I32x8 isum;
    if constexpr (Lanes<Format>::kMax < 32) {
      isum = add_small_across_pairs(pairs[t]);
    } else {
      isum = add_across_pairs(pairs[t]);
    }
    products[t] = scale_sums_32<Format>(isum, load<F32x8>(x.sums[t]), d, m, WideLanes<Format>::kOffset);
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
#endif
