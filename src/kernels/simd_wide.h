// simd_wide.h: vectors of 64 bytes for AVX-512, and the operations on them that Highway 1.0.3 lacks.
#pragma once

#include "kernels/simd_formats.h"

#if R1_HAVE_VNNI
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

// Within each 16 bytes: byte from[i] of the same 16 bytes of v, or 0 where from[i] is 128.
HWY_INLINE U8x64 pick_bytes(const U8x64& v, const std::uint8_t* from) {
  return from_register<U8x64>(_mm512_shuffle_epi8(v.part[0].raw, _mm512_load_si512(from)));
}

// Lanes i and i + 8 added.
HWY_INLINE I32x8 fold(const I32x16& v) {
  const __m256i upper = _mm512_extracti64x4_epi64(v.part[0].raw, 1);
  return {{I32Part{_mm256_add_epi32(_mm512_castsi512_si256(v.part[0].raw), upper)}}};
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
