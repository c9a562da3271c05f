// panel.h: some rows of weights, up to 256 columns of them, unpacked side by side: what every token of a chunk passes
// over.
//
// Four columns of each row lie together, so that four bytes of a token, broadcast, meet all rows in one instruction and
// lanes of sums are rows. The panel stays in L1. narrow_panel.h and wide_panel.h fill it, with unpack().
#pragma once

#include "kernels/block_products.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

// Lanes of a register, or of two; with VNNI always of two, for then a token's four bytes, once broadcast, meet both.
inline constexpr int kPanelRows = !R1_HAVE_VNNI ? 8 : !R1_WIDE || R1_HAVE_TILES ? 16 : 32;

using PanelBytes = Vector<std::uint8_t, 4 * kPanelRows>;
using PanelSigned = Vector<std::int8_t, 4 * kPanelRows>;
using PanelPairs = Vector<std::int16_t, 2 * kPanelRows>;
using PanelSums = Vector<std::int32_t, kPanelRows>;
using PanelFloats = Vector<float, kPanelRows>;

struct Panel {
  alignas(64) std::uint8_t lanes[64][4 * kPanelRows];   // [column / 4][row * 4 + column % 4]
  alignas(64) std::int16_t scales[16][2 * kPanelRows];  // [group][row], each twice
  alignas(64) std::int16_t mins[8][2 * kPanelRows];     // [pair of groups][row], the two groups' side by side; offsets
                                                        // as mins
  alignas(64) float d[8][kPanelRows];                   // [block of 32][row]; formats of 256: [0]
  alignas(64) float dmin[8][kPanelRows];                // likewise, dmin or m
};

// What is to be subtracted from a panel's lanes. Tiles multiply signed bytes: nothing is left to subtract. VNNI
// multiplies unsigned ones: signed lanes get 128 added.
template <typename Format>
inline constexpr bool kIsSigned = std::is_same_v<typename Lanes<Format>::Stored, I8x32>;
template <typename Format>
inline constexpr int kPanelOffset = R1_HAVE_TILES                      ? 0
                                    : R1_HAVE_VNNI&& kIsSigned<Format> ? 128
                                                                       : Lanes<Format>::kOffset;
template <typename Format>
inline constexpr int kPanelMax = R1_HAVE_VNNI&& kIsSigned<Format> ? 255 : Lanes<Format>::kMax;

// The panel's rows of blocks; rows beyond the last repeat it, and their results are dropped.
template <typename Format>
struct BlockRows {
  const typename Format::Block* row[kPanelRows];
  std::int64_t ahead;  // bytes to what is wanted next, if it is to be asked for (wide_panel.h), else 0

  BlockRows(const MatmulArgs& args, int first, std::int64_t bytes_ahead = 0) : ahead(bytes_ahead) {
    for (int r = 0; r < kPanelRows; ++r) {
      const int clamped = std::min(first + r, args.n_rows - 1);
      row[r] = reinterpret_cast<const typename Format::Block*>(args.w + clamped * args.w_row_bytes);
    }
  }
};

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
