// linear.cpp: activations are quantised once, weight rows are cut among the threads, the kernel of the weight's format
// does the rest.
#include "ops/linear.h"

#include <algorithm>

#include "kernels/float_ops.h"
#include "ops/gemm.h"
#include "ops/profile.h"
#include "ops/tape.h"

namespace r1 {

Activations::Rows Activations::in_format(Pass& pass, ActivationFormat format) {
  const std::int64_t n_cols = x_.n_cols();
  if (format == ActivationFormat::kF32) return {reinterpret_cast<const std::byte*>(x_.data), n_cols * 4};
  const std::int64_t row_bytes = activation_row_bytes(format, n_cols);
  const std::byte*& form = forms_[static_cast<std::size_t>(format)];
  if (form == nullptr) {
    std::byte* made = pass.arena.allocate(row_bytes * x_.n_rows());
    pass.parallel_pieces(x_.n_rows(), 16, [&](std::int64_t first, std::int64_t last, int) {
      for (std::int64_t row = first; row < last; ++row) {
        quantize_activation(format, x_.row(row), made + row * row_bytes, n_cols);
      }
    });
    form = made;
  }
  return {form, row_bytes};
}

void multiply_rows(const Weight& w, Activations::Rows x, const std::int32_t* x_rows, int n_tokens, float* y,
                   std::int64_t y_stride) {
  kernels(w.dtype).matmul({.w = w.data,
                           .w_row_bytes = w.row_bytes(),
                           .block_scales = w.block_scales,
                           .first_row = w.first_row,
                           .x = x.data,
                           .x_row_bytes = x.row_bytes,
                           .x_rows = x_rows,
                           .y = y,
                           .y_stride = y_stride,
                           .n_rows = static_cast<int>(w.n_rows()),
                           .n_cols = static_cast<int>(w.n_cols()),
                           .n_tokens = n_tokens});
}

void dequantize_rows(const Weight& w, float* out) {
  kernels(w.dtype).dequantize(w.data, out, w.shape.n_values());
  if (w.dtype != Dtype::kF8E4M3) return;
  const std::int64_t blocks_per_row = (w.n_cols() + 127) / 128;
  for (std::int64_t row = 0; row < w.n_rows(); ++row) {
    const float* scales = w.block_scales + (w.first_row + row) / 128 * blocks_per_row;
    for (std::int64_t col = 0; col < w.n_cols(); ++col) out[row * w.n_cols() + col] *= scales[col / 128];
  }
}

Tensor f32_values(Pass& pass, const Weight& w) {
  if (w.dtype == Dtype::kF32) {
    // Nobody writes through this view: a Tensor is what products take.
    return {const_cast<float*>(reinterpret_cast<const float*>(w.data)), {w.n_rows(), w.n_cols()}};
  }
  Tensor values = pass.make_scratch({w.n_rows(), w.n_cols()});
  dequantize_rows(w, values.data);
  return values;
}

std::int64_t rows_per_task(const Pass& pass, const Weight& w, std::int64_t n_tokens, std::int64_t n_matrices) {
  // A task is worth starting from about 60,000 multiplications on: one token's take some three microseconds, and where
  // a task begins, memory must first be found. Eight a thread even out their ends. docs/experiments.md has what else
  // was tried.
  const std::int64_t worth_starting = 60'000 / std::max<std::int64_t>(1, w.n_cols() * n_tokens) + 1;
  const std::int64_t n_tasks = std::int64_t{8} * pass.pool.n_threads();
  const std::int64_t even = (w.n_rows() * n_matrices + n_tasks - 1) / n_tasks;
  const std::int64_t rows = std::min(std::max(worth_starting, even), w.n_rows());
  return (rows + 31) / 32 * 32;  // whole panels of any kernel
}

namespace {

void add_adapter_gradients(Pass& pass, Tensor x, const LowRank& low, Tensor d_y) {
  const ArenaScope scope(pass.arena);
  const Shape a_shape{low.rank, x.n_cols()}, b_shape{d_y.n_cols(), low.rank};
  // Nobody writes through these views.
  const Tensor a{const_cast<float*>(low.a), a_shape}, b{const_cast<float*>(low.b), b_shape};
  const Tensor inner = pass.make_scratch({x.n_rows(), low.rank}), d_inner = pass.make_scratch(inner.shape);
  multiply_by_weight(pass.pool, pass.arena, x, a, inner);
  scale(inner.data, low.scale, inner.shape.n_values());
  add_weight_gradient(pass.pool, pass.arena, d_y, inner, {pass.tape->gradient_of(low.b), b_shape});
  std::fill_n(d_inner.data, d_inner.shape.n_values(), 0.0f);
  add_input_gradient(pass.pool, pass.arena, d_y, b, d_inner);
  scale(d_inner.data, low.scale, d_inner.shape.n_values());
  add_weight_gradient(pass.pool, pass.arena, d_inner, x, {pass.tape->gradient_of(low.a), a_shape});
}

}  // namespace

void add_product_gradients(Pass& pass, Tensor x, const Weight& w, Tensor d_y, Tensor d_x) {
  const Tensor values = f32_values(pass, w);
  add_input_gradient(pass.pool, pass.arena, d_y, values, d_x);
  const Tensor d_w = pass.tape->gradient_of(w);
  if (d_w.data != nullptr) add_weight_gradient(pass.pool, pass.arena, d_y, x, d_w);
  const LowRank* low = pass.tape->adapter_of(w);
  if (low != nullptr) add_adapter_gradients(pass, x, *low, d_y);
}

namespace {

void record_linear(Tape& tape, Tensor x, const Weight& w, const float* bias, Tensor y) {
  tape.record([x, w, bias, y](Pass& pass) {
    const ArenaScope scope(pass.arena);
    add_product_gradients(pass, x, w, y.gradient(), x.gradient());
    float* d_bias = pass.tape->gradient_of(bias);
    if (d_bias == nullptr) return;
    for (std::int64_t row = 0; row < y.n_rows(); ++row) add(d_bias, y.grad_row(row), d_bias, y.n_cols());
  });
}

}  // namespace

Tensor linear(Pass& pass, Activations& x, const Weight& w, const float* bias) {
  OpTimer timer(pass, "linear", &w);
  timer.count_product(w, x.f32().n_rows());
  R1_ASSERT(x.f32().n_cols() == w.n_cols(), "x and W must agree on n_in");
  const Activations::Rows rows = x.in_format(pass, kernels(w.dtype).activation);
  const auto n_tokens = static_cast<int>(x.f32().n_rows());
  Tensor y = pass.make({n_tokens, w.n_rows()});
  pass.parallel_pieces(w.n_rows(), rows_per_task(pass, w, n_tokens), [&](std::int64_t first, std::int64_t last, int) {
    multiply_rows(w.rows(first, last - first), rows, nullptr, n_tokens, y.data + first, w.n_rows());
    if (bias == nullptr) return;
    for (int token = 0; token < n_tokens; ++token) {
      float* out = y.row(token) + first;
      add(out, bias + first, out, last - first);
    }
  });
  if (pass.tape != nullptr) record_linear(*pass.tape, x.f32(), w, bias, y);
  return y;
}

Tensor linear(Pass& pass, Tensor x, const Weight& w, const float* bias) {
  Activations activations(x);
  return linear(pass, activations, w, bias);
}

}  // namespace r1
