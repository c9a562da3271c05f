// elementwise.cpp: each op is one loop over rows; rows are shared among the threads when there are many.
#include "ops/elementwise.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/float_ops.h"
#include "kernels/kernels.h"
#include "ops/profile.h"
#include "ops/tape.h"

namespace r1 {
namespace {

constexpr std::int64_t kRowsPerTask = 8;  // below it, waking a thread costs more than the rows

template <typename RowBody>
void for_each_row(Pass& pass, std::int64_t n_rows, RowBody body) {
  pass.parallel_pieces(n_rows, kRowsPerTask, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t row = first; row < last; ++row) body(row);
  });
}

// d_x and d_weight of y = weight * x * r, r = 1 / sqrt(mean(x^2) + eps): with g = weight * d_y,
// d_x = r * g - x * r^3 * mean(g * x).
void add_rms_norm_gradient(const float* x, const float* weight, float eps, const float* d_y, float* d_x,
                           float* d_weight, std::int64_t n) {
  const float dot_gx = dot3(weight, d_y, x, n), count = static_cast<float>(n);
  const float r = 1.0f / std::sqrt(dot(x, x, n) / count + eps);
  add_scaled_product(weight, d_y, r, d_x, n);
  add_scaled(x, -r * r * r * dot_gx / count, d_x, n);
  if (d_weight != nullptr) add_scaled_product(d_y, x, r, d_weight, n);
}

// Rows of weight gradients meet in one sum: they are taken in order, by one thread.
template <typename RowBody>
void for_each_row_in_order(std::int64_t n_rows, RowBody body) {
  for (std::int64_t row = 0; row < n_rows; ++row) body(row);
}

}  // namespace

Tensor embed(Pass& pass, const Weight& table, std::span<const int> token_ids) {
  const OpTimer timer(pass, "embed");
  Tensor x = pass.make({static_cast<std::int64_t>(token_ids.size()), table.n_cols()});
  R1_ASSERT(table.dtype != Dtype::kF8E4M3, "embedding tables are never FP8 (DeepSeek-V3 keeps them in BF16)");
  for_each_row(pass, x.n_rows(), [&](std::int64_t row) {
    const std::int64_t id = token_ids[static_cast<std::size_t>(row)];
    R1_ASSERT(id >= 0 && id < table.n_rows(), "token ids are checked where requests come in");
    kernels(table.dtype).dequantize(table.data + id * table.row_bytes(), x.row(row), table.n_cols());
  });
  if (pass.tape != nullptr) {
    pass.tape->record([x, table, token_ids](const Pass& p) {
      const Tensor d_table = p.tape->gradient_of(table);
      if (d_table.data == nullptr) return;
      for_each_row_in_order(x.n_rows(), [&](std::int64_t row) {
        float* d_row = d_table.row(token_ids[static_cast<std::size_t>(row)]);
        add(d_row, x.grad_row(row), d_row, x.n_cols());
      });
    });
  }
  return x;
}

Tensor rms_norm(Pass& pass, Tensor x, const float* weight, float eps) {
  const OpTimer timer(pass, "rms_norm");
  Tensor y = pass.make(x.shape);
  for_each_row(pass, x.n_rows(), [&](std::int64_t row) { rms_norm(x.row(row), weight, eps, y.row(row), x.n_cols()); });
  if (pass.tape != nullptr) {
    pass.tape->record([x, y, weight, eps](const Pass& p) {
      float* d_weight = p.tape->gradient_of(weight);
      for_each_row_in_order(x.n_rows(), [&](std::int64_t row) {
        add_rms_norm_gradient(x.row(row), weight, eps, y.grad_row(row), x.grad_row(row), d_weight, x.n_cols());
      });
    });
  }
  return y;
}

Tensor norm_first_columns(Pass& pass, Tensor x, const float* weight, int n_normed, float eps) {
  const OpTimer timer(pass, "norm_first_columns");
  Tensor y = pass.make(x.shape);
  for_each_row(pass, x.n_rows(), [&](std::int64_t row) {
    rms_norm(x.row(row), weight, eps, y.row(row), n_normed);
    std::copy(x.row(row) + n_normed, x.row(row) + x.n_cols(), y.row(row) + n_normed);
  });
  if (pass.tape != nullptr) {
    pass.tape->record([x, y, weight, n_normed, eps](const Pass& p) {
      float* d_weight = p.tape->gradient_of(weight);
      for_each_row_in_order(x.n_rows(), [&](std::int64_t row) {
        add_rms_norm_gradient(x.row(row), weight, eps, y.grad_row(row), x.grad_row(row), d_weight, n_normed);
        float* d_rest = x.grad_row(row) + n_normed;
        add(d_rest, y.grad_row(row) + n_normed, d_rest, x.n_cols() - n_normed);
      });
    });
  }
  return y;
}

void add_into(Pass& pass, Tensor a, Tensor b, Tensor y) {
  const OpTimer timer(pass, "add");
  R1_ASSERT(a.shape == b.shape && a.shape == y.shape, "a sum has one shape");
  for_each_row(pass, a.n_rows(), [&](std::int64_t row) { add(a.row(row), b.row(row), y.row(row), a.n_cols()); });
  if (pass.tape == nullptr) return;
  pass.tape->record([a, b, y](Pass& p) {
    for_each_row(p, y.n_rows(), [&](std::int64_t row) {
      add(a.grad_row(row), y.grad_row(row), a.grad_row(row), y.n_cols());
      add(b.grad_row(row), y.grad_row(row), b.grad_row(row), y.n_cols());
    });
  });
}

Tensor add(Pass& pass, Tensor a, Tensor b) {
  Tensor y = pass.make(a.shape);
  add_into(pass, a, b, y);
  return y;
}

Tensor concat_columns(Pass& pass, Tensor a, Tensor b) {
  const OpTimer timer(pass, "concat_columns");
  R1_ASSERT(a.n_rows() == b.n_rows(), "a row of each");
  Tensor y = pass.make({a.n_rows(), a.n_cols() + b.n_cols()});
  for_each_row(pass, y.n_rows(), [&](std::int64_t row) {
    std::copy_n(a.row(row), a.n_cols(), y.row(row));
    std::copy_n(b.row(row), b.n_cols(), y.row(row) + a.n_cols());
  });
  if (pass.tape != nullptr) {
    pass.tape->record([a, b, y](Pass& p) {
      for_each_row(p, y.n_rows(), [&](std::int64_t row) {
        add(a.grad_row(row), y.grad_row(row), a.grad_row(row), a.n_cols());
        add(b.grad_row(row), y.grad_row(row) + a.n_cols(), b.grad_row(row), b.n_cols());
      });
    });
  }
  return y;
}

void add_silu_mul_gradient(const float* gate, const float* up, const float* d_y, float* d_gate, float* d_up,
                           float* work, std::int64_t n) {
  std::copy_n(gate, n, work);
  sigmoid(work, n);
  for (std::int64_t i = 0; i < n; ++i) {
    const float s = work[i], silu = gate[i] * s;
    d_up[i] += d_y[i] * silu;
    d_gate[i] += d_y[i] * up[i] * (s + silu * (1.0f - s));
  }
}

Tensor silu_mul(Pass& pass, Tensor gate, Tensor up) {
  const OpTimer timer(pass, "silu_mul");
  R1_ASSERT(gate.shape == up.shape, "gate and up have one shape");
  Tensor y = pass.make(gate.shape);
  for_each_row(pass, gate.n_rows(),
               [&](std::int64_t row) { silu_mul(gate.row(row), up.row(row), y.row(row), gate.n_cols()); });
  if (pass.tape != nullptr) {
    pass.tape->record([gate, up, y](Pass& p) {
      const ArenaScope scope(p.arena);
      const Tensor work = p.make_scratch({p.pool.n_threads(), y.n_cols()});
      p.parallel_pieces(y.n_rows(), kRowsPerTask, [&](std::int64_t first, std::int64_t last, int thread) {
        for (std::int64_t row = first; row < last; ++row) {
          add_silu_mul_gradient(gate.row(row), up.row(row), y.grad_row(row), gate.grad_row(row), up.grad_row(row),
                                work.row(thread), y.n_cols());
        }
      });
    });
  }
  return y;
}

Tensor gather_rows(Pass& pass, Tensor x, std::span<const int> row_ids) {
  const OpTimer timer(pass, "gather_rows");
  Tensor y = pass.make({static_cast<std::int64_t>(row_ids.size()), x.n_cols()});
  for (std::size_t i = 0; i < row_ids.size(); ++i) {
    std::memcpy(y.row(static_cast<std::int64_t>(i)), x.row(row_ids[i]),
                static_cast<std::size_t>(x.n_cols()) * sizeof(float));
  }
  if (pass.tape != nullptr) {
    pass.tape->record([x, y, row_ids](const Pass&) {
      for_each_row_in_order(y.n_rows(), [&](std::int64_t i) {
        float* d_row = x.grad_row(row_ids[static_cast<std::size_t>(i)]);
        add(d_row, y.grad_row(i), d_row, y.n_cols());
      });
    });
  }
  return y;
}

}  // namespace r1
