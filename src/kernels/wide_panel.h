// wide_panel.h: panels unpacked sixteen rows at a time (AVX-512).
//
// Rows are put side by side as they are stored, four bytes of each in a register, before their bits are taken apart:
// eight times fewer shuffles for formats of few bits than the other way round, and what follows is the same for all
// rows.
#pragma once

#include <array>
#include <utility>

#include "kernels/panel.h"
#include "kernels/wide_lanes.h"

#if R1_WIDE
R1_BEFORE_SIMD();
namespace r1::R1_SET {

inline constexpr int kWideRows = 16;
using RowWords = Vector<std::uint32_t, kWideRows>;  // four bytes of each of 16 rows

// Sixteen rows of a panel, from a block on.
template <typename Format>
struct SixteenRows {
  using Block = typename Format::Block;
  const Block* const* row;
  int block;
  std::int64_t ahead;

  // words[i]: of every row, four bytes from byte `at` + 4 * i of its block on.
  HWY_INLINE void words(std::size_t at, RowWords (&words)[4]) const {
    if (ahead != 0 && (static_cast<std::size_t>(block) * sizeof(Block) + at) % 64 < 16) ask_ahead(at);
    __m512i v[4];  // v[r]: 16 bytes of each of rows r, r + 4, r + 8, r + 12
    R1_UNROLL
    for (int r = 0; r < 4; ++r) {
      v[r] = _mm512_broadcast_i32x4(sixteen_bytes(r, at));
      v[r] = _mm512_mask_broadcast_i32x4(v[r], 0x00f0, sixteen_bytes(r + 4, at));
      v[r] = _mm512_mask_broadcast_i32x4(v[r], 0x0f00, sixteen_bytes(r + 8, at));
      v[r] = _mm512_mask_broadcast_i32x4(v[r], 0xf000, sixteen_bytes(r + 12, at));
    }
    const __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    const __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    words[0] = from_register<RowWords>(_mm512_unpacklo_epi64(a, c));
    words[1] = from_register<RowWords>(_mm512_unpackhi_epi64(a, c));
    words[2] = from_register<RowWords>(_mm512_unpacklo_epi64(b, d));
    words[3] = from_register<RowWords>(_mm512_unpackhi_epi64(b, d));
  }

 private:
  HWY_INLINE const std::byte* bytes(int r, std::size_t at) const {
    return reinterpret_cast<const std::byte*>(row[r] + block) + at;
  }
  HWY_INLINE __m128i sixteen_bytes(int r, std::size_t at) const {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes(r, at)));
  }
  // A line of each row at a time, between loads: all of a panel's at once would wait for the few buffers there are.
  HWY_INLINE void ask_ahead(std::size_t at) const {
    R1_UNROLL
    for (int r = 0; r < kWideRows; ++r) __builtin_prefetch(bytes(r, at) + ahead, 0, 2);
  }
};

// Every byte's kBits bits from kFrom on, moved to bit kTo.
template <int kFrom, int kBits, int kTo = 0>
HWY_INLINE U8x64 bits_of(RowWords v) {
  if constexpr (kFrom > kTo) v = shift_right<kFrom - kTo>(v);
  if constexpr (kFrom < kTo) v = shift_left<kTo - kFrom>(v);
  return bit_and(bit_cast<U8x64>(v), set<U8x64>(((1 << kBits) - 1) << kTo));
}

// ---- lanes ---------------------------------------------------------------------------------------------------------

// Four columns of 16 rows, as the format stores them.
template <typename Format>
HWY_INLINE void store_lanes(U8x64 stored, Panel& panel, int four, int first) {
  if constexpr (kPanelOffset<Format> == 128) {
    stored = bit_xor(stored, set<U8x64>(128));
  } else if constexpr (kPanelOffset<Format> != Lanes<Format>::kOffset) {
    stored = sub(stored, set<U8x64>(Lanes<Format>::kOffset));
  }
  store(stored, panel.lanes[four] + 4 * first);
}

// 16 where bits 4 i to 4 i + 3 of a row's word are 1, else 0: the fifth bits of four columns.
template <int i>
HWY_INLINE U8x64 fifth_bits(const RowWords& word) {
  const __m512i table =
      _mm512_setr_epi32(0, 0x10, 0x1000, 0x1010, 0x100000, 0x100010, 0x101000, 0x101010, 0x10000000, 0x10000010,
                        0x10001000, 0x10001010, 0x10100000, 0x10100010, 0x10101000, 0x10101010);
  // The lookup takes an index's lowest four bits.
  return from_register<U8x64>(_mm512_permutexvar_epi32(shift_right<4 * i>(word).part[0].raw, table));
}

// Formats of 32, and the groups of IQ4_XS: 16 bytes whose low nibbles are 16 columns, whose high ones the next 16.
template <typename Format, int i>
HWY_INLINE void store_nibbles(const RowWords& nibbles, const RowWords& fifth, Panel& panel, int to, int first) {
  U8x64 low = bits_of<0, 4>(nibbles), high = bits_of<4, 4>(nibbles);
  if constexpr (kIsSigned<Format>) {
    low = codebook_values(low);
    high = codebook_values(high);
  }
  if constexpr (Lanes<Format>::kMax == 31) {
    low = bit_or(low, fifth_bits<i>(fifth));
    high = bit_or(high, fifth_bits<i + 4>(fifth));
  }
  store_lanes<Format>(low, panel, to + i, first);
  store_lanes<Format>(high, panel, to + 4 + i, first);
}

template <typename Format>
HWY_INLINE void store_group_of_nibbles(const RowWords (&w)[4], const RowWords& fifth, Panel& panel, int to, int first) {
  store_nibbles<Format, 0>(w[0], fifth, panel, to, first);
  store_nibbles<Format, 1>(w[1], fifth, panel, to, first);
  store_nibbles<Format, 2>(w[2], fifth, panel, to, first);
  store_nibbles<Format, 3>(w[3], fifth, panel, to, first);
}

// ---- scales --------------------------------------------------------------------------------------------------------

// Half floats in the lower or upper halves of words.
template <int kShift>
HWY_INLINE F32x16 halves_of(const RowWords& words) {
  const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(words.part[0].raw, kShift));
  return {{hn::Vec<F32x16::Tag>{_mm512_cvtph_ps(halves)}}};
}

// Bytes `low` and `high` of every word as its two 16-bit lanes.
template <bool kSigned>
consteval std::array<std::uint8_t, 64> two_places(int low, int high) {
  std::array<std::uint8_t, 64> places{};
  for (int i = 0; i < 64; i += 4) {
    const int word = i % 16;
    places[i] = static_cast<std::uint8_t>(kSigned ? 128 : word + low);
    places[i + 1] = static_cast<std::uint8_t>(kSigned ? word + low : 128);
    places[i + 2] = static_cast<std::uint8_t>(kSigned ? 128 : word + high);
    places[i + 3] = static_cast<std::uint8_t>(kSigned ? word + high : 128);
  }
  return places;
}

template <bool kSigned, int low, int high>
HWY_INLINE I16x32 two_bytes(const RowWords& words) {
  alignas(64) static constexpr auto kPlaces = two_places<kSigned>(low, high);
  const I16x32 v = bit_cast<I16x32>(pick_bytes(bit_cast<U8x64>(words), kPlaces.data()));
  return kSigned ? shift_right<8>(v) : v;
}

// The scales of four groups, a byte each, from group 4 * four on; and where there are any the same number of minima.
template <typename Format>
HWY_INLINE void store_scales(const RowWords& scales, const RowWords& mins, Panel& panel, int four, int first) {
  constexpr bool kSigned = WideLanes<Format>::kSignedScales;
  store(two_bytes<kSigned, 0, 0>(scales), panel.scales[4 * four] + 2 * first);
  store(two_bytes<kSigned, 1, 1>(scales), panel.scales[4 * four + 1] + 2 * first);
  store(two_bytes<kSigned, 2, 2>(scales), panel.scales[4 * four + 2] + 2 * first);
  store(two_bytes<kSigned, 3, 3>(scales), panel.scales[4 * four + 3] + 2 * first);
  if constexpr (Format::kHasMin) {
    store(two_bytes<false, 0, 1>(mins), panel.mins[2 * four] + 2 * first);
    store(two_bytes<false, 2, 3>(mins), panel.mins[2 * four + 1] + 2 * first);
  } else if constexpr (kPanelOffset<Format> != 0) {
    const I16x32 offset = set<I16x32>(kPanelOffset<Format>);
    store(mul(two_bytes<kSigned, 0, 1>(scales), offset), panel.mins[2 * four] + 2 * first);
    store(mul(two_bytes<kSigned, 2, 3>(scales), offset), panel.mins[2 * four + 1] + 2 * first);
  }
}

HWY_INLINE RowWords minus_32(const U8x64& bytes) { return bit_cast<RowWords>(sub(bytes, set<U8x64>(32))); }

// The low 16 bits' nibbles, or pairs of bits of the low eight, each moved to a byte of its own.
HWY_INLINE RowWords spread_nibbles(RowWords v) {
  v = bit_and(bit_or(v, shift_left<8>(v)), set<RowWords>(0x00ff00ff));
  return bit_and(bit_or(v, shift_left<4>(v)), set<RowWords>(0x0f0f0f0f));
}
HWY_INLINE RowWords spread_pairs(RowWords v) {
  v = bit_and(bit_or(v, shift_left<12>(v)), set<RowWords>(0x000f000f));
  return bit_and(bit_or(v, shift_left<6>(v)), set<RowWords>(0x03030303));
}

// ---- formats -------------------------------------------------------------------------------------------------------

// unpack(rows, panel, first, i): columns, scales and factors of a block of rows first to first + 15; of formats of 32,
// the i-th block of the panel.
template <typename Format>
struct WideBlock;

template <typename Format, int c>
HWY_INLINE void store_64_columns(const RowWords (&qs)[4], const RowWords (&qh)[4], Panel& panel, int four, int first) {
  R1_UNROLL
  for (int i = 0; i < 4; ++i) {
    U8x64 low = bits_of<0, 4>(qs[i]), high = bits_of<4, 4>(qs[i]);
    if constexpr (Lanes<Format>::kMax == 31) {
      low = bit_or(low, bits_of<2 * c, 1, 4>(qh[i]));
      high = bit_or(high, bits_of<2 * c + 1, 1, 4>(qh[i]));
    }
    store_lanes<Format>(low, panel, 16 * c + four + i, first);
    store_lanes<Format>(high, panel, 16 * c + 8 + four + i, first);
  }
}

// Q4_K and Q5_K.
template <typename Format>
struct WideBlockOf32s {
  using Block = typename Format::Block;

  template <int... c>
  static HWY_INLINE void unpack_columns(const SixteenRows<Format>& rows, Panel& panel, int first,
                                        std::integer_sequence<int, c...>) {
    for (int half = 0; half < 2; ++half) {
      RowWords qh[4] = {}, qs[4];
      if constexpr (Lanes<Format>::kMax == 31) rows.words(offsetof(Block, qh) + 16 * half, qh);
      ((rows.words(offsetof(Block, qs) + 32 * c + 16 * half, qs),
        store_64_columns<Format, c>(qs, qh, panel, 4 * half, first)),
       ...);
    }
  }
  static HWY_INLINE void unpack(const SixteenRows<Format>& rows, Panel& panel, int first, int) {
    unpack_columns(rows, panel, first, std::make_integer_sequence<int, 4>());
    RowWords header[4];  // d and dmin, then PackedScalesAndMins
    rows.words(0, header);
    store(halves_of<0>(header[0]), panel.d[0] + first);
    store(halves_of<16>(header[0]), panel.dmin[0] + first);
    const RowWords six = set<RowWords>(0x3f3f3f3f);
    store_scales<Format>(bit_and(header[1], six), bit_and(header[2], six), panel, 0, first);
    store_scales<Format>(bit_cast<RowWords>(bit_or(bits_of<0, 4>(header[3]), bits_of<6, 2, 4>(header[1]))),
                         bit_cast<RowWords>(bit_or(bits_of<4, 4>(header[3]), bits_of<6, 2, 4>(header[2]))), panel, 1,
                         first);
  }
};
template <>
struct WideBlock<Q4_K> : WideBlockOf32s<Q4_K> {};
template <>
struct WideBlock<Q5_K> : WideBlockOf32s<Q5_K> {};

template <>
struct WideBlock<Q6_K> {
  template <int k>
  static HWY_INLINE void store_group(const RowWords (&ql)[4], const RowWords (&qh)[4], Panel& panel, int four,
                                     int first) {
    R1_UNROLL
    for (int i = 0; i < 4; ++i) {
      store_lanes<Q6_K>(bit_or(bits_of<4 * (k / 2), 4>(ql[i]), bits_of<2 * k, 2, 4>(qh[i])), panel, four + 8 * k + i,
                        first);
    }
  }
  static HWY_INLINE void unpack(const SixteenRows<Q6_K>& rows, Panel& panel, int first, int) {
    using Block = Q6_K::Block;
    for (int at = 0; at < 64; at += 16) {  // of qh
      const int half = at / 32, four = 32 * half + at % 32 / 4;
      RowWords even[4], odd[4], qh[4];
      rows.words(offsetof(Block, ql) + 64 * half + at % 32, even);
      rows.words(offsetof(Block, ql) + 64 * half + at % 32 + 32, odd);
      rows.words(offsetof(Block, qh) + at, qh);
      store_group<0>(even, qh, panel, four, first);
      store_group<1>(odd, qh, panel, four, first);
      store_group<2>(even, qh, panel, four, first);
      store_group<3>(odd, qh, panel, four, first);
    }
    RowWords scales[4], last[4];
    rows.words(offsetof(Block, scales), scales);
    for (int four = 0; four < 4; ++four) store_scales<Q6_K>(scales[four], {}, panel, four, first);
    rows.words(sizeof(Block) - 16, last);
    store(halves_of<16>(last[3]), panel.d[0] + first);
  }
};

// Two bits of a value in every byte of qs; k: which of four.
template <typename Format, int half, int k>
HWY_INLINE void store_pairs_of_bits(const RowWords (&qs)[4], const RowWords (&hmask)[4], Panel& panel, int four,
                                    int first) {
  R1_UNROLL
  for (int i = 0; i < 4; ++i) {
    U8x64 v = bits_of<2 * k, 2>(qs[i]);
    if constexpr (Lanes<Format>::kMax == 7) v = bit_or(v, bits_of<4 * half + k, 1, 2>(hmask[i]));
    store_lanes<Format>(v, panel, 32 * half + 8 * k + four + i, first);
  }
}

template <typename Format, int half>
HWY_INLINE void unpack_128_columns(const SixteenRows<Format>& rows, const RowWords (&hmask)[4], Panel& panel, int four,
                                   int first) {
  RowWords qs[4];
  rows.words(offsetof(typename Format::Block, qs) + 32 * half + static_cast<std::size_t>(4 * four), qs);
  store_pairs_of_bits<Format, half, 0>(qs, hmask, panel, four, first);
  store_pairs_of_bits<Format, half, 1>(qs, hmask, panel, four, first);
  store_pairs_of_bits<Format, half, 2>(qs, hmask, panel, four, first);
  store_pairs_of_bits<Format, half, 3>(qs, hmask, panel, four, first);
}

template <>
struct WideBlock<Q2_K> {
  static HWY_INLINE void unpack(const SixteenRows<Q2_K>& rows, Panel& panel, int first, int) {
    for (int four = 0; four < 8; four += 4) {
      unpack_128_columns<Q2_K, 0>(rows, {}, panel, four, first);
      unpack_128_columns<Q2_K, 1>(rows, {}, panel, four, first);
    }
    RowWords scales[4], last[4];
    rows.words(offsetof(Q2_K::Block, scales), scales);
    for (int four = 0; four < 4; ++four) {
      store_scales<Q2_K>(bit_cast<RowWords>(bits_of<0, 4>(scales[four])),
                         bit_cast<RowWords>(bits_of<4, 4>(scales[four])), panel, four, first);
    }
    rows.words(sizeof(Q2_K::Block) - 16, last);
    store(halves_of<0>(last[3]), panel.d[0] + first);
    store(halves_of<16>(last[3]), panel.dmin[0] + first);
  }
};

template <>
struct WideBlock<Q3_K> {
  template <int four>
  static HWY_INLINE void unpack_scales(const RowWords (&stored)[3], Panel& panel, int first) {
    const U8x64 low = bits_of<4 * (four / 2), 4>(stored[four % 2]), high = bits_of<2 * four, 2, 4>(stored[2]);
    store_scales<Q3_K>(minus_32(bit_or(low, high)), {}, panel, four, first);
  }
  static HWY_INLINE void unpack(const SixteenRows<Q3_K>& rows, Panel& panel, int first, int) {
    for (int four = 0; four < 8; four += 4) {
      RowWords hmask[4];
      rows.words(offsetof(Q3_K::Block, hmask) + static_cast<std::size_t>(4 * four), hmask);
      unpack_128_columns<Q3_K, 0>(rows, hmask, panel, four, first);
      unpack_128_columns<Q3_K, 1>(rows, hmask, panel, four, first);
    }
    RowWords last[4], scales[3];  // two bytes of qs, the scales, d
    rows.words(sizeof(Q3_K::Block) - 16, last);
    R1_UNROLL
    for (int i = 0; i < 3; ++i) scales[i] = bit_or(shift_right<16>(last[i]), shift_left<16>(last[i + 1]));
    unpack_scales<0>(scales, panel, first);
    unpack_scales<1>(scales, panel, first);
    unpack_scales<2>(scales, panel, first);
    unpack_scales<3>(scales, panel, first);
    store(halves_of<16>(last[3]), panel.d[0] + first);
  }
};

template <>
struct WideBlock<IQ4_XS> {
  static HWY_INLINE RowWords scale_bytes(const RowWords& nibbles, const RowWords& pairs) {
    const RowWords high = shift_left<4>(spread_pairs(bit_and(pairs, set<RowWords>(0xff))));
    return minus_32(bit_cast<U8x64>(bit_or(spread_nibbles(bit_and(nibbles, set<RowWords>(0xffff))), high)));
  }
  static HWY_INLINE void unpack(const SixteenRows<IQ4_XS>& rows, Panel& panel, int first, int) {
    RowWords header[4], qs[4];  // d and scales_h, then scales_l
    for (int group = 0; group < 8; ++group) {
      rows.words(offsetof(IQ4_XS::Block, qs) + static_cast<std::size_t>(16 * group), qs);
      store_group_of_nibbles<IQ4_XS>(qs, {}, panel, 8 * group, first);
    }
    rows.words(0, header);
    store_scales<IQ4_XS>(scale_bytes(header[1], shift_right<16>(header[0])), {}, panel, 0, first);
    store_scales<IQ4_XS>(scale_bytes(shift_right<16>(header[1]), shift_right<24>(header[0])), {}, panel, 1, first);
    store(halves_of<0>(header[0]), panel.d[0] + first);
  }
};

// Blocks of 32 with nibbles.
template <typename Format>
struct WideBlockOfNibbles {
  static HWY_INLINE void unpack(const SixteenRows<Format>& rows, Panel& panel, int first, int i) {
    RowWords header[4], qs[4], fifth = {};
    rows.words(0, header);
    rows.words(sizeof(typename Format::Block) - 16, qs);
    if constexpr (Lanes<Format>::kMax == 31) {
      fifth = Format::kHasMin ? header[1] : bit_or(shift_right<16>(header[0]), shift_left<16>(header[1]));
    }
    store_group_of_nibbles<Format>(qs, fifth, panel, 8 * i, first);
    store(halves_of<0>(header[0]), panel.d[i] + first);
    if constexpr (Format::kHasMin) store(halves_of<16>(header[0]), panel.dmin[i] + first);
  }
};
template <>
struct WideBlock<Q4_0> : WideBlockOfNibbles<Q4_0> {};
template <>
struct WideBlock<Q4_1> : WideBlockOfNibbles<Q4_1> {};
template <>
struct WideBlock<Q5_0> : WideBlockOfNibbles<Q5_0> {};
template <>
struct WideBlock<Q5_1> : WideBlockOfNibbles<Q5_1> {};
template <>
struct WideBlock<IQ4_NL> : WideBlockOfNibbles<IQ4_NL> {};

template <>
struct WideBlock<Q8_0> {
  static HWY_INLINE void unpack(const SixteenRows<Q8_0>& rows, Panel& panel, int first, int i) {
    RowWords header[4], low[4], high[4];
    rows.words(0, header);
    rows.words(offsetof(Q8_0::Block, qs), low);
    rows.words(offsetof(Q8_0::Block, qs) + 16, high);
    R1_UNROLL
    for (int four = 0; four < 4; ++four) {
      store_lanes<Q8_0>(bit_cast<U8x64>(low[four]), panel, 8 * i + four, first);
      store_lanes<Q8_0>(bit_cast<U8x64>(high[four]), panel, 8 * i + 4 + four, first);
    }
    store(halves_of<0>(header[0]), panel.d[i] + first);
  }
};

// Columns [column, column + 256) of all rows, or as many blocks of 32 as are left.
template <typename Format>
void unpack(const BlockRows<Format>& rows, int column, int n_blocks, Panel& panel) {
  for (int first = 0; first < kPanelRows; first += kWideRows) {
    for (int i = 0; i < n_blocks; ++i) {
      const SixteenRows<Format> sixteen = {rows.row + first, column / Format::kBlockValues + i, rows.ahead};
      WideBlock<Format>::unpack(sixteen, panel, first, i);
    }
  }
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
#endif
