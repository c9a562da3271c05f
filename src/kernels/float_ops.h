// float_ops.h: f32 arithmetic on rows, for the ops that are not a product with weights. Same law as kernels.h: the
// order of every sum is fixed by the length of the row alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace r1 {

float dot(const float* a, const float* b, std::int64_t n);
float dot3(const float* a, const float* b, const float* c, std::int64_t n);  // the sum of a * b * c
float max_value(const float* x, std::int64_t n);                             // n > 0
void add(const float* a, const float* b, float* y, std::int64_t n);          // y = a + b
void scale(float* x, float factor, std::int64_t n);                          // x *= factor
void add_scaled(const float* x, float factor, float* y, std::int64_t n);     // y += factor * x
void add_scaled_product(const float* a, const float* b, float factor, float* y, std::int64_t n);  // y += factor * a * b

// y = weight * x / sqrt(mean(x^2) + eps)
void rms_norm(const float* x, const float* weight, float eps, float* y, std::int64_t n);

// x = exp(x - shift); returns the sum. With the row's maximum as shift, x / sum is its softmax.
float exp_and_sum(float* x, float shift, std::int64_t n);
void sigmoid(float* x, std::int64_t n);

// y = silu(gate) * up, silu(v) = v / (1 + exp(-v))
void silu_mul(const float* gate, const float* up, float* y, std::int64_t n);

// y[t][c] = alpha[t] * y[t][c] + sum over r of x[t][r] * w[r][c]: the product with W itself, where matmul takes W^T.
// Attention's sum of values, and MLA's absorbed query. alpha null: 0 (y is overwritten). The sum over r runs in order
// of r.
struct AccumulateArgs {
  const std::byte* w = nullptr;  // [n_rows, n_cols] of dtype F32, F16 or BF16, rows w_row_bytes apart
  std::int64_t w_row_bytes = 0;
  Dtype dtype = Dtype::kF32;
  const float* x = nullptr;  // x[token * x_stride + row]
  std::int64_t x_stride = 0;
  float* y = nullptr;  // y[token * y_stride + col]
  std::int64_t y_stride = 0;
  const float* alpha = nullptr;  // [n_tokens]
  int n_rows = 0, n_cols = 0, n_tokens = 0;
  const std::byte* w_next = nullptr;  // rows laid out alike that are wanted next, or null; to read ahead
};
void accumulate_rows(const AccumulateArgs& args);

}  // namespace r1
