// elementwise.h: the ops that look at each row alone: embedding, norm, residual sum, SwiGLU's product.
#pragma once

#include "ops/pass.h"
#include "ops/tensor.h"

namespace r1 {

// Rows of the embedding table for tokens, the batch's or others: [token_ids.size(), dim]. With a tape token_ids must
// outlive the pass.
Tensor embed(Pass& pass, const Weight& table, std::span<const int> token_ids);

// weight * x / sqrt(mean(x^2) + eps), row by row; weight: [n_cols of x]. Statistics in f32.
Tensor rms_norm(Pass& pass, Tensor x, const float* weight, float eps);

// The first n_normed columns normed, the others as they are: MLA's latent, whose last part is the shared key.
Tensor norm_first_columns(Pass& pass, Tensor x, const float* weight, int n_normed, float eps);

// a + b, of one shape; into y, or into a new tensor.
Tensor add(Pass& pass, Tensor a, Tensor b);
void add_into(Pass& pass, Tensor a, Tensor b, Tensor y);

// [a, b], row by row: [rows, n_cols of a + n_cols of b].
Tensor concat_columns(Pass& pass, Tensor a, Tensor b);

// silu(gate) * up, of one shape.
Tensor silu_mul(Pass& pass, Tensor gate, Tensor up);

// Its gradients for one row of n numbers, added to d_gate and d_up. work: [n].
void add_silu_mul_gradient(const float* gate, const float* up, const float* d_y, float* d_gate, float* d_up,
                           float* work, std::int64_t n);

// Some rows of x, in the order given: [row_ids.size(), n_cols]. With a tape row_ids must outlive the pass.
Tensor gather_rows(Pass& pass, Tensor x, std::span<const int> row_ids);

}  // namespace r1
