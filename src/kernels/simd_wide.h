// simd_wide.h: vectors of 64 bytes for AVX-512, and the operations on them that Highway 1.0.3 lacks.
#pragma once

#include "kernels/simd_formats.h"

#if R1_WIDE
R1_BEFORE_SIMD();
namespace r1::R1_SET {

template <typename V>
HWY_INLINE V from_register(__m512i v) {
  return {{hn::Vec<typename V::Tag>{v}}};
}

// 32 bytes twice.
HWY_INLINE U8x64 repeat_32(const void* from) {
  return from_register<U8x64>(_mm512_broadcast_i64x4(_mm256_loadu_si256(static_cast<const __m256i*>(from))));
}

HWY_INLINE U8x64 join_32(const void* low, const void* high) {
  const __m512i both = _mm512_castsi256_si512(_mm256_loadu_si256(static_cast<const __m256i*>(low)));
  return from_register<U8x64>(_mm512_inserti64x4(both, _mm256_loadu_si256(static_cast<const __m256i*>(high)), 1));
}

// 16 bytes twice, then 16 others twice.
HWY_INLINE U8x64 repeat_16(const void* low, const void* high) {
  const __m512i lower = _mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(low)));
  const __m128i upper = _mm_loadu_si128(static_cast<const __m128i*>(high));
  return from_register<U8x64>(_mm512_mask_broadcast_i32x4(lower, 0xff00, upper));
}

// Every byte's bits from kLow on (in the upper 32 bytes, from kHigh on) moved down to bit kTo; kBits of them are kept.
template <int kLow, int kHigh, int kBits, int kTo = 0>
HWY_INLINE U8x64 bits_of_halves(const U8x64& v) {
  constexpr int kDown = (kLow - kTo) & 31, kDownHigh = (kHigh - kTo) & 31;
  __m512i moved = v.part[0].raw;
  if constexpr (kDown == kDownHigh) {
    if constexpr (kDown != 0) moved = _mm512_ror_epi32(moved, kDown);
  } else {
    moved = _mm512_rorv_epi32(moved, _mm512_inserti64x4(_mm512_set1_epi32(kDown), _mm256_set1_epi32(kDownHigh), 1));
  }
  return from_register<U8x64>(_mm512_and_si512(moved, _mm512_set1_epi8(((1 << kBits) - 1) << kTo)));
}

// The low nibbles of 16 bytes in every even 16, the high nibbles in every odd.
HWY_INLINE U8x64 nibbles_of_pairs(const U8x64& v) {
  const __m512i down = _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0);
  return from_register<U8x64>(_mm512_and_si512(_mm512_srlv_epi64(v.part[0].raw, down), _mm512_set1_epi8(15)));
}

// 16 where the mask has a bit, else 0.
HWY_INLINE U8x64 sixteen_where(std::uint64_t mask) { return from_register<U8x64>(_mm512_maskz_set1_epi8(mask, 16)); }

HWY_INLINE U8x64 repeat_8_bytes(std::uint64_t bytes) { return bit_cast<U8x64>(set<Vector<std::uint64_t, 8>>(bytes)); }

HWY_INLINE U8x64 repeat_16_bytes(std::uint64_t first, std::uint64_t last) {
  return from_register<U8x64>(
      _mm512_broadcast_i32x4(_mm_set_epi64x(static_cast<long long>(last), static_cast<long long>(first))));
}

HWY_INLINE U8x64 repeat_16_bytes(const void* from) {
  return from_register<U8x64>(_mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(from))));
}

// Within each 16 bytes: a's four lanes, then b's. They must fit.
HWY_INLINE I16x32 pack(const I32x16& a, const I32x16& b) {
  return from_register<I16x32>(_mm512_packs_epi32(a.part[0].raw, b.part[0].raw));
}

// The first 16 bytes of a, then of b, as 16-bit lanes.
template <bool kSigned>
HWY_INLINE I16x32 widen_first_sixteens(const U8x64& a, const U8x64& b) {
  const __m256i both =
      _mm512_castsi512_si256(_mm512_inserti32x4(a.part[0].raw, _mm512_castsi512_si128(b.part[0].raw), 1));
  return from_register<I16x32>(kSigned ? _mm512_cvtepi8_epi16(both) : _mm512_cvtepu8_epi16(both));
}

// Within each 16 bytes: the first eight, each twice.
HWY_INLINE U8x64 double_bytes(const U8x64& v) {
  return from_register<U8x64>(_mm512_unpacklo_epi8(v.part[0].raw, v.part[0].raw));
}

// Within each 16 bytes: byte from[i] of the same 16 bytes of v, or 0 where from[i] is 128.
HWY_INLINE U8x64 pick_bytes(const U8x64& v, const std::uint8_t* from) {
  return from_register<U8x64>(_mm512_shuffle_epi8(v.part[0].raw, _mm512_load_si512(from)));
}

// Lane i of the result is the whole of v[i].
HWY_INLINE I32x8 add_across(const I32x16 (&v)[8]) {
  __m512i quads[4], rows[2];  // each 16 bytes of quads: two sums in two parts each; of rows: four sums
  R1_UNROLL
  for (int i = 0; i < 4; ++i) {
    quads[i] = add(interleave<true>(v[2 * i], v[2 * i + 1]), interleave<false>(v[2 * i], v[2 * i + 1])).part[0].raw;
  }
  R1_UNROLL
  for (int i = 0; i < 2; ++i) {
    rows[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(quads[2 * i], quads[2 * i + 1]),
                               _mm512_unpackhi_epi64(quads[2 * i], quads[2 * i + 1]));
  }
  const __m512i halves = _mm512_add_epi32(_mm512_shuffle_i32x4(rows[0], rows[1], 0b01'00'01'00),
                                          _mm512_shuffle_i32x4(rows[0], rows[1], 0b11'10'11'10));
  const __m512i whole = _mm512_add_epi32(_mm512_shuffle_i32x4(halves, halves, 0b10'00'10'00),
                                         _mm512_shuffle_i32x4(halves, halves, 0b11'01'11'01));
  return {{I32Part{_mm512_castsi512_si256(whole)}}};
}

// As add_across_pairs(), of lanes below 2^13: added in 16 bits, which takes fewer shuffles.
HWY_INLINE I32x8 add_small_across_pairs(const I32x16 (&v)[4]) {
  const I16x32 ones = set<I16x32>(1);
  const I32x16 even = add_products(zero<I32x16>(), pack(v[0], v[1]), ones);
  const I32x16 odd = add_products(zero<I32x16>(), pack(v[2], v[3]), ones);
  // Lane i of each 16 bytes: a part of the sum of v[i]'s lower half (bytes 0 to 31), or upper.
  const __m512i parts = add_products(zero<I32x16>(), pack(even, odd), ones).part[0].raw;
  const __m512i whole = _mm512_add_epi32(parts, _mm512_shuffle_i32x4(parts, parts, 0b10'11'00'01));
  const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 0, 0, 0, 0, 0, 0, 0, 0);
  return {{I32Part{_mm512_castsi512_si256(_mm512_permutexvar_epi32(order, whole))}}};
}

// The half float at the beginning of each of eight blocks of 18 bytes.
HWY_INLINE F32x8 halves_every_18(const void* from) {
  const auto lane = [](int i) { return static_cast<short>(i % 8 * 9); };
  const __m512i order =
      _mm512_castsi128_si512(_mm_setr_epi16(lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7)));
  const auto* words = static_cast<const std::uint16_t*>(from);
  const __m512i halves = _mm512_permutex2var_epi16(_mm512_loadu_si512(words), order, _mm512_loadu_si512(words + 32));
  return F32x8{{hn::Vec<F32x8::Tag>{_mm256_cvtph_ps(_mm512_castsi512_si128(halves))}}};
}

// The first 16 bytes of four blocks of Q4_K or Q5_K: d, dmin and the twelve bytes of PackedScalesAndMins.
template <typename Block>
HWY_INLINE U8x64 four_headers(const Block* blocks) {
  const auto at = [&](int i) { return reinterpret_cast<const __m128i*>(blocks + i); };
  __m512i v = _mm512_castsi128_si512(_mm_loadu_si128(at(0)));
  v = _mm512_inserti32x4(v, _mm_loadu_si128(at(1)), 1);
  v = _mm512_inserti32x4(v, _mm_loadu_si128(at(2)), 2);
  return from_register<U8x64>(_mm512_inserti32x4(v, _mm_loadu_si128(at(3)), 3));
}

// Four words, four times.
HWY_INLINE __m512i repeat_words(int a, int b, int c, int d) {
  return _mm512_broadcast_i32x4(_mm_setr_epi32(a, b, c, d));
}

// Of each header: eight scales, then eight mins, a byte each.
HWY_INLINE U8x64 scales_and_mins(const U8x64& headers) {
  const __m512i v = headers.part[0].raw;
  const __m512i ordered = _mm512_shuffle_epi32(v, static_cast<_MM_PERM_ENUM>(0b11'10'11'01));
  const __m512i low = _mm512_srlv_epi32(ordered, repeat_words(0, 0, 0, 4));
  const __m512i high = _mm512_srli_epi32(_mm512_shuffle_epi32(v, static_cast<_MM_PERM_ENUM>(0b10'10'01'01)), 2);
  return from_register<U8x64>(
      _mm512_or_si512(_mm512_and_si512(low, repeat_words(0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f)),
                      _mm512_and_si512(high, repeat_words(0, 0x30303030, 0, 0x30303030))));
}

// Bytes 8 to 15 of each 16 as 16-bit lanes.
HWY_INLINE I16x32 widen_upper_eights(const U8x64& v) {
  return from_register<I16x32>(_mm512_unpackhi_epi8(v.part[0].raw, _mm512_setzero_si512()));
}

// 16 bytes of v four times.
template <int i>
HWY_INLINE U8x64 repeat_sixteen(const U8x64& v) {
  return from_register<U8x64>(_mm512_shuffle_i32x4(v.part[0].raw, v.part[0].raw, 0b01'01'01'01 * i));
}

// Lane i of the result is the sum of lanes 4 i to 4 i + 3 of a, then of b.
HWY_INLINE I32x8 add_quads_across(const I32x16& a, const I32x16& b) {
  const __m512i pairs = add(interleave<true>(a, b), interleave<false>(a, b)).part[0].raw;
  const __m512i sums = _mm512_add_epi32(pairs, _mm512_shuffle_epi32(pairs, static_cast<_MM_PERM_ENUM>(0b01'00'11'10)));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
  return {{I32Part{_mm512_castsi512_si256(_mm512_permutexvar_epi32(order, sums))}}};
}

HWY_INLINE F32x8 lower_halves_to_float(__m256i v) {
  return F32x8{{hn::Vec<F32x8::Tag>{_mm256_cvtph_ps(_mm256_cvtepi32_epi16(v))}}};
}

// The half floats 0 and 1 of eight headers.
struct HeaderHalves {
  F32x8 d, dmin;
};
HWY_INLINE HeaderHalves halves_of_headers(const U8x64& first, const U8x64& last) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i both = _mm512_castsi512_si256(_mm512_permutex2var_epi32(first.part[0].raw, order, last.part[0].raw));
  return {lower_halves_to_float(both), lower_halves_to_float(_mm256_srli_epi32(both, 16))};
}

// Four vectors, each of two sums' eight lanes: lane i of the result is the whole of sum i.
HWY_INLINE I32x8 add_across_pairs(const I32x16 (&v)[4]) {
  I32x16 quads[2];
  R1_UNROLL
  for (int i = 0; i < 2; ++i) {
    quads[i] = add(interleave<true>(v[2 * i], v[2 * i + 1]), interleave<false>(v[2 * i], v[2 * i + 1]));
  }
  const __m512i low = _mm512_unpacklo_epi64(quads[0].part[0].raw, quads[1].part[0].raw);
  const __m512i high = _mm512_unpackhi_epi64(quads[0].part[0].raw, quads[1].part[0].raw);
  const __m512i parts = _mm512_add_epi32(low, high);  // sums 0, 2, 4, 6 twice in parts, then 1, 3, 5, 7
  const __m512i whole = _mm512_add_epi32(parts, _mm512_shuffle_i32x4(parts, parts, 0b10'11'00'01));
  const __m512i order = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 0, 0, 0, 0, 0, 0, 0, 0);
  return {{I32Part{_mm512_castsi512_si256(_mm512_permutexvar_epi32(order, whole))}}};
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
#endif
