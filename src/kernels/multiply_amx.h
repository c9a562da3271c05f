// multiply_amx.h: weights times many tokens on Intel's tile registers: 16 rows by 16 tokens by 64 columns an
// instruction, eight times as many products a cycle as AVX-512 VNNI.
//
// Formats of 256: their integer scales are multiplied into the weights first, so that a block needs no step between its
// groups. Such a product has up to 14 bits; its lower seven and the rest are two planes of bytes, multiplied apart and
// put together in 32 bits: still the exact integer that portable.cpp defines. 16 instructions for 32 tokens.
// Formats of 32: an instruction a block, half empty, whose sums meet the block's scales: bound by those float steps.
//
// Tiles can't be read but through memory, and a result takes long to arrive. So the float steps of one piece of work
// run between the tile instructions of the next. Four panels pass over 32 tokens while these are in L1; results of up
// to 512 tokens by 64 rows are kept side by side in L2, since in their final places each would be in a page of its own.
#pragma once

#include "kernels/amx_tiles.h"
#include "kernels/machine_probe.h"
#include "kernels/narrow_panel.h"
#include "kernels/wide_panel.h"

R1_BEFORE_SIMD();
namespace r1::R1_SET {

static_assert(kPanelRows == kTileRows, "a panel's rows are a tile's");

inline constexpr int kPanels = 4, kResultRows = kPanels * kPanelRows;
inline constexpr int kPieceTokens = 2 * kTileRows;
inline constexpr int kSteps = 4;  // of a piece of work: in each, some tile instructions and some float steps

// ---- what passes over the tiles -----------------------------------------------------------------------------------

// Activations of up to 256 columns of 32 tokens.
struct PieceOfTokens {
  const std::byte* const* row;  // of each token, for scales and sums
  const std::byte* q;           // of the first token
  std::int64_t stride;          // from token to token
  int n;                        // tokens that exist, at most 32
};

// Gathers tokens that do not lie at one distance, and the last ones, after which memory may end: what lies beyond them
// gives results that are dropped.
class TokenPieces {
 public:
  TokenPieces(const MatmulArgs& args, const TokenRows& tokens)
      : tokens_(tokens), row_bytes_(args.x_row_bytes), is_gathered_(args.x_rows != nullptr) {}

  HWY_INLINE PieceOfTokens piece(int first, std::int64_t q_at, int n_columns) {
    const std::byte* const* row = tokens_.row + first;
    const int n = std::min(kPieceTokens, tokens_.n - first);
    if (!is_gathered_ && n == kPieceTokens) return {row, row[0] + q_at, row_bytes_, n};
    for (int t = 0; t < n; ++t) {
      for (int c = 0; c < n_columns; c += 32) store(load<I8x32>(row[t] + q_at + c), q_[t] + c);
    }
    return {row, q_[0], 256, n};
  }

 private:
  const TokenRows& tokens_;
  std::int64_t row_bytes_;
  bool is_gathered_;
  alignas(64) std::byte q_[kPieceTokens][256] = {};
};

using Results = float[kChunkTokens][kResultRows];

// ---- formats of 256 -----------------------------------------------------------------------------------------------

template <typename Format>
struct TileWork256 {
  // Weights times their group's scale: value = 128 * high + low.
  struct Weights {
    alignas(64) std::int8_t high[64][4 * kPanelRows];  // as Panel::lanes, -64 to 64
    alignas(64) std::int8_t low[64][4 * kPanelRows];   // 0 to 127
    Panel panel;

    void unpack(const BlockRows<Format>& rows, int column, int) {
      R1_SET::unpack(rows, column, 1, panel);
      using Words = Vector<std::uint16_t, 2 * kPanelRows>;
      const Words low_byte = set<Words>(0x00ff), high_byte = set<Words>(0xff00);
      const Words low_seven = set<Words>(0x007f), high_seven = set<Words>(0x7f00);
      for (int i = 0; i < 64; ++i) {
        const PanelPairs scale = load<PanelPairs>(panel.scales[4 * i / Format::kGroup]);
        const PanelPairs lanes = load<PanelPairs>(panel.lanes[i]);
        // Columns 0 and 2, then 1 and 3, of every row.
        const PanelPairs even = mul(shift_right<8>(shift_left<8>(lanes)), scale);
        const PanelPairs odd = mul(shift_right<8>(lanes), scale);
        const Words even_high = bit_and(bit_cast<Words>(shift_right<7>(even)), low_byte);
        const Words odd_high = bit_and(bit_cast<Words>(shift_left<1>(odd)), high_byte);
        const Words odd_low = bit_and(bit_cast<Words>(shift_left<8>(odd)), high_seven);
        store(bit_or(even_high, odd_high), high[i]);
        store(bit_or(bit_and(bit_cast<Words>(even), low_seven), odd_low), low[i]);
      }
    }
  };

  static constexpr int kTokens = kPieceTokens, kColumns = kTileBytes;  // of a piece of work; of a tile of tokens

  alignas(64) std::int32_t high[kTokens][kPanelRows];
  alignas(64) std::int32_t low[kTokens][kPanelRows];

  // A quarter of the columns.
  HWY_INLINE void multiply(const Weights& w, const std::byte* q, std::int64_t stride, int step) {
    if (step == 0) {
      tile_zero<0>();
      tile_zero<1>();
      tile_zero<2>();
      tile_zero<3>();
    }
    const int column = step * kTileBytes;
    tile_load<4>(q + column, stride);
    tile_load<6>(w.high[column / 4], kTileBytes);
    tile_multiply<0, 4, 6>();
    tile_load<7>(w.low[column / 4], kTileBytes);
    tile_multiply<1, 4, 7>();
    tile_load<5>(q + column + kTileRows * stride, stride);
    tile_multiply<2, 5, 6>();
    tile_multiply<3, 5, 7>();
    if (step < kSteps - 1) return;
    tile_store<0>(high[0]);
    tile_store<1>(low[0]);
    tile_store<2>(high[kTileRows]);
    tile_store<3>(low[kTileRows]);
  }

  // Adds the block to the results of tokens [first, end): portable.cpp's float steps.
  HWY_INLINE void add_to(float* y, const Weights& w, const std::byte* const* row, const ColumnsAt& at, int first,
                         int end) const {
    constexpr int kPairs = Format::kHasMin ? 128 / Format::kGroup : 0;
    const PanelFloats d = load<PanelFloats>(w.panel.d[0]), dmin = load<PanelFloats>(w.panel.dmin[0]);
    for (int t = first; t < end; ++t) {
      const PanelSums isum = R1_SET::add(shift_left<7>(load<PanelSums>(high[t])), load<PanelSums>(low[t]));
      PanelSums msum = zero<PanelSums>();
      R1_UNROLL
      for (int pair = 0; pair < kPairs; ++pair) {
        const PanelPairs sums = broadcast_word<PanelPairs>(row[t] + at.sums + 4 * pair);
        msum = add_products(msum, load<PanelPairs>(w.panel.mins[pair]), sums);
      }
      const PanelFloats scaled = scale_sums<Format>(isum, msum, d, dmin);
      float* result = y + t * kResultRows;
      store(multiply_add(scaled, broadcast_word<PanelFloats>(row[t] + at.d), load<PanelFloats>(result)), result);
    }
  }
};

// ---- formats of 32 ------------------------------------------------------------------------------------------------

template <typename Format>
struct TileWork32 {
  struct Weights {
    Panel panel;
    int n_blocks;  // at most 8; what lies beyond is multiplied too, and dropped

    void unpack(const BlockRows<Format>& rows, int column, int n) {
      R1_SET::unpack(rows, column, n, panel);
      n_blocks = n;
    }
  };

  static constexpr int kTokens = kTileRows, kColumns = 32;

  alignas(64) std::int32_t sums[8][kTokens][kPanelRows];

  // Two blocks.
  HWY_INLINE void multiply(const Weights& w, const std::byte* q, std::int64_t stride, int step) {
    tile_zero<0>();
    tile_zero<1>();
    tile_load<4>(q + 64 * step, stride);
    tile_load<6>(w.panel.lanes[16 * step], kTileBytes);
    tile_multiply<0, 4, 6>();
    tile_load<5>(q + 64 * step + 32, stride);
    tile_load<7>(w.panel.lanes[16 * step + 8], kTileBytes);
    tile_multiply<1, 5, 7>();
    tile_store<0>(sums[2 * step]);
    tile_store<1>(sums[2 * step + 1]);
  }

  HWY_INLINE void add_to(float* y, const Weights& w, const std::byte* const* row, const ColumnsAt& at, int first,
                         int end) const {
    for (int t = first; t < end; ++t) {
      PanelFloats result = load<PanelFloats>(y + t * kResultRows);
      for (int b = 0; b < w.n_blocks; ++b) {
        const PanelFloats d = load<PanelFloats>(w.panel.d[b]), m = load<PanelFloats>(w.panel.dmin[b]);
        const PanelFloats q_sum = broadcast_word<PanelFloats>(row[t] + at.sums + 4 * b);
        const PanelFloats scaled = scale_sums_32<Format>(load<PanelSums>(sums[b][t]), q_sum, d, m, 0);
        result = multiply_add(scaled, broadcast_word<PanelFloats>(row[t] + at.d + 4 * b), result);
      }
      store(result, y + t * kResultRows);
    }
  }
};

// ---- the pipeline -------------------------------------------------------------------------------------------------

template <typename Work>
class TilePipeline {
 public:
  explicit TilePipeline(const ColumnsAt& at) : at_(at) {}

  // y: results of the first token for the panel's rows.
  HWY_INLINE void push(const typename Work::Weights& w, const PieceOfTokens& tokens, float* y) {
    for (int first = 0; first < tokens.n; first += Work::kTokens) {
      const std::byte* q = tokens.q + first * tokens.stride;
      const Task next{&w, tokens.row + first, std::min(Work::kTokens, tokens.n - first), y + first * kResultRows};
      for (int step = 0; step < kSteps; ++step) {
        work_[current_].multiply(w, q, tokens.stride, step);
        finish(step);
      }
      pending_ = next;
      current_ ^= 1;
    }
  }
  HWY_INLINE void drain() {
    for (int step = 0; step < kSteps; ++step) finish(step);
    pending_.n_tokens = 0;
  }

 private:
  struct Task {
    const typename Work::Weights* w = nullptr;
    const std::byte* const* row = nullptr;
    int n_tokens = 0;
    float* y = nullptr;
  };

  HWY_INLINE void finish(int step) const {
    constexpr int kShare = Work::kTokens / kSteps;
    const int first = step * kShare, end = std::min(first + kShare, pending_.n_tokens);
    if (first < end) work_[current_ ^ 1].add_to(pending_.y, *pending_.w, pending_.row, at_, first, end);
  }

  const ColumnsAt at_;
  Work work_[2];
  int current_ = 0;  // the one being multiplied
  Task pending_;     // what the other one holds
};

// 64 rows or fewer, all columns, up to 512 tokens.
template <typename Format, typename Work>
void multiply_rows_with_tiles(const MatmulArgs& args, int first_row, int first_token, const TokenRows& tokens) {
  alignas(64) Results y;
  for (int t = 0; t < tokens.n; ++t) std::fill_n(y[t], kResultRows, 0.0f);
  const int n_rows = std::min(kResultRows, args.n_rows - first_row);
  const int n_panels = (n_rows + kPanelRows - 1) / kPanelRows;
  typename Work::Weights panels[kPanels];
  TokenPieces pieces(args, tokens);
  for (int column = 0; column < args.n_cols; column += 256) {
    const int n_columns = std::min(256, args.n_cols - column);
    for (int p = 0; p < n_panels; ++p) {
      panels[p].unpack(BlockRows<Format>(args, first_row + p * kPanelRows), column, n_columns / Format::kBlockValues);
    }
    const ColumnsAt at = columns_at<Format>(column, args.n_cols);
    TilePipeline<Work> pipeline(at);
    for (int token = 0; token < tokens.n; token += kPieceTokens) {
      const PieceOfTokens piece = pieces.piece(token, at.q, n_columns);
      for (int p = 0; p < n_panels; ++p) pipeline.push(panels[p], piece, y[token] + p * kPanelRows);
    }
    pipeline.drain();
  }
  for (int t = 0; t < tokens.n; ++t) {
    std::copy_n(y[t], n_rows, args.y + (first_token + t) * args.y_stride + first_row);
  }
}

template <typename Format>
void multiply_with_tiles(const MatmulArgs& args) {
  using Work = std::conditional_t<Format::kBlockValues == 32, TileWork32<Format>, TileWork256<Format>>;
  const TileShapes shapes(Work::kColumns);
  for (int token = 0; token < args.n_tokens; token += kChunkTokens) {
    const TokenRows tokens(args, token);
    for (int row = 0; row < args.n_rows; row += kResultRows) {
      multiply_rows_with_tiles<Format, Work>(args, row, token, tokens);
    }
  }
}

// For machine_probe.h.
inline ProbeRun tile_probe(std::int64_t n_rounds) {
  const TileShapes shapes(kTileBytes);
  alignas(64) std::int8_t bytes[kTileRows][kTileBytes] = {};
  alignas(64) std::int32_t sums[kTileRows][kPanelRows];
  tile_load<4>(bytes, kTileBytes);
  tile_load<5>(bytes, kTileBytes);
  tile_load<6>(bytes, kTileBytes);
  tile_load<7>(bytes, kTileBytes);
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  for (std::int64_t round = 0; round < n_rounds; ++round) {
    tile_multiply<0, 4, 6>();
    tile_multiply<1, 4, 7>();
    tile_multiply<2, 5, 6>();
    tile_multiply<3, 5, 7>();
  }
  tile_store<0>(sums);
  return {4 * 2.0 * kTileRows * kPanelRows * kTileBytes * static_cast<double>(n_rounds),
          static_cast<double>(sums[0][0])};
}

}  // namespace r1::R1_SET
R1_AFTER_SIMD();
