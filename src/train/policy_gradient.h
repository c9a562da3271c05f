// policy_gradient.h: from rewards to the coefficients of tokens (train/example.h): pure functions, no model.
//
// GRPO: Shao et al. 2024, DeepSeekMath, eq. 3; DeepSeek-R1 report, section 2.2. Dr.GRPO: Liu et al. 2025. DAPO: Yu et
// al. 2025. KL by Schulman's k3: exp(ref - p) - (ref - p) - 1.
#pragma once

#include <span>
#include <vector>

#include "train/stage_config.h"

namespace r1 {

// Rewards of one group to advantages: less their mean, and divided by their standard deviation where the configuration
// says so. All alike: all 0, exactly.
std::vector<float> group_advantages(std::span<const double> rewards, bool divide_by_deviation);

// One token: log-probabilities now, when it was sampled, and of the reference.
struct TokenLogprobs {
  float now = 0, sampled = 0, reference = 0;
};

// The coefficient c of one token, by which -c * d(now) is the gradient of the loss, before it is divided by the number
// of tokens: ratio * advantage where the ratio is not clipped, less kl_weight * (1 - exp(reference - now)).
float token_coefficient(const GrpoConfig& config, float advantage, const TokenLogprobs& token);

}  // namespace r1
