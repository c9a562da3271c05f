// elementwise.cpp: each op is one loop over rows; rows are shared among the threads when there are many.
#include "ops/elementwise.h"

#include <algorithm>
#include <cstring>

#include "kernels/float_ops.h"
#include "kernels/kernels.h"
#include "ops/profile.h"

namespace r1 {
namespace {

constexpr std::int64_t kRowsPerTask = 8;  // below it, waking a thread costs more than the rows

template <typename RowBody>
void for_each_row(Pass& pass, std::int64_t n_rows, RowBody body) {
  pass.parallel_pieces(n_rows, kRowsPerTask, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t row = first; row < last; ++row) body(row);
  });
}

}  // namespace

Tensor embed(Pass& pass, const Weight& table) {
  const OpTimer timer(pass, "embed");
  Tensor x = pass.make({pass.n_tokens(), table.n_cols()});
  R1_ASSERT(table.dtype != Dtype::kF8E4M3, "embedding tables are never FP8 (DeepSeek-V3 keeps them in BF16)");
  for_each_row(pass, x.n_rows(), [&](std::int64_t row) {
    const std::int64_t id = pass.batch.token_ids[static_cast<std::size_t>(row)];
    R1_ASSERT(id >= 0 && id < table.n_rows(), "token ids are checked where requests come in");
    kernels(table.dtype).dequantize(table.data + id * table.row_bytes(), x.row(row), table.n_cols());
  });
  return x;
}

Tensor rms_norm(Pass& pass, Tensor x, const float* weight, float eps) {
  const OpTimer timer(pass, "rms_norm");
  Tensor y = pass.make(x.shape);
  for_each_row(pass, x.n_rows(), [&](std::int64_t row) { rms_norm(x.row(row), weight, eps, y.row(row), x.n_cols()); });
  return y;
}

Tensor norm_first_columns(Pass& pass, Tensor x, const float* weight, int n_normed, float eps) {
  const OpTimer timer(pass, "norm_first_columns");
  Tensor y = pass.make(x.shape);
  for_each_row(pass, x.n_rows(), [&](std::int64_t row) {
    rms_norm(x.row(row), weight, eps, y.row(row), n_normed);
    std::copy(x.row(row) + n_normed, x.row(row) + x.n_cols(), y.row(row) + n_normed);
  });
  return y;
}

void add_into(Pass& pass, Tensor a, Tensor b, Tensor y) {
  const OpTimer timer(pass, "add");
  R1_ASSERT(a.shape == b.shape && a.shape == y.shape, "a sum has one shape");
  for_each_row(pass, a.n_rows(), [&](std::int64_t row) { add(a.row(row), b.row(row), y.row(row), a.n_cols()); });
}

Tensor add(Pass& pass, Tensor a, Tensor b) {
  Tensor y = pass.make(a.shape);
  add_into(pass, a, b, y);
  return y;
}

Tensor silu_mul(Pass& pass, Tensor gate, Tensor up) {
  const OpTimer timer(pass, "silu_mul");
  R1_ASSERT(gate.shape == up.shape, "gate and up have one shape");
  Tensor y = pass.make(gate.shape);
  for_each_row(pass, gate.n_rows(),
               [&](std::int64_t row) { silu_mul(gate.row(row), up.row(row), y.row(row), gate.n_cols()); });
  return y;
}

Tensor gather_rows(Pass& pass, Tensor x, std::span<const int> row_ids) {
  const OpTimer timer(pass, "gather_rows");
  Tensor y = pass.make({static_cast<std::int64_t>(row_ids.size()), x.n_cols()});
  for (std::size_t i = 0; i < row_ids.size(); ++i) {
    std::memcpy(y.row(static_cast<std::int64_t>(i)), x.row(row_ids[i]),
                static_cast<std::size_t>(x.n_cols()) * sizeof(float));
  }
  return y;
}

}  // namespace r1
