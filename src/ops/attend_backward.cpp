// attend_backward.cpp: a block of query rows at a time, over the keys up to its end.
#include "ops/attend_backward.h"

#include <algorithm>

#include "base/assert.h"
#include "kernels/float_ops.h"
#include "kernels/gemm.h"

namespace r1 {
namespace {

constexpr int kBlockRows = 64;

GemmOperand by_rows(Rows m, int first, int n_rows, int n_cols) {
  return rows_of(m.data + first * m.row_step, n_rows, n_cols, m.row_step);
}
GemmOperand by_columns(Rows m, int first, int n_rows, int n_cols) {
  return columns_of(m.data + first * m.row_step, n_rows, n_cols, m.row_step);
}

// c [a lines, b lines] (+)= a b^T
void multiply(const GemmOperand& a, const GemmOperand& b, GradRows c, GemmInto into, float* packed) {
  gemm_pack(b, packed);
  gemm({.a = a, .packed_b = packed, .c = c.data, .c_row_step = c.row_step, .n_columns = b.n_lines, .into = into});
}

// Rows of scores become rows of probabilities; row r sees the first first_row + r + 1 of n_keys.
void softmax_rows(float* scores, int first_row, int n_rows, int n_keys) {
  for (int r = 0; r < n_rows; ++r) {
    float* row = scores + std::int64_t{r} * n_keys;
    const int visible = first_row + r + 1;
    const float sum = exp_and_sum(row, max_value(row, visible), visible);
    scale(row, 1.0f / sum, visible);
    std::fill(row + visible, row + n_keys, 0.0f);
  }
}

// d_p becomes d_S = P * (d_P - rowsum(d_o * o)).
void score_gradients(const HeadGradients& h, const float* p, float* d_p, int first_row, int n_rows, int n_keys) {
  for (int r = 0; r < n_rows; ++r) {
    const int row = first_row + r;
    const float pull = dot(h.d_out.data + row * h.d_out.row_step, h.out.data + row * h.out.row_step, h.v_width);
    const std::int64_t at = std::int64_t{r} * n_keys;
    for (int key = 0; key <= row; ++key) d_p[at + key] = p[at + key] * (d_p[at + key] - pull);
    std::fill(d_p + at + row + 1, d_p + at + n_keys, 0.0f);
  }
}

std::int64_t packed_floats(int n_rows, int k_width, int v_width) {
  const int widest = std::max(k_width, v_width);
  return std::max(gemm_packed_floats(n_rows, widest), gemm_packed_floats(widest, n_rows));
}

}  // namespace

std::vector<WholeSequence> whole_sequences(const Batch& batch) {
  std::vector<WholeSequence> whole;
  for (const SequenceRows& rows : batch.sequences) {
    if (rows.first_position == 0) {
      whole.push_back({rows.first_row, rows.n_rows});
      continue;
    }
    R1_ASSERT(!whole.empty() && whole.back().first_row + whole.back().n_rows == rows.first_row &&
                  whole.back().n_rows == rows.first_position,
              "a recorded batch holds whole sequences");
    whole.back().n_rows += rows.n_rows;
  }
  return whole;
}

std::int64_t head_gradient_floats(int n_rows, int k_width, int v_width) {
  return std::int64_t{2} * kBlockRows * n_rows + packed_floats(n_rows, k_width, v_width);
}

void add_head_gradients(const HeadGradients& h, float* scratch) {
  float* p = scratch;  // [block rows, keys]
  float* d_p = p + std::int64_t{kBlockRows} * h.n_rows;
  float* packed = d_p + std::int64_t{kBlockRows} * h.n_rows;
  for (int first = 0; first < h.n_rows; first += kBlockRows) {
    const int n = std::min(kBlockRows, h.n_rows - first), n_keys = first + n;
    multiply(by_rows(h.q, first, n, h.k_width), by_rows(h.k, 0, n_keys, h.k_width), {p, n_keys}, GemmInto::kOverwrite,
             packed);
    softmax_rows(p, first, n, n_keys);
    multiply(by_rows(h.d_out, first, n, h.v_width), by_rows(h.v, 0, n_keys, h.v_width), {d_p, n_keys},
             GemmInto::kOverwrite, packed);
    score_gradients(h, p, d_p, first, n, n_keys);

    const GradRows d_q{h.d_q.data + first * h.d_q.row_step, h.d_q.row_step};
    multiply(by_rows({d_p, n_keys}, 0, n, n_keys), by_columns(h.k, 0, n_keys, h.k_width), d_q, GemmInto::kAccumulate,
             packed);
    multiply(by_columns({d_p, n_keys}, 0, n, n_keys), by_columns(h.q, first, n, h.k_width), h.d_k,
             GemmInto::kAccumulate, packed);
    multiply(by_columns({p, n_keys}, 0, n, n_keys), by_columns(h.d_out, first, n, h.v_width), h.d_v,
             GemmInto::kAccumulate, packed);
  }
}

}  // namespace r1
