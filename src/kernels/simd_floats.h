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

// The first n of 16 floats, the rest `fill`.
HWY_INLINE F32x16 load_first(const float* from, std::int64_t n, float fill = 0.0f) {
  if (n >= kFloatLanes) return load<F32x16>(from);
  float lanes[kFloatLanes];
  std::fill(lanes, lanes + kFloatLanes, fill);
  std::copy(from, from + n, lanes);
  return load<F32x16>(lanes);
}

HWY_INLINE void store_first(const F32x16& v, std::int64_t n, float* to) {
  if (n >= kFloatLanes) return store(v, to);
  float lanes[kFloatLanes];
  store(v, lanes);
  std::copy(lanes, lanes + n, to);
}

// Lanes i and i + 8 added: the first step of plain_floats.h's order.
template <typename V>
HWY_INLINE F32x8 fold(const V& v) {
  F32x8 folded;
  if constexpr (V::kParts == 1) {
    const F32x8::Tag half;
    folded.part[0] = hn::Add(hn::LowerHalf(half, v.part[0]), hn::UpperHalf(half, v.part[0]));
  } else {
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

// 16 stored values as f32.
template <typename Format>
HWY_INLINE F32x16 decode(const std::byte* from) {
  using Stored = typename Format::Stored;
  constexpr int kLanes = F32x16::kPartLanes;
  const F32x16::Tag tag;
  F32x16 v;
  for (int p = 0; p < F32x16::kParts; ++p) {
    Stored stored[kLanes];
    std::memcpy(stored, from + p * sizeof stored, sizeof stored);
    if constexpr (Format::kDtype == Dtype::kF32) {
      v.part[p] = hn::LoadU(tag, stored);
    } else if constexpr (Format::kDtype == Dtype::kF16) {
      v.part[p] = halves_to_float_part<F32x16>(stored);
    } else {
      static_assert(Format::kDtype == Dtype::kBF16);
      const hn::RebindToUnsigned<F32x16::Tag> wide;
      const auto bits16 = hn::LoadU(hn::Rebind<std::uint16_t, F32x16::Tag>(), stored);
      v.part[p] = hn::BitCast(tag, hn::ShiftLeft<16>(hn::PromoteTo(wide, bits16)));
    }
  }
  return v;
}

// 16 bytes of F8E4M3, times their scale / 2^-8: through half floats, whose exponent is one bit wider and has the
// subnormals in the same place, so that no multiplication meets an f32 subnormal (slow on Intel).
HWY_INLINE F32x16 decode_f8(const std::byte* from, float scale_times_256) {
  const F32x16::Tag tag;
  const hn::Rebind<std::uint16_t, F32x16::Tag> tag16;
  const hn::Rebind<std::uint8_t, F32x16::Tag> tag8;
  const auto nan = hn::Set(tag16, 0x7f);
  F32x16 v;
  for (int p = 0; p < F32x16::kParts; ++p) {
    std::uint8_t stored[F32x16::kPartLanes];
    std::memcpy(stored, from + p * sizeof stored, sizeof stored);
    const auto bytes = hn::PromoteTo(tag16, hn::LoadU(tag8, stored));
    const auto magnitude = hn::And(bytes, nan);
    const auto sign = hn::ShiftLeft<8>(hn::Xor(bytes, magnitude));
    const auto is_nan = hn::VecFromMask(tag16, hn::Eq(magnitude, nan));
    std::uint16_t halves[F32x16::kPartLanes];
    hn::StoreU(hn::Or(hn::Or(hn::ShiftLeft<7>(magnitude), sign), hn::ShiftRight<1>(is_nan)), tag16, halves);
    v.part[p] = hn::Mul(halves_to_float_part<F32x16>(halves), hn::Set(tag, scale_times_256));
  }
  return v;
}

// exp.h's steps on 16 lanes. hn::Max(a, NaN) is NaN on x86 and Arm: NaN stays NaN.
HWY_INLINE F32x16 exp(F32x16 v) {
  const F32x16::Tag tag;
  const hn::RebindToSigned<F32x16::Tag> whole_tag;
  for (auto& part : v.part) {
    const auto x = hn::Min(hn::Set(tag, kExpHighest), hn::Max(hn::Set(tag, kExpLowest), part));
    const auto shifted = hn::MulAdd(x, hn::Set(tag, kLog2E), hn::Set(tag, kRoundMagic));
    const auto n = hn::Sub(shifted, hn::Set(tag, kRoundMagic));
    const auto r = hn::NegMulAdd(n, hn::Set(tag, kLn2Low), hn::NegMulAdd(n, hn::Set(tag, kLn2High), x));
    auto q = hn::Set(tag, kExpQ[4]);
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
