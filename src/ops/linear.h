// linear.h: y = x W^T, for weights in any format.
#pragma once

#include <array>
#include <cstddef>

#include "kernels/kernels.h"
#include "ops/pass.h"
#include "ops/tensor.h"

namespace r1 {

// Rows of activations, with the 8-bit forms that quantised weights want. A form is made when first needed and then
// shared by all products with the same rows (q, k and v; gate and up; every expert).
class Activations {
 public:
  explicit Activations(Tensor x) : x_(x) {}

  const Tensor& f32() const { return x_; }
  struct Rows {
    const std::byte* data;
    std::int64_t row_bytes;
  };
  Rows in_format(Pass& pass, ActivationFormat format);

 private:
  Tensor x_;                                 // [rows, n_in]
  std::array<const std::byte*, 3> forms_{};  // by ActivationFormat
};

// x [rows, n_in], w [n_out, n_in] -> [rows, n_out]. bias: [n_out] or null.
Tensor linear(Pass& pass, Activations& x, const Weight& w, const float* bias = nullptr);
Tensor linear(Pass& pass, Tensor x, const Weight& w, const float* bias = nullptr);

// One thread's share: rows of `x` times all rows of `w`, into y[row * y_stride + n]. x_rows picks rows of x, null: the
// first n_tokens.
void multiply_rows(const Weight& w, Activations::Rows x, const std::int32_t* x_rows, int n_tokens, float* y,
                   std::int64_t y_stride);

// Values of a weight's rows in f32, block scales applied: the form in which a product can run over rows as well as over
// columns. out: [n_rows, n_cols]
void dequantize_rows(const Weight& w, float* out);

// The same as a tensor: a view where the weight is f32 (read-only), else made in the arena.
Tensor f32_values(Pass& pass, const Weight& w);

// Of y = x w^T, with a tape: d_x += d_y w, and where w is trained its gradient += d_y^T x. Leaves scratch in the arena.
// d_y [rows, n_out], x and d_x [rows, n_in].
void add_product_gradients(Pass& pass, Tensor x, const Weight& w, Tensor d_y, Tensor d_x);

// Rows of a matrix that a task should take, when n_matrices like it are multiplied together, n_tokens rows each: so
// that there are enough tasks to keep the threads busy and few enough to be worth starting.
std::int64_t rows_per_task(const Pass& pass, const Weight& w, std::int64_t n_tokens, std::int64_t n_matrices = 1);

}  // namespace r1
