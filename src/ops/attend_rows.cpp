// attend_rows.cpp: scores by the kernels of the cache's format, weights by the running maximum, values by accumulation.
#include "ops/attend_rows.h"

#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "kernels/float_ops.h"
#include "kernels/kernels.h"

namespace r1 {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

std::int64_t decoded_floats(Dtype dtype, int k_width, int v_width) {
  return is_plain_float(dtype) ? 0 : std::int64_t{kBlockPositions} * (k_width + v_width);
}

KvSlice decode_slice(const KvSlice& slice, int k_width, int v_width, float* decoded) {
  if (is_plain_float(slice.dtype)) return slice;
  const auto decode = [&](const std::byte* rows, std::int64_t row_bytes, int width, float* to) {
    for (int row = 0; row < slice.n_tokens; ++row)
      kernels(slice.dtype).dequantize(rows + row * row_bytes, to + std::int64_t{row} * width, width);
    return reinterpret_cast<const std::byte*>(to);
  };
  KvSlice plain{.dtype = Dtype::kF32, .first_position = slice.first_position, .n_tokens = slice.n_tokens};
  plain.k = decode(slice.k, slice.k_row_bytes, k_width, decoded);
  plain.k_row_bytes = std::int64_t{k_width} * 4;
  const bool is_shared = slice.v == slice.k;  // MLA: values are the beginning of the rows that are keys
  plain.v = is_shared ? plain.k
                      : decode(slice.v, slice.v_row_bytes, v_width, decoded + std::int64_t{kBlockPositions} * k_width);
  plain.v_row_bytes = is_shared ? plain.k_row_bytes : std::int64_t{v_width} * 4;
  return plain;
}

std::int64_t AttendRows::scratch_floats(int n_rows) { return std::int64_t{n_rows} * (3 + kBlockPositions); }

AttendRows::AttendRows(Shape shape, const float* q, std::int64_t q_stride, const int* positions, float* out,
                       std::int64_t out_stride, float* scratch)
    : shape_(shape),
      q_(q),
      q_stride_(q_stride),
      positions_(positions),
      out_(out),
      out_stride_(out_stride),
      max_(scratch),
      sum_(max_ + shape.n_rows),
      alpha_(sum_ + shape.n_rows),
      scores_(alpha_ + shape.n_rows) {
  std::fill_n(max_, shape.n_rows, kMasked);
  std::fill_n(sum_, shape.n_rows, 0.0f);
}

// scores_ = q . k for queries from first_row on.
void AttendRows::score(const KvSlice& slice, int first_row) {
  const float* q = q_ + first_row * q_stride_;
  float* scores = scores_ + std::int64_t{first_row} * kBlockPositions;
  if (slice.k_transposed != nullptr) {
    accumulate_rows({.w = reinterpret_cast<const std::byte*>(slice.k_transposed),
                     .w_row_bytes = kBlockPositions * 4,
                     .x = q,
                     .x_stride = q_stride_,
                     .y = scores,
                     .y_stride = kBlockPositions,
                     .n_rows = shape_.k_width,
                     .n_cols = kBlockPositions,
                     .n_tokens = shape_.n_rows - first_row});
    return;
  }
  kernels(slice.dtype)
      .matmul({.w = slice.k,
               .w_row_bytes = slice.k_row_bytes,
               .x = reinterpret_cast<const std::byte*>(q),
               .x_row_bytes = q_stride_ * 4,
               .y = scores,
               .y_stride = kBlockPositions,
               .n_rows = slice.n_tokens,
               .n_cols = shape_.k_width,
               .n_tokens = shape_.n_rows - first_row,
               .w_next = slice.next_k});
}

// scores_ = exp(scores_ - the new maximum), alpha_ = by how much the old sums shrink.
void AttendRows::weigh(const KvSlice& slice, int first_row) {
  for (int row = first_row; row < shape_.n_rows; ++row) {
    float* scores = scores_ + std::int64_t{row} * kBlockPositions;
    const int visible = std::min(positions_[row] + 1 - slice.first_position, slice.n_tokens);
    std::fill(scores + visible, scores + kBlockPositions, kMasked);
    const float new_max = std::max(max_[row], max_value(scores, visible));
    alpha_[row] = max_[row];
    exp_and_sum(&alpha_[row], new_max, 1);  // 0 for the first block, whose old maximum is -inf
    sum_[row] = sum_[row] * alpha_[row] + exp_and_sum(scores, new_max, kBlockPositions);
    max_[row] = new_max;
  }
}

void AttendRows::take(const KvSlice& slice) {
  // Queries come in order of position: the first of them may lie before the slice, and it changes nothing for them.
  const int first_row =
      static_cast<int>(std::lower_bound(positions_, positions_ + shape_.n_rows, slice.first_position) - positions_);
  if (first_row == shape_.n_rows) return;
  R1_DCHECK(!is_empty_ || first_row == 0);  // every query meets its first slice first
  score(slice, first_row);
  weigh(slice, first_row);
  accumulate_rows({.w = slice.v,
                   .w_row_bytes = slice.v_row_bytes,
                   .dtype = slice.dtype,
                   .x = scores_ + std::int64_t{first_row} * kBlockPositions,
                   .x_stride = kBlockPositions,
                   .y = out_ + first_row * out_stride_,
                   .y_stride = out_stride_,
                   .alpha = is_empty_ ? nullptr : alpha_ + first_row,
                   .n_rows = slice.n_tokens,
                   .n_cols = shape_.v_width,
                   .n_tokens = shape_.n_rows - first_row,
                   .w_next = slice.next_v});
  is_empty_ = false;
}

void AttendRows::finish() {
  for (int row = 0; row < shape_.n_rows; ++row) scale(out_ + row * out_stride_, 1.0f / sum_[row], shape_.v_width);
}

}  // namespace r1
