// wide_products.h: the integer products of one token's blocks with AVX-512, 64 columns in an instruction.
//
// Formats of 256: four products of 64 columns each, whose 32-bit lanes hold four columns (below 2^15: at most
// 4 x 63 x 127) and fit in 16 bits once packed; so two multiplications take the groups' scales in. The codebook of
// IQ4_XS does not fit and takes its scales in 32 bits.
#pragma once

#include <array>

#include "kernels/wide_lanes.h"

#if R1_HAVE_VNNI
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

template <typename Format, int j>
HWY_INLINE I32x16 product_of_64(const typename Format::Block& block, const std::int8_t* q) {
  return add_byte_products(zero<I32x16>(), WideLanes<Format>::template columns<j>(block), load<I8x64>(q + 64 * j));
}

// The sum over a block's groups of scale times stored lanes times q; eight lanes, still to be added across.
template <typename Format>
HWY_INLINE I32x8 wide_row_product(const typename Format::Block& block, const std::int8_t* q) {
  const U8x64 scales = WideLanes<Format>::scales(block);
  const I32x16 p0 = product_of_64<Format, 0>(block, q), p1 = product_of_64<Format, 1>(block, q),
               p2 = product_of_64<Format, 2>(block, q), p3 = product_of_64<Format, 3>(block, q);
  if constexpr (std::is_same_v<Format, IQ4_XS>) {
    return fold(add(add(mul(p0, scales_32<0>(scales)), mul(p1, scales_32<1>(scales))),
                    add(mul(p2, scales_32<2>(scales)), mul(p3, scales_32<3>(scales)))));
  } else {
    const I32x16 first = add_products(zero<I32x16>(), pack(p0, p1), packed_scales<Format, 0>(scales));
    return fold(add_products(first, pack(p2, p3), packed_scales<Format, 1>(scales)));
  }
}

// The products of eight blocks of 32 that follow each other.
template <typename Format>
HWY_INLINE I32x8 wide_products_of_eight(const typename Format::Block* blocks, const std::int8_t* q) {
  I32x16 pairs[4];
  R1_UNROLL
  for (int i = 0; i < 4; ++i) {
    pairs[i] =
        add_byte_products(zero<I32x16>(), WideLanes<Format>::two_blocks(blocks + 2 * i), load<I8x64>(q + 64 * i));
  }
  return add_across_pairs(pairs);
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
#endif
