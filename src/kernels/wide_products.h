// wide_products.h: the integer products of one token's blocks with AVX-512, 64 columns in an instruction.
//
// eight_products(): of eight blocks that follow each other in memory, with q and sums of the same blocks of x; but for
// x's scale. As narrow_products.h does.
//
// Formats of 256: four products of 64 columns each, whose 32-bit lanes hold four columns (below 2^15: at most
// 4 x 63 x 127) and fit in 16 bits once packed; so two multiplications take the groups' scales in. The codebook of
// IQ4_XS does not fit and takes its scales in 32 bits.
#pragma once

#include <array>
#include <utility>

#include "kernels/block_products.h"
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

// The sum over a block's groups of scale times stored lanes times q; sixteen lanes, still to be added across.
template <typename Format>
HWY_INLINE I32x16 wide_row_product(const typename Format::Block& block, const U8x64& scales, const std::int8_t* q) {
  const I32x16 p0 = product_of_64<Format, 0>(block, q), p1 = product_of_64<Format, 1>(block, q),
               p2 = product_of_64<Format, 2>(block, q), p3 = product_of_64<Format, 3>(block, q);
  if constexpr (std::is_same_v<Format, IQ4_XS>) {
    return add(add(mul(p0, scales_32<0>(scales)), mul(p1, scales_32<1>(scales))),
               add(mul(p2, scales_32<2>(scales)), mul(p3, scales_32<3>(scales))));
  } else {
    const I32x16 first = add_products(zero<I32x16>(), pack(p0, p1), packed_scales<Format, 0>(scales));
    return add_products(first, pack(p2, p3), packed_scales<Format, 1>(scales));
  }
}

template <typename Format>
inline constexpr bool kHasHeaders = std::is_same_v<Format, Q4_K> || std::is_same_v<Format, Q5_K>;
template <typename Format>
inline constexpr int kSumsOfBlock =
    kHasHeaders<Format> ? 8 : 16;  // of x, that eight_products() takes with a block of 256

// Q4_K and Q5_K: scales and mins of four blocks at a time.
template <typename Format, int... k>
HWY_INLINE F32x8 products_with_headers(const typename Format::Block* blocks, const std::int8_t* q,
                                       const std::int16_t* sums_32, std::integer_sequence<int, k...>) {
  const U8x64 headers[2] = {four_headers(blocks), four_headers(blocks + 4)};
  const U8x64 scales[2] = {scales_and_mins(headers[0]), scales_and_mins(headers[1])};
  const I32x16 isums[8] = {wide_row_product<Format>(blocks[k], repeat_sixteen<k % 4>(scales[k / 4]), q + 256 * k)...};
  I32x16 msums[2];
  R1_UNROLL
  for (int i = 0; i < 2; ++i) {
    msums[i] = add_products(zero<I32x16>(), widen_upper_eights(scales[i]), load<I16x32>(sums_32 + 32 * i));
  }
  const HeaderHalves halves = halves_of_headers(headers[0], headers[1]);
  return scale_sums<Format>(add_across(isums), add_quads_across(msums[0], msums[1]), halves.d, halves.dmin);
}

// The mins, or the scales, which multiply what lanes are too large by: 16 bytes, repeated.
template <typename Format>
HWY_INLINE U8x64 factors_of_sums(const typename Format::Block& block, const U8x64& scales) {
  if constexpr (Format::kHasMin) return WideLanes<Format>::mins(block);
  if constexpr (Format::kGroup == 32) return double_bytes(scales);
  return scales;
}

// The other formats of 256; sums of x with factors for two blocks at a time.
template <typename Format, int... k>
HWY_INLINE F32x8 products_with_scales(const typename Format::Block* blocks, const std::int8_t* q,
                                      const std::int16_t* sums_16, std::integer_sequence<int, k...>) {
  using Block = typename Format::Block;
  const U8x64 scales[8] = {WideLanes<Format>::scales(blocks[k])...};
  const I32x16 isums[8] = {wide_row_product<Format>(blocks[k], scales[k], q + 256 * k)...};
  const U8x64 factors[8] = {factors_of_sums<Format>(blocks[k], scales[k])...};
  I32x16 msums[4];
  R1_UNROLL
  for (int i = 0; i < 4; ++i) {
    const I16x32 both = widen_first_sixteens<WideLanes<Format>::kSignedScales>(factors[2 * i], factors[2 * i + 1]);
    msums[i] = add_products(zero<I32x16>(), both, load<I16x32>(sums_16 + 32 * i));
  }
  const I32x8 isum = add_across(isums), msum = add_across_pairs(msums);
  const F32x8 d = block_halves(blocks, &Block::d);
  if constexpr (Format::kHasMin) {
    return scale_sums<Format>(isum, msum, d, block_halves(blocks, &Block::dmin));
  } else {
    constexpr int kLog = std::countr_zero(static_cast<unsigned>(WideLanes<Format>::kOffset));
    return scale_sums<Format>(sub(isum, shift_left<kLog>(msum)), msum, d, d);
  }
}

template <typename Format>
HWY_INLINE F32x8 eight_products(const typename Format::Block* blocks, const std::int8_t* q, const std::int16_t* sums) {
  constexpr auto kEight = std::make_integer_sequence<int, 8>();
  if constexpr (kHasHeaders<Format>) {
    return products_with_headers<Format>(blocks, q, sums, kEight);
  } else {
    return products_with_scales<Format>(blocks, q, sums, kEight);
  }
}

template <typename Format>
HWY_INLINE F32x8 eight_products(const typename Format::Block* blocks, const std::int8_t* q, const float* sums) {
  using Block = typename Format::Block;
  I32x16 pairs[4];
  R1_UNROLL
  for (int i = 0; i < 4; ++i) {
    pairs[i] =
        add_byte_products(zero<I32x16>(), WideLanes<Format>::two_blocks(blocks + 2 * i), load<I8x64>(q + 64 * i));
  }
  I32x8 isum;
  if constexpr (Lanes<Format>::kMax < 32) {
    isum = add_small_across_pairs(pairs);
  } else {
    isum = add_across_pairs(pairs);
  }
  F32x8 d;
  if constexpr (sizeof(Block) == 18) {
    d = halves_every_18(blocks);
  } else {
    d = block_halves(blocks, &Block::d);
  }
  F32x8 m = d;
  if constexpr (Format::kHasMin) m = block_halves(blocks, &Block::m);
  return scale_sums_32<Format>(isum, load<F32x8>(sums), d, m, WideLanes<Format>::kOffset);
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
#endif
