// cross_entropy.cpp: a row at a time, its softmax in scratch.
#include "train/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "base/assert.h"
#include "kernels/float_ops.h"

namespace r1 {
namespace {

TokenLoss row_loss(const float* logits, int target, std::int64_t n, float* p) {
  std::copy_n(logits, n, p);
  const float best = max_value(p, n);
  const float sum = exp_and_sum(p, best, n);
  const float log_sum = best + std::log(sum);
  scale(p, 1.0f / sum, n);
  return {
      .logprob = logits[target] - log_sum, .entropy = log_sum - dot(p, logits, n), .is_best = logits[target] == best};
}

}  // namespace

std::vector<TokenLoss> cross_entropy(Pass& pass, Tensor logits, std::span<const int> targets,
                                     std::span<const float> coefficients) {
  const std::int64_t n = logits.n_cols();
  R1_ASSERT(logits.n_rows() == static_cast<std::int64_t>(targets.size()), "a target for each row of logits");
  R1_ASSERT(targets.size() == coefficients.size(), "a coefficient for each target");
  std::vector<TokenLoss> losses(targets.size());
  const ArenaScope scope(pass.arena);
  const Tensor work = pass.make_scratch({pass.pool.n_threads(), n});
  pass.parallel_pieces(logits.n_rows(), 16, [&](std::int64_t first, std::int64_t last, int thread) {
    for (std::int64_t row = first; row < last; ++row) {
      const auto at = static_cast<std::size_t>(row);
      R1_ASSERT(targets[at] >= 0 && targets[at] < n, "targets are tokens of the vocabulary");
      float* p = work.row(thread);
      losses[at] = row_loss(logits.row(row), targets[at], n, p);
      if (logits.grad == nullptr || coefficients[at] == 0.0f) continue;
      p[targets[at]] -= 1.0f;
      add_scaled(p, coefficients[at], logits.grad_row(row), n);
    }
  });
  return losses;
}

}  // namespace r1
