// gemm.h: the three products of a linear layer in training, cut among threads. Law and order of sums: kernels/gemm.h.
//
// All matrices are f32, row-major, contiguous; w [n_out, n_in]. A result's bits depend on its row and column alone: not
// on the number of tokens beside it, of threads, or on whether w was packed before. Gradients of weights sum tokens in
// blocks of kGemmBlock from the first row on: partial gradients of the same shares of tokens, added in their order,
// give the same bits whichever worker made them.
//
// Wrong shapes end the process. Scratch (2 MB at most) is taken from the arena and given back.
#pragma once

#include "base/thread_pool.h"
#include "ops/arena.h"
#include "ops/tensor.h"

namespace r1 {

// Weights laid out for the forward, a view into the arena that pack_weight was given. To be packed again when they
// change; worth it where a product has few tokens, or a step several products with the same weights.
struct PackedWeight {
  const float* panels = nullptr;
  int n_out = 0, n_in = 0;
};
PackedWeight pack_weight(ThreadPool& pool, Arena& arena, Tensor w);

// y [tokens, n_out] = x [tokens, n_in] w^T
void multiply_by_weight(ThreadPool& pool, Arena& arena, Tensor x, Tensor w, Tensor y);
void multiply_by_weight(ThreadPool& pool, Tensor x, const PackedWeight& w, Tensor y);

// d_x [tokens, n_in] += d_y [tokens, n_out] w
void add_input_gradient(ThreadPool& pool, Arena& arena, Tensor d_y, Tensor w, Tensor d_x);

// d_w [n_out, n_in] += d_y^T x, over the tokens
void add_weight_gradient(ThreadPool& pool, Arena& arena, Tensor d_y, Tensor x, Tensor d_w);

}  // namespace r1
