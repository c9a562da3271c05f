// cross_entropy.h: from logits to log-probabilities, and to the gradient of their weighted sum: the one loss of
// training (train/example.h).
#pragma once

#include <span>
#include <vector>

#include "ops/pass.h"

namespace r1 {

struct TokenLoss {
  float logprob = 0;     // of the target: the same bits as the sampler reports
  float entropy = 0;     // of the distribution, in nats
  bool is_best = false;  // the target has the greatest logit
};

// logits [rows, vocab_size]; targets [rows]. With a gradient (logits.grad) it becomes that of
// sum over rows of coefficient * -logprob.
std::vector<TokenLoss> cross_entropy(Pass& pass, Tensor logits, std::span<const int> targets,
                                     std::span<const float> coefficients);

}  // namespace r1
