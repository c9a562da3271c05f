// attend_backward.h: gradients of causal softmax attention: the core that both attention ops share in training.
//
// With S = q k^T, P = softmax(S) row by row, o = P v:  d_v = P^T d_o,  d_S = P * (d_o v^T - rowsum(d_o * o)),
// d_q = d_S k,  d_k = d_S^T q.  P is computed again, some rows at a time (Dao et al. 2022, algorithm 4).
#pragma once

#include <cstdint>
#include <vector>

#include "ops/pass.h"

namespace r1 {

// A recorded batch holds sequences whole, from position 0 on, their rows one after another; a sequence may come in
// several SequenceRows (prompt and completion, whose kernels differ).
struct WholeSequence {
  int first_row = 0, n_rows = 0;
};
std::vector<WholeSequence> whole_sequences(const Batch& batch);

// n rows of numbers, row_step apart.
struct Rows {
  const float* data = nullptr;
  std::int64_t row_step = 0;
};
struct GradRows {
  float* data = nullptr;
  std::int64_t row_step = 0;
};

// One head of one sequence. q holds the scale of the scores already. Gradients are added.
struct HeadGradients {
  int n_rows = 0, k_width = 0, v_width = 0;
  Rows q, k, v, out, d_out;
  GradRows d_q, d_k, d_v;
};
std::int64_t head_gradient_floats(int n_rows, int k_width, int v_width);  // of scratch
void add_head_gradients(const HeadGradients& head, float* scratch);

}  // namespace r1
