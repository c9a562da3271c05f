// simd.h: the vectors our kernels are written in, over Highway: 32 bytes of integers (or 8 floats), and 16 floats.
//
// A vector here has the same number of lanes on every machine and is made of as many registers as that takes (one on
// AVX2, two on SSE4 and NEON): so a kernel is written once, and results don't depend on the register width.
// This file and all that include it are compiled once per instruction set, from set_*.cpp, which define HWY_TARGET. No
// lambdas between R1_BEFORE_SIMD and R1_AFTER_SIMD: GCC gives them no target attributes.
#pragma once

#ifndef R1_SET
#error "include this from set_*.cpp only"
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

// Highway 1.0.3 has no VNNI in the attributes of AVX3, and in those of AVX3_DL it has avxvnni, whose encoding Zen 4 and
// Ice Lake do not know: so AVX3, with avx512vnni added. Desktop processors without AVX-512 know that encoding alone:
// AVX2, with avxvnni added (set_avx_vnni.cpp).
//   R1_HAVE_VNNI   sums of four products of bytes in 32 bits
//   R1_WIDE        registers of 64 bytes
#if HWY_TARGET == HWY_AVX3
#define R1_BEFORE_SIMD() HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avx512vnni") static_assert(true)
#define R1_HAVE_VNNI 1
#define R1_WIDE 1
#elif defined(R1_AVX_VNNI)
#define R1_BEFORE_SIMD() HWY_PUSH_ATTRIBUTES(HWY_TARGET_STR ",avxvnni") static_assert(true)
#define R1_HAVE_VNNI 1
#define R1_WIDE 0
#else
#define R1_BEFORE_SIMD() HWY_BEFORE_NAMESPACE()
#define R1_HAVE_VNNI 0
#define R1_WIDE 0
#endif
#ifndef R1_HAVE_TILES
#define R1_HAVE_TILES 0
#endif
#define R1_AFTER_SIMD() HWY_AFTER_NAMESPACE()

// Before loops over the parts of a vector, or over an array of vectors: left as a loop, even of one turn, GCC keeps
// what it runs over in memory.
#define R1_UNROLL _Pragma("GCC unroll 8")

R1_BEFORE_SIMD();
namespace r1::R1_SET {

namespace hn = hwy::HWY_NAMESPACE;

template <int kBytes>
inline constexpr int kPartBytes = kBytes < HWY_MAX_BYTES ? kBytes : HWY_MAX_BYTES;

// n lanes of T in one register or several.
template <typename T, int n>
struct Vector {
  static constexpr int kBytes = n * static_cast<int>(sizeof(T));
  static constexpr int kParts = kBytes / kPartBytes<kBytes>;
  static constexpr int kPartLanes = n / kParts;
  using Lane = T;
  using Tag = hn::CappedTag<T, kPartLanes>;
  hn::Vec<Tag> part[kParts];
};
using U8x32 = Vector<std::uint8_t, 32>;
using I8x32 = Vector<std::int8_t, 32>;
using I16x16 = Vector<std::int16_t, 16>;
using U16x16 = Vector<std::uint16_t, 16>;
using I32x8 = Vector<std::int32_t, 8>;
using U32x8 = Vector<std::uint32_t, 8>;
using F32x8 = Vector<float, 8>;
using F32x16 = Vector<float, 16>;

template <typename V>
HWY_INLINE V load(const void* from) {
  const typename V::Tag tag;
  const auto* lanes = static_cast<const typename V::Lane*>(from);
  V v;
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) v.part[p] = hn::LoadU(tag, lanes + p * V::kPartLanes);
  return v;
}

// The first n lanes, the rest `fill`.
template <typename V>
HWY_INLINE V load_first(const typename V::Lane* from, std::int64_t n, typename V::Lane fill = 0) {
  constexpr int kLanes = V::kParts * V::kPartLanes;
  if (n >= kLanes) return load<V>(from);
  typename V::Lane lanes[kLanes];
  for (int i = 0; i < kLanes; ++i) lanes[i] = i < n ? from[i] : fill;
  return load<V>(lanes);
}

template <typename V>
HWY_INLINE void store(const V& v, void* to) {
  const typename V::Tag tag;
  auto* lanes = static_cast<typename V::Lane*>(to);
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) hn::StoreU(v.part[p], tag, lanes + p * V::kPartLanes);
}

// The first n lanes.
template <typename V>
HWY_INLINE void store_first(const V& v, std::int64_t n, typename V::Lane* to) {
  constexpr int kLanes = V::kParts * V::kPartLanes;
  if (n >= kLanes) return store(v, to);
  typename V::Lane lanes[kLanes];
  store(v, lanes);
  std::memcpy(to, lanes, static_cast<std::size_t>(n) * sizeof(typename V::Lane));
}

template <typename V>
HWY_INLINE V set(typename V::Lane lane) {
  V v;
  R1_UNROLL
  for (auto& part : v.part) part = hn::Set(typename V::Tag(), lane);
  return v;
}

template <typename V>
HWY_INLINE V zero() {
  V v;
  R1_UNROLL
  for (auto& part : v.part) part = hn::Zero(typename V::Tag());
  return v;
}

// Makes the compiler load a register once instead of at each use.
template <typename Part>
HWY_INLINE void keep_in_register(Part& part) {
#if HWY_ARCH_X86
  asm("" : "+x"(part.raw));
#elif HWY_ARCH_ARM
  asm("" : "+w"(part.raw));
#endif
}

template <typename To, typename V>
HWY_INLINE To bit_cast(const V& v) {
  To to;
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) to.part[p] = hn::BitCast(typename To::Tag(), v.part[p]);
  return to;
}

template <typename V>
HWY_INLINE V add(V a, const V& b) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) a.part[p] = hn::Add(a.part[p], b.part[p]);
  return a;
}

template <typename V>
HWY_INLINE V sub(V a, const V& b) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) a.part[p] = hn::Sub(a.part[p], b.part[p]);
  return a;
}

template <typename V>
HWY_INLINE V mul(V a, const V& b) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) a.part[p] = hn::Mul(a.part[p], b.part[p]);
  return a;
}

template <typename V>
HWY_INLINE V bit_and(V a, const V& b) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) a.part[p] = hn::And(a.part[p], b.part[p]);
  return a;
}

template <typename V>
HWY_INLINE V bit_or(V a, const V& b) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) a.part[p] = hn::Or(a.part[p], b.part[p]);
  return a;
}

template <typename V>
HWY_INLINE V bit_xor(V a, const V& b) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) a.part[p] = hn::Xor(a.part[p], b.part[p]);
  return a;
}

template <int kBits, typename V>
HWY_INLINE V shift_left(V a) {
  R1_UNROLL
  for (auto& part : a.part) part = hn::ShiftLeft<kBits>(part);
  return a;
}

template <int kBits, typename V>
HWY_INLINE V shift_right(V a) {
  R1_UNROLL
  for (auto& part : a.part) part = hn::ShiftRight<kBits>(part);
  return a;
}

// a * b + c in one rounding, where the machine can (not on SSE4).
template <typename V>
HWY_INLINE V multiply_add(const V& a, const V& b, V c) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) c.part[p] = hn::MulAdd(a.part[p], b.part[p], c.part[p]);
  return c;
}

// c - a * b, likewise.
template <typename V>
HWY_INLINE V negative_multiply_add(const V& a, const V& b, V c) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) c.part[p] = hn::NegMulAdd(a.part[p], b.part[p], c.part[p]);
  return c;
}

template <int n>
HWY_INLINE Vector<float, n> to_float(const Vector<std::int32_t, n>& v) {
  Vector<float, n> f;
  R1_UNROLL
  for (int p = 0; p < Vector<float, n>::kParts; ++p)
    f.part[p] = hn::ConvertTo(typename Vector<float, n>::Tag(), v.part[p]);
  return f;
}

// The lowest kBits bits of every byte after a shift to the right.
template <int kShift, int kBits>
HWY_INLINE U8x32 bits(const U8x32& v) {
  U16x16 wide = bit_cast<U16x16>(v);
  if constexpr (kShift > 0) {
    R1_UNROLL
    for (auto& part : wide.part) part = hn::ShiftRight<kShift>(part);
  }
  return bit_and(bit_cast<U8x32>(wide), set<U8x32>((1 << kBits) - 1));
}

// Those bits, moved up to kTo.
template <int kShift, int kBits, int kTo>
HWY_INLINE U8x32 bits_at(const U8x32& v) {
  U16x16 wide = bit_cast<U16x16>(v);
  R1_UNROLL
  for (auto& part : wide.part) {
    if constexpr (kShift > kTo) part = hn::ShiftRight<kShift - kTo>(part);
    if constexpr (kShift < kTo) part = hn::ShiftLeft<kTo - kShift>(part);
  }
  return bit_and(bit_cast<U8x32>(wide), set<U8x32>(((1 << kBits) - 1) << kTo));
}

// Two registers of 16 bytes as one vector.
template <typename V, typename Half>
HWY_INLINE V join_halves(const Half& low, const Half& high) {
  V v;
  if constexpr (V::kParts == 1) {
    v.part[0] = hn::Combine(typename V::Tag(), high, low);
  } else {
    v.part[0] = low;
    v.part[1] = high;
  }
  return v;
}

// Odd lanes of one, even lanes of the other.
template <typename V>
HWY_INLINE V odd_even(const V& odd, V even) {
  R1_UNROLL
  for (int p = 0; p < V::kParts; ++p) even.part[p] = hn::OddEven(odd.part[p], even.part[p]);
  return even;
}

// 16 bytes' low nibbles, then their high ones.
HWY_INLINE U8x32 nibbles(const std::uint8_t* bytes) {
#if HWY_TARGET == HWY_AVX2
  // The bytes in both halves, of which one is shifted: two instructions after the load. Bits that come from the byte
  // beside are masked out.
  alignas(32) static constexpr std::uint64_t kShift[4] = {0, 0, 4, 4};
  const hn::CappedTag<std::uint64_t, 4> wide;
  const auto both = hn::BitCast(wide, hn::LoadDup128(U8x32::Tag(), bytes));
  return bit_and(U8x32{{hn::BitCast(U8x32::Tag(), both >> hn::Load(wide, kShift))}}, set<U8x32>(15));
#else
  const hn::CappedTag<std::uint8_t, 16> tag;
  const hn::CappedTag<std::uint16_t, 8> wide;
  const auto both = hn::LoadU(tag, bytes);
  const auto mask = hn::Set(tag, 15);
  const auto low = hn::And(both, mask);
  const auto high = hn::And(hn::BitCast(tag, hn::ShiftRight<4>(hn::BitCast(wide, both))), mask);
  return join_halves<U8x32>(low, high);
#endif
}

// table[v] for v < 16.
HWY_INLINE I8x32 look_up(const std::int8_t* table, const U8x32& v) {
  const auto entries = hn::LoadDup128(I8x32::Tag(), table);
  I8x32 values;
  R1_UNROLL
  for (int p = 0; p < U8x32::kParts; ++p) {
    values.part[p] = hn::TableLookupBytes(entries, hn::BitCast(I8x32::Tag(), v.part[p]));
  }
  return values;
}

// 32 bits as 32 bytes: kValue where the bit is set, else 0. Bit j of the word goes to byte j.
template <int kValue>
HWY_INLINE U8x32 spread_bits(const std::uint8_t* four_bytes) {
  alignas(32) static constexpr std::uint8_t kByteOf[32] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,
                                                           2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3};
  std::uint32_t word;
  std::memcpy(&word, four_bytes, 4);
  const U8x32 words = bit_cast<U8x32>(set<U32x8>(word));
  const U8x32 byte_of = load<U8x32>(kByteOf);
  const U8x32 bit = bit_cast<U8x32>(set<Vector<std::uint64_t, 4>>(0x8040201008040201ull));
  const auto value = hn::Set(U8x32::Tag(), kValue);
  U8x32 v;
  R1_UNROLL
  for (int p = 0; p < U8x32::kParts; ++p) {
    const auto tested = hn::And(hn::TableLookupBytes(words.part[p], byte_of.part[p]), bit.part[p]);
    v.part[p] = hn::And(hn::VecFromMask(U8x32::Tag(), hn::Eq(tested, bit.part[p])), value);
  }
  return v;
}

// lanes[0] eight times, then lanes[1] eight times.
HWY_INLINE I16x16 set_halves(const std::int16_t* lanes) {
  alignas(32) static constexpr std::uint8_t kFrom[32] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
                                                         2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3};
  std::uint32_t both;
  std::memcpy(&both, lanes, 4);
  const U8x32 v = bit_cast<U8x32>(set<U32x8>(both)), from = load<U8x32>(kFrom);
  U8x32 halves;
  R1_UNROLL
  for (int p = 0; p < U8x32::kParts; ++p) halves.part[p] = hn::TableLookupBytes(v.part[p], from.part[p]);
  return bit_cast<I16x16>(halves);
}

// Half floats of any bits, one register of floats.
template <typename V, typename Halves>
HWY_INLINE hn::Vec<typename V::Tag> halves_to_float_part(const Halves& bits16) {
  const typename V::Tag tag;
#if HWY_TARGET == HWY_SSE4
  // Highway's own, without F16C, takes infinity for a number.
  const hn::RebindToUnsigned<typename V::Tag> tag32;
  const auto bits32 = hn::PromoteTo(tag32, bits16);
  const auto sign = hn::ShiftLeft<16>(hn::And(bits32, hn::Set(tag32, 0x8000u)));
  const auto magnitude = hn::ShiftLeft<13>(hn::And(bits32, hn::Set(tag32, 0x7fffu)));
  const auto scaled = hn::Mul(hn::BitCast(tag, magnitude), hn::Set(tag, 0x1p112f));
  const hn::RebindToSigned<typename V::Tag> signed_tag;
  const auto infinite = hn::Gt(hn::BitCast(signed_tag, magnitude), hn::Set(signed_tag, 0x0f7fffff));
  const auto exponent = hn::And(hn::BitCast(tag32, hn::VecFromMask(signed_tag, infinite)), hn::Set(tag32, 0x7f800000u));
  return hn::BitCast(tag, hn::Or(hn::Or(hn::BitCast(tag32, scaled), exponent), sign));
#else
  return hn::PromoteTo(tag, hn::BitCast(hn::Rebind<hwy::float16_t, typename V::Tag>(), bits16));
#endif
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
