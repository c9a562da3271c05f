// policy_gradient.cpp: a few lines of arithmetic each.
#include "train/policy_gradient.h"

#include <algorithm>
#include <cmath>

namespace r1 {

std::vector<float> group_advantages(std::span<const double> rewards, bool divide_by_deviation) {
  std::vector<float> advantages(rewards.size(), 0.0f);
  if (std::adjacent_find(rewards.begin(), rewards.end(), std::not_equal_to<>()) == rewards.end()) return advantages;
  const auto n = static_cast<double>(rewards.size());
  double mean = 0, variance = 0;
  for (const double reward : rewards) mean += reward / n;
  for (const double reward : rewards) variance += (reward - mean) * (reward - mean) / n;
  const double unit = divide_by_deviation ? std::sqrt(variance) + 1e-6 : 1.0;
  for (std::size_t i = 0; i < rewards.size(); ++i) advantages[i] = static_cast<float>((rewards[i] - mean) / unit);
  return advantages;
}

float token_coefficient(const GrpoConfig& config, float advantage, const TokenLogprobs& token) {
  const float ratio = std::exp(token.now - token.sampled);
  const bool clipped = advantage > 0 ? ratio > 1.0f + config.clip_high : ratio < 1.0f - config.clip_low;
  const float pull = config.kl_weight > 0 ? config.kl_weight * (1.0f - std::exp(token.reference - token.now)) : 0.0f;
  return (clipped ? 0.0f : ratio * advantage) - pull;
}

}  // namespace r1
