// logit_distillation.cpp: a row at a time, both softmaxes in scratch.
#include "train/logit_distillation.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "kernels/float_ops.h"

namespace r1 {
namespace {

// p = softmax(logits / temperature); returns the logarithm of the sum that it was divided by, shift included.
float tempered_softmax(const float* logits, float temperature, float* p, std::int64_t n) {
  std::copy_n(logits, n, p);
  scale(p, 1.0f / temperature, n);
  const float best = max_value(p, n);
  const float sum = exp_and_sum(p, best, n);
  scale(p, 1.0f / sum, n);
  return best + std::log(sum);
}

}  // namespace

std::vector<float> add_divergence(Pass& pass, Tensor logits, Tensor teacher_logits, std::span<const float> coefficients,
                                  float temperature) {
  const std::int64_t n = logits.n_cols();
  R1_ASSERT(logits.shape == teacher_logits.shape, "teacher and student speak of the same tokens");
  R1_ASSERT(logits.n_rows() == static_cast<std::int64_t>(coefficients.size()), "a coefficient for each row");
  std::vector<float> divergences(coefficients.size());
  const ArenaScope scope(pass.arena);
  const Tensor work = pass.make_scratch({2 * std::int64_t{pass.pool.n_threads()}, n});
  pass.parallel_pieces(logits.n_rows(), 16, [&](std::int64_t first, std::int64_t last, int thread) {
    float *p = work.row(2 * thread), *q = work.row(2 * thread + 1);
    for (std::int64_t row = first; row < last; ++row) {
      const auto at = static_cast<std::size_t>(row);
      const float log_sum = tempered_softmax(logits.row(row), temperature, p, n);
      const float teacher_log_sum = tempered_softmax(teacher_logits.row(row), temperature, q, n);
      // sum of q (log q - log p)
      divergences[at] =
          (dot(q, teacher_logits.row(row), n) - dot(q, logits.row(row), n)) / temperature - teacher_log_sum + log_sum;
      if (logits.grad == nullptr || coefficients[at] == 0.0f) continue;
      for (std::int64_t i = 0; i < n; ++i) p[i] -= q[i];
      add_scaled(p, coefficients[at] * temperature, logits.grad_row(row), n);
    }
  });
  return divergences;
}

}  // namespace r1
