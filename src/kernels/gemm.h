// gemm.h: products of two f32 matrices that both change, as training needs them: activations, gradients, weights.
//
//   c[i][j] (+)= sum over k of a(i, k) * b(j, k)       c: [a lines, b lines], k: the axis that is summed over
//
// An operand is lines (rows of c, or columns of c) by k, and may lie either way round in memory. So the three products
// of a linear layer, all row-major, x [tokens, n_in], w [n_out, n_in], y [tokens, n_out], are one function:
//
//   forward             y = x w^T       a = rows_of(x)       b = rows_of(w)       k: n_in
//   gradient of x     d_x = d_y w       a = rows_of(d_y)     b = columns_of(w)    k: n_out
//   gradient of w    d_w += d_y^T x     a = columns_of(d_y)  b = columns_of(x)    k: tokens
//
// Law, as in kernels.h: c[i][j] depends on line i of a and line j of b alone. k is cut into blocks of kGemmBlock from
// the first on; a block's sum starts at zero and takes its products in order, each by fused multiply-add; blocks are
// added to c in order. So neither tile, batch, thread nor instruction set (but SSE4, which has no fused multiply-add)
// changes a bit, and tokens accumulated in several calls, cut at whole blocks, give one call's bits.
//
// The method is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): b is packed
// into panels that stay in L1 or L2, lines of a are packed as they are needed, and a tile of c stays in registers. The
// caller packs b once and may use it for many products. Nothing here allocates; sizes are checked by ops/gemm.
#pragma once

#include <cstdint>

namespace r1 {

inline constexpr int kGemmBlock = 256;  // products summed before they are added to c

// How much of b is best packed at a time, where k is long: so that the panels stay in L2 while a's lines pass.
inline constexpr int kGemmPieceOfK = 2 * kGemmBlock;

// Element (line, k) is data[line * line_step + k * k_step]; one of the steps is 1.
struct GemmOperand {
  const float* data = nullptr;
  std::int64_t line_step = 0, k_step = 0;
  int n_lines = 0, n_k = 0;

  GemmOperand lines(int first, int count) const { return {data + first * line_step, line_step, k_step, count, n_k}; }
  GemmOperand range_of_k(int first, int count) const {
    return {data + first * k_step, line_step, k_step, n_lines, count};
  }
};

// m: [n_rows, n_cols], row-major, rows row_step values apart.
inline GemmOperand rows_of(const float* m, int n_rows, int n_cols, std::int64_t row_step) {
  return {m, row_step, 1, n_rows, n_cols};
}
inline GemmOperand columns_of(const float* m, int n_rows, int n_cols, std::int64_t row_step) {
  return {m, 1, row_step, n_cols, n_rows};
}

// Panels hold this many lines of b, one after another: panel p begins at packed + p * gemm_panel_lines() * n_k. The
// last one is full too. A property of the instruction set.
int gemm_panel_lines();
std::int64_t gemm_packed_floats(int n_lines, int n_k);

// packed: [panels, n_k, panel_lines], gemm_packed_floats() of them.
void gemm_pack(const GemmOperand& b, float* packed);

enum class GemmInto : std::uint8_t {
  kOverwrite,   // c = the sum; 0 where k is empty
  kAccumulate,  // c = c + the sum
};

struct GemmArgs {
  GemmOperand a;                    // its n_k is b's too
  const float* packed_b = nullptr;  // of n_columns lines
  float* c = nullptr;               // [a.n_lines, n_columns], rows c_row_step values apart
  std::int64_t c_row_step = 0;
  int n_columns = 0;
  GemmInto into = GemmInto::kOverwrite;
};
void gemm(const GemmArgs& args);

}  // namespace r1
