// simd_floats.h: vectors of 16 floats: parts of rows, decoding of the plain float formats, the fixed order of sums,
// exp.
#pragma once

#include <algorithm>

#include "kernels/exp.h"
#include "kernels/plain_floats.h"
#include "kernels/simd_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

using FloatPart = hn::Vec<F32x16::Tag>;

// Lanes i and i + 8 added: the first step of plain_floats.h's order.
template <typename V>
HWY_INLINE F32x8 fold(const V& v) {
  F32x8 folded;
  if constexpr (V::kParts == 1) {
    const F32x8::Tag half;
    folded.part[0] = hn::Add(hn::LowerHalf(half, v.part[0]), hn::UpperHalf(half, v.part[0]));
  } else {
    R1_UNROLL
    for (int p = 0; p < F32x8::kParts; ++p) folded.part[p] = hn::Add(v.part[p], v.part[p + F32x8::kParts]);
  }
  return folded;
}

HWY_INLINE float sum_of_lanes(const F32x16& v) {
  float lanes[8];
  store(fold(v), lanes);
  for (int half = 4; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// 16 stored values as f32. Rows come from mapped files and may lie anywhere; LoadU doesn't mind.
template <typename Format>
HWY_INLINE F32x16 decode(const std::byte* from) {
  const F32x16::Tag tag;
  const auto* stored = reinterpret_cast<const typename Format::Stored*>(from);
  F32x16 v;
  R1_UNROLL
  for (int p = 0; p < F32x16::kParts; ++p, stored += F32x16::kPartLanes) {
    if constexpr (Format::kDtype == Dtype::kF32) {
      v.part[p] = hn::LoadU(tag, stored);
    } else if constexpr (Format::kDtype == Dtype::kF16) {
      v.part[p] = halves_to_float_part<F32x16>(hn::LoadU(hn::Rebind<std::uint16_t, F32x16::Tag>(), stored));
    } else {
      static_assert(Format::kDtype == Dtype::kBF16);
      const hn::RebindToUnsigned<F32x16::Tag> wide;
      const auto bits16 = hn::LoadU(hn::Rebind<std::uint16_t, F32x16::Tag>(), stored);
      v.part[p] = hn::BitCast(tag, hn::ShiftLeft<16>(hn::PromoteTo(wide, bits16)));
    }
  }
  return v;
}

// Sixteen half floats as f32.
template <typename Halves>
HWY_INLINE F32x16 halves_to_floats(const Halves& halves) {
  constexpr int kRatio = F32x16::kParts / Halves::kParts;  // registers of floats for one of halves: 1 or 2
  const hn::Rebind<std::uint16_t, F32x16::Tag> tag16;
  F32x16 v;
  R1_UNROLL
  for (int p = 0; p < Halves::kParts; ++p) {
    if constexpr (kRatio == 1) {
      v.part[p] = halves_to_float_part<F32x16>(halves.part[p]);
    } else {
      v.part[2 * p] = halves_to_float_part<F32x16>(hn::LowerHalf(tag16, halves.part[p]));
      v.part[2 * p + 1] = halves_to_float_part<F32x16>(hn::UpperHalf(tag16, halves.part[p]));
    }
  }
  return v;
}

// 16 bytes of F8E4M3, times their scale / 2^-8: through half floats, whose exponent is one bit wider and has the
// subnormals in the same place, so that no multiplication meets an f32 subnormal (slow on Intel).
HWY_INLINE F32x16 decode_f8(const std::byte* from, float scale_times_256) {
  const auto* stored = reinterpret_cast<const std::int8_t*>(from);
  U16x16 halves;
  R1_UNROLL
  for (int p = 0; p < U16x16::kParts; ++p, stored += U16x16::kPartLanes) {
    const U16x16::Tag tag;
    const auto bytes = hn::PromoteTo(I16x16::Tag(), hn::LoadU(hn::Rebind<std::int8_t, I16x16::Tag>(), stored));
    // The sign is in bits 14 and 15 now; 14 is to be the exponent's highest, which is zero.
    const auto half = hn::And(hn::BitCast(tag, hn::ShiftLeft<7>(bytes)), hn::Set(tag, 0xbf80));
    const auto largest = hn::Set(tag, 0x3f80);
    const auto is_nan = hn::VecFromMask(tag, hn::Eq(hn::And(half, largest), largest));
    halves.part[p] = hn::Or(half, hn::ShiftRight<1>(is_nan));
  }
  return mul(halves_to_floats(halves), set<F32x16>(scale_times_256));
}

// Between low and high; NaN stays NaN. Of a number and NaN, Highway's Min and Max give the second on x86, the number on
// Arm.
template <typename Tag, typename Part>
HWY_INLINE Part clamp_to_range(Tag tag, const Part& x, float low, float high) {
#if HWY_ARCH_X86
  return hn::Min(hn::Set(tag, high), hn::Max(hn::Set(tag, low), x));
#else
  const auto at_least = hn::IfThenElse(hn::Lt(x, hn::Set(tag, low)), hn::Set(tag, low), x);
  return hn::IfThenElse(hn::Gt(at_least, hn::Set(tag, high)), hn::Set(tag, high), at_least);
#endif
}

// exp.h's steps on 16 lanes.
HWY_INLINE F32x16 exp(F32x16 v) {
  const F32x16::Tag tag;
  const hn::RebindToSigned<F32x16::Tag> whole_tag;
  R1_UNROLL
  for (auto& part : v.part) {
    const auto x = clamp_to_range(tag, part, kExpLowest, kExpHighest);
    const auto shifted = hn::MulAdd(x, hn::Set(tag, kLog2E), hn::Set(tag, kRoundMagic));
    const auto n = hn::Sub(shifted, hn::Set(tag, kRoundMagic));
    const auto r = hn::NegMulAdd(n, hn::Set(tag, kLn2Low), hn::NegMulAdd(n, hn::Set(tag, kLn2High), x));
    auto q = hn::Set(tag, kExpQ[4]);
    R1_UNROLL
    for (int i = 3; i >= 0; --i) q = hn::MulAdd(q, r, hn::Set(tag, kExpQ[i]));
    const auto exp_r = hn::Add(hn::MulAdd(q, hn::Mul(r, r), r), hn::Set(tag, 1.0f));
    const auto magic_bits = hn::BitCast(whole_tag, hn::Set(tag, kRoundMagic));
    const auto whole = hn::Sub(hn::BitCast(whole_tag, shifted), magic_bits);
    const auto half = hn::ShiftRight<1>(whole);
    const auto bias = hn::Set(whole_tag, 127);
    const auto first = hn::BitCast(tag, hn::ShiftLeft<23>(hn::Add(half, bias)));
    const auto second = hn::BitCast(tag, hn::ShiftLeft<23>(hn::Add(hn::Sub(whole, half), bias)));
    part = hn::Mul(hn::Mul(exp_r, first), second);
  }
  return v;
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
