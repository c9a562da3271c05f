// gemm.h: the three products of a linear layer in training, cut among threads. Law and order of sums: kernels/gemm.h.
//
// All matrices are f32, row-major, contiguous; w [n_out, n_in]. A result's bits depend on its row and column alone: not
// on the number of tokens beside it or of threads. Gradients of weights sum tokens in blocks of kGemmBlock from the
// first row on: partial gradients of the same shares of tokens, added in their order, give the same bits whichever
// worker made them.
//
// Wrong shapes end the process. Scratch (2 MB at most) is taken from the arena and given back.
#pragma once

#include "base/thread_pool.h"
#include "ops/arena.h"
#include "ops/tensor.h"

namespace r1 {

// y [tokens, n_out] = x [tokens, n_in] w^T
void multiply_by_weight(ThreadPool& pool, Arena& arena, Tensor x, Tensor w, Tensor y);

// d_x [tokens, n_in] += d_y [tokens, n_out] w
void add_input_gradient(ThreadPool& pool, Arena& arena, Tensor d_y, Tensor w, Tensor d_x);

// d_w [n_out, n_in] += d_y^T x, over the tokens
void add_weight_gradient(ThreadPool& pool, Arena& arena, Tensor d_y, Tensor x, Tensor d_w);

}  // namespace r1
