// tensor.h: the two kinds of numbers an op meets: activations it makes (Tensor) and weights it reads (Weight). Both are
// views.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace r1 {

// f32, row-major, contiguous; owns nothing. shape[0] is the slowest axis, as in comments: [tokens, dim].
struct Tensor {
  float* data = nullptr;
  Shape shape;
  float* grad = nullptr;  // of one shape with data, where ops add their gradients; null outside training

  std::int64_t n_rows() const { return shape.n_rows(); }
  std::int64_t n_cols() const { return shape.last(); }
  float* row(std::int64_t i) const { return data + i * shape.last(); }
  float* grad_row(std::int64_t i) const { return grad + i * shape.last(); }
  Tensor gradient() const { return {grad, shape}; }
};

// Numbers of a model file in whatever format they are stored, read-only. A matrix is [n_out, n_in]: y = W x.
struct Weight {
  const std::byte* data = nullptr;  // null: the model has no such weight
  Dtype dtype = Dtype::kF32;
  Shape shape;
  const float* block_scales = nullptr;  // F8E4M3: [ceil(n_out / 128), ceil(n_in / 128)]
  std::int64_t first_row = 0;           // F8E4M3: row of the whole tensor at which this view begins

  bool present() const { return data != nullptr; }
  std::int64_t n_rows() const { return shape.n_rows(); }
  std::int64_t n_cols() const { return shape.last(); }
  std::int64_t row_bytes() const { return bytes_of(dtype, shape.last()); }
  std::int64_t n_bytes() const { return n_rows() * row_bytes(); }

  // Rows [first, first + count) as a weight of their own.
  Weight rows(std::int64_t first, std::int64_t count) const {
    Weight view = *this;
    view.data += first * row_bytes();
    view.first_row += first;
    view.shape = Shape{count, n_cols()};
    return view;
  }
};

// The comment that runs: ends the process when a caller passes another shape.
#define R1_SHAPE(tensor, ...) R1_ASSERT((tensor).shape == (::r1::Shape __VA_ARGS__), "shape of " #tensor)

}  // namespace r1
