// simd_products.h: integer products of bytes, the few operations Highway 1.0.3 lacks. With simd_wide.h the only
// intrinsics of this room.
#pragma once

#include <type_traits>

#include "kernels/simd.h"

#if HWY_ARCH_X86
#include <immintrin.h>
#elif HWY_ARCH_ARM
#include <arm_neon.h>
#endif

R1_BEFORE_SIMD();
namespace r1::R1_SET {

// On one register each: w in [0, 127], x in [-127, 127].
//   pair_sums: 16-bit lane i = w[2i] * x[2i] + w[2i + 1] * x[2i + 1]
//   add_products: 32-bit lane i = sum[i] + a[2i] * b[2i] + a[2i + 1] * b[2i + 1]
//   apply_sign: x, negated where w < 0 and zero where w is (x86)
using U8Part = hn::Vec<U8x32::Tag>;
using I8Part = hn::Vec<I8x32::Tag>;
using I16Part = hn::Vec<I16x16::Tag>;
using I32Part = hn::Vec<I32x8::Tag>;

#if HWY_TARGET == HWY_SSE4
HWY_INLINE I16Part pair_sums(U8Part w, I8Part x) { return I16Part{_mm_maddubs_epi16(w.raw, x.raw)}; }
HWY_INLINE I32Part add_products(I32Part sum, I16Part a, I16Part b) {
  return I32Part{_mm_add_epi32(sum.raw, _mm_madd_epi16(a.raw, b.raw))};
}
HWY_INLINE I8Part apply_sign(I8Part x, I8Part w) { return I8Part{_mm_sign_epi8(x.raw, w.raw)}; }
#elif HWY_ARCH_X86
HWY_INLINE I16Part pair_sums(U8Part w, I8Part x) { return I16Part{_mm256_maddubs_epi16(w.raw, x.raw)}; }
HWY_INLINE I32Part add_products(I32Part sum, I16Part a, I16Part b) {
#if R1_WIDE
  return I32Part{_mm256_dpwssd_epi32(sum.raw, a.raw, b.raw)};
#elif R1_HAVE_VNNI
  return I32Part{_mm256_dpwssd_avx_epi32(sum.raw, a.raw, b.raw)};
#else
  return I32Part{_mm256_add_epi32(sum.raw, _mm256_madd_epi16(a.raw, b.raw))};
#endif
}
HWY_INLINE I8Part apply_sign(I8Part x, I8Part w) { return I8Part{_mm256_sign_epi8(x.raw, w.raw)}; }
#if R1_WIDE
using I8x64 = Vector<std::int8_t, 64>;
using U8x64 = Vector<std::uint8_t, 64>;
using I16x32 = Vector<std::int16_t, 32>;
using I32x16 = Vector<std::int32_t, 16>;
HWY_INLINE hn::Vec<I32x16::Tag> add_products(hn::Vec<I32x16::Tag> sum, hn::Vec<I16x32::Tag> a, hn::Vec<I16x32::Tag> b) {
  sum.raw = _mm512_dpwssd_epi32(sum.raw, a.raw, b.raw);
  return sum;
}
#endif
#elif HWY_ARCH_ARM_A64
HWY_INLINE I16Part pair_sums(I8Part w, I8Part x) {
  return I16Part{vpaddq_s16(vmull_s8(vget_low_s8(w.raw), vget_low_s8(x.raw)), vmull_high_s8(w.raw, x.raw))};
}
HWY_INLINE I16Part pair_sums(U8Part w, I8Part x) { return pair_sums(I8Part{vreinterpretq_s8_u8(w.raw)}, x); }
HWY_INLINE I32Part add_products(I32Part sum, I16Part a, I16Part b) {
  const int32x4_t low = vmull_s16(vget_low_s16(a.raw), vget_low_s16(b.raw));
  return I32Part{vaddq_s32(sum.raw, vpaddq_s32(low, vmull_high_s16(a.raw, b.raw)))};
}
#endif

HWY_INLINE I16x16 pair_sums(const U8x32& w, const I8x32& x) {
  I16x16 sums;
  R1_UNROLL
  for (int p = 0; p < I16x16::kParts; ++p) sums.part[p] = pair_sums(w.part[p], x.part[p]);
  return sums;
}

template <int n>
HWY_INLINE Vector<std::int32_t, n> add_products(Vector<std::int32_t, n> sum, const Vector<std::int16_t, 2 * n>& a,
                                                const Vector<std::int16_t, 2 * n>& b) {
  R1_UNROLL
  for (int p = 0; p < Vector<std::int32_t, n>::kParts; ++p) {
    sum.part[p] = add_products(sum.part[p], a.part[p], b.part[p]);
  }
  return sum;
}

// As above with w in [-128, 127]. x86 multiplies unsigned by signed bytes only: |w| times x with w's sign.
HWY_INLINE I16x16 pair_sums(const I8x32& w, const I8x32& x) {
  I16x16 sums;
  R1_UNROLL
  for (int p = 0; p < I16x16::kParts; ++p) {
#if HWY_ARCH_X86
    const U8Part magnitude = hn::BitCast(U8x32::Tag(), hn::Abs(w.part[p]));
    sums.part[p] = pair_sums(magnitude, apply_sign(x.part[p], w.part[p]));
#else
    sums.part[p] = pair_sums(w.part[p], x.part[p]);
#endif
  }
  return sums;
}

// 32-bit lane i = sum[i] + the products of bytes 4i to 4i + 3.
#if R1_HAVE_VNNI
HWY_INLINE I32Part add_byte_products(I32Part sum, U8Part w, I8Part x) {
#if R1_WIDE
  return I32Part{_mm256_dpbusd_epi32(sum.raw, w.raw, x.raw)};
#else
  return I32Part{_mm256_dpbusd_avx_epi32(sum.raw, w.raw, x.raw)};
#endif
}
#if R1_WIDE
HWY_INLINE hn::Vec<I32x16::Tag> add_byte_products(hn::Vec<I32x16::Tag> sum, hn::Vec<U8x64::Tag> w,
                                                  hn::Vec<I8x64::Tag> x) {
  sum.raw = _mm512_dpbusd_epi32(sum.raw, w.raw, x.raw);
  return sum;
}
#endif
template <int n>
HWY_INLINE Vector<std::int32_t, n> add_byte_products(Vector<std::int32_t, n> sum, const Vector<std::uint8_t, 4 * n>& w,
                                                     const Vector<std::int8_t, 4 * n>& x) {
  R1_UNROLL
  for (int p = 0; p < Vector<std::int32_t, n>::kParts; ++p) {
    sum.part[p] = add_byte_products(sum.part[p], w.part[p], x.part[p]);
  }
  return sum;
}
#endif
template <typename Weights>
HWY_INLINE I32x8 add_byte_products(I32x8 sum, const Weights& w, const I8x32& x) {
  return add_products(sum, pair_sums(w, x), set<I16x16>(1));
}

// Eight half floats from eight places.
HWY_INLINE F32x8 halves_to_float(std::uint16_t a, std::uint16_t b, std::uint16_t c, std::uint16_t d, std::uint16_t e,
                                 std::uint16_t f, std::uint16_t g, std::uint16_t h) {
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SSE4
  // Inserted one by one: stored singly and loaded together they would wait for the stores to reach the cache.
  const __m128i halves =
      _mm_set_epi16(static_cast<short>(h), static_cast<short>(g), static_cast<short>(f), static_cast<short>(e),
                    static_cast<short>(d), static_cast<short>(c), static_cast<short>(b), static_cast<short>(a));
  return F32x8{{hn::Vec<F32x8::Tag>{_mm256_cvtph_ps(halves)}}};
#else
  const std::uint16_t halves[8] = {a, b, c, d, e, f, g, h};
  F32x8 v;
  const hn::Rebind<std::uint16_t, F32x8::Tag> tag;
  R1_UNROLL
  for (int p = 0; p < F32x8::kParts; ++p) {
    v.part[p] = halves_to_float_part<F32x8>(hn::LoadU(tag, halves + p * F32x8::kPartLanes));
  }
  return v;
#endif
}

// Lanes 0 to 3 (or 4 to 7) of a, then of b.
template <bool kLower, typename V>
HWY_INLINE V join_quads(const V& a, const V& b) {
  const typename V::Tag tag;
  V v;
  if constexpr (V::kParts == 1) {
    v.part[0] =
        kLower ? hn::ConcatLowerLower(tag, b.part[0], a.part[0]) : hn::ConcatUpperUpper(tag, b.part[0], a.part[0]);
  } else {
    v.part[0] = a.part[kLower ? 0 : 1];
    v.part[1] = b.part[kLower ? 0 : 1];
  }
  return v;
}

template <typename V>
HWY_INLINE V add_quads(const V& a, const V& b) {
  return add(join_quads<true>(a, b), join_quads<false>(a, b));
}

// Within each four lanes: a[0], b[0], a[1], b[1] for kLower, else a[2], b[2], a[3], b[3].
template <bool kLower, typename V>
HWY_INLINE V interleave(const V& a, const V& b) {
  V v;
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) {
    v.part[p] = kLower ? hn::InterleaveLower(a.part[p], b.part[p])
                       : hn::InterleaveUpper(typename V::Tag(), a.part[p], b.part[p]);
  }
  return v;
}

// Within each four lanes: a[0], a[1], b[0], b[1] for kLower, else a[2], a[3], b[2], b[3].
template <bool kLower, typename V>
HWY_INLINE V interleave_pairs(const V& a, const V& b) {
  using Wide = Vector<std::uint64_t, 4>;
  return bit_cast<V>(interleave<kLower>(bit_cast<Wide>(a), bit_cast<Wide>(b)));
}

// The sums across of four of eight vectors, first to be added to those of the other four: v(i), v(i + 4), v(i + 1),
// v(i + 5). An addition each as soon as its operands are there, so that few registers are held.
template <typename Source>
HWY_INLINE auto add_across_four(const Source& v, int i) {
  const auto even = add_quads(v(i), v(i + 4));
  const auto odd = add_quads(v(i + 1), v(i + 5));
  return add(interleave<true>(even, odd), interleave<false>(even, odd));
}

// Eight vectors v(0) to v(7) of eight lanes: lane r of the result is the sum of v(r)'s lanes, added as plain_floats.h
// says: i and i + 4, then + 2, then + 1. 7 additions and 14 shuffles where a vector is one register.
template <typename Source>
HWY_INLINE auto add_across(const Source& v) {
  const auto first = add_across_four(v, 0);
  const auto second = add_across_four(v, 2);
  return add(interleave_pairs<true>(first, second), interleave_pairs<false>(first, second));
}

// The same for eight vectors of pair sums of 32 bytes, w at most kMax: added in 16 bits as far as these hold them, and
// only then widened. 8 to 2 instructions fewer.
template <typename Source>
HWY_INLINE I16x16 add_pairs_across_four(const Source& v, int i) {
  const I32x8 even = bit_cast<I32x8>(add_quads(v(i), v(i + 4)));
  const I32x8 odd = bit_cast<I32x8>(add_quads(v(i + 1), v(i + 5)));
  return add(bit_cast<I16x16>(interleave<true>(even, odd)), bit_cast<I16x16>(interleave<false>(even, odd)));
}

template <typename Source>
struct Widened {
  const Source& pairs;
  HWY_INLINE I32x8 operator()(int i) const { return add_products(zero<I32x8>(), pairs(i), set<I16x16>(1)); }
};

template <int kMax, typename Source>
HWY_INLINE I32x8 add_pairs_across(const Source& pairs) {
  constexpr int kFit = 32767 / (127 * kMax);  // products that 16 bits hold
  if constexpr (kFit < 8) {
    return add_across(Widened<Source>{pairs});
  } else {
    const I16x16 first = add_pairs_across_four(pairs, 0), second = add_pairs_across_four(pairs, 2);
    if constexpr (kFit >= 16) {
      const I16x16 sums = add(interleave_pairs<true>(first, second), interleave_pairs<false>(first, second));
      return add_products(zero<I32x8>(), sums, set<I16x16>(1));
    } else {
      const I32x8 a = add_products(zero<I32x8>(), first, set<I16x16>(1));
      const I32x8 b = add_products(zero<I32x8>(), second, set<I16x16>(1));
      return add(interleave_pairs<true>(a, b), interleave_pairs<false>(a, b));
    }
  }
}

#if HWY_TARGET == HWY_AVX2
// 16 lanes: the even ones in the lower half, the odd ones in the upper.
HWY_INLINE I16x16 even_and_odd(const I16x16& v) {
  alignas(32) static constexpr std::uint8_t kFrom[32] = {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,
                                                         0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
  const auto sorted = hn::TableLookupBytes(bit_cast<U8x32>(v).part[0], load<U8x32>(kFrom).part[0]);
  return I16x16{{I16Part{_mm256_permute4x64_epi64(sorted.raw, 0xd8)}}};
}

// Lane g of each half in all its lanes.
template <int g>
HWY_INLINE I16x16 repeat_in_halves(const I16x16& v) {
  const U8x32 from = bit_cast<U8x32>(set<U16x16>(2 * g + (2 * g + 1) * 256));
  return bit_cast<I16x16>(U8x32{{hn::TableLookupBytes(bit_cast<U8x32>(v).part[0], from.part[0])}});
}
#endif

template <typename V>
struct VectorsInMemory {
  const V* v;
  HWY_INLINE const V& operator()(int i) const { return v[i]; }
};

// Afterwards vector i holds lane i of what the eight were, in their order.
HWY_INLINE void transpose(U32x8 (&v)[8]) {
  U32x8 quads[2][4];  // [rows 0-3 or 4-7][i]: lane i of four rows, then their lane i + 4
  for (int half = 0; half < 2; ++half) {
    const U32x8* rows = v + 4 * half;
    for (int i = 0; i < 2; ++i) {
      const U32x8 even = i == 0 ? interleave<true>(rows[0], rows[1]) : interleave<false>(rows[0], rows[1]);
      const U32x8 odd = i == 0 ? interleave<true>(rows[2], rows[3]) : interleave<false>(rows[2], rows[3]);
      quads[half][2 * i] = interleave_pairs<true>(even, odd);
      quads[half][2 * i + 1] = interleave_pairs<false>(even, odd);
    }
  }
  for (int i = 0; i < 4; ++i) {
    v[i] = join_quads<true>(quads[0][i], quads[1][i]);
    v[i + 4] = join_quads<false>(quads[0][i], quads[1][i]);
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
