// policy_gradient_test.cpp: coefficients by hand, and a bandit whose optimum is known.
#include "train/policy_gradient.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/rng.h"

namespace r1 {
namespace {

TEST(GroupAdvantages, AreRewardsLessTheirMean) {
  const double rewards[] = {1, 0, 0, 1.1};
  const std::vector<float> plain = group_advantages(rewards, false);
  EXPECT_FLOAT_EQ(plain[0], 1 - 0.525f);
  EXPECT_FLOAT_EQ(plain[1], -0.525f);
  const std::vector<float> divided = group_advantages(rewards, true);
  const double deviation = std::sqrt((0.475 * 0.475 + 2 * 0.525 * 0.525 + 0.575 * 0.575) / 4);
  EXPECT_NEAR(divided[3], 0.575 / deviation, 1e-5);
}

TEST(GroupAdvantages, OfRewardsAllAlikeAreExactlyZero) {
  const double rewards[] = {0.1, 0.1, 0.1};
  for (const float advantage : group_advantages(rewards, true)) EXPECT_EQ(advantage, 0.0f);
}

TEST(TokenCoefficient, ByHand) {
  GrpoConfig c;
  c.clip_low = 0.2f;
  c.clip_high = 0.28f;
  const auto at_ratio = [](float ratio) {
    return TokenLogprobs{.now = std::log(ratio), .sampled = 0, .reference = std::log(ratio)};
  };
  EXPECT_FLOAT_EQ(token_coefficient(c, 0.7f, at_ratio(1.0f)), 0.7f);
  EXPECT_FLOAT_EQ(token_coefficient(c, -0.7f, at_ratio(1.0f)), -0.7f);
  EXPECT_NEAR(token_coefficient(c, 1.0f, at_ratio(1.27f)), 1.27f, 1e-5);
  EXPECT_EQ(token_coefficient(c, 1.0f, at_ratio(1.29f)), 0.0f);         // a good token is pushed no further
  EXPECT_NEAR(token_coefficient(c, 1.0f, at_ratio(0.5f)), 0.5f, 1e-5);  // but one that has fallen may rise
  EXPECT_EQ(token_coefficient(c, -1.0f, at_ratio(0.79f)), 0.0f);
  EXPECT_NEAR(token_coefficient(c, -1.0f, at_ratio(1.5f)), -1.5f, 1e-5);
  // k3's gradient: none at the reference, towards it elsewhere.
  c.kl_weight = 0.5f;
  EXPECT_EQ(token_coefficient(c, 0.0f, at_ratio(1.1f)), 0.0f);
  EXPECT_NEAR(token_coefficient(c, 0.0f, {.now = -1, .sampled = -1, .reference = -2}), -0.5f * (1 - std::exp(-1.0f)),
              1e-6);
  EXPECT_GT(token_coefficient(c, 0.0f, {.now = -2, .sampled = -2, .reference = -1}), 0.0f);
}

// One token, eight arms, logits learnt by the gradient c * d log p: what training does, without a network.
class Bandit {
 public:
  static constexpr int kArms = 8, kGood = 3;

  std::vector<double> p() const {
    std::vector<double> p(kArms);
    double sum = 0;
    for (int arm = 0; arm < kArms; ++arm)
      sum += p[static_cast<std::size_t>(arm)] = std::exp(logits_[static_cast<std::size_t>(arm)]);
    for (double& one : p) one /= sum;
    return p;
  }
  // A step of one group; returns the gradient that was used.
  std::vector<double> step(const GrpoConfig& c, int n_samples, double learning_rate, Rng& rng) {
    const std::vector<double> now = p();
    std::vector<int> arms;
    std::vector<double> rewards, gradient(kArms, 0.0);
    for (int i = 0; i < n_samples; ++i) {
      double left = rng.uniform();
      int arm = 0;
      while (arm + 1 < kArms && (left -= now[static_cast<std::size_t>(arm)]) >= 0) ++arm;
      arms.push_back(arm);
      rewards.push_back(arm == kGood ? 1 : 0);
    }
    const std::vector<float> advantages = group_advantages(rewards, c.divide_by_deviation);
    for (std::size_t i = 0; i < arms.size(); ++i) {
      const auto logprob = static_cast<float>(std::log(now[static_cast<std::size_t>(arms[i])]));
      const auto reference = static_cast<float>(std::log(1.0 / kArms));
      const float k = token_coefficient(c, advantages[i], {.now = logprob, .sampled = logprob, .reference = reference});
      for (int arm = 0; arm < kArms; ++arm) {
        gradient[static_cast<std::size_t>(arm)] +=
            double{k} / n_samples * ((arm == arms[i] ? 1.0 : 0.0) - now[static_cast<std::size_t>(arm)]);
      }
    }
    for (std::size_t arm = 0; arm < gradient.size(); ++arm) logits_[arm] += learning_rate * gradient[arm];
    return gradient;
  }

 private:
  std::vector<double> logits_ = std::vector<double>(kArms, 0.0);
};

TEST(Grpo, TheMeanGradientOfABanditIsTheAnalyticOne) {
  constexpr int kSamples = 16, kGroups = 12500;
  Bandit bandit;
  Rng rng(1, 1);
  std::vector<double> sum(Bandit::kArms, 0.0), squares(Bandit::kArms, 0.0);
  for (int group = 0; group < kGroups; ++group) {
    const std::vector<double> gradient = bandit.step({}, kSamples, 0.0, rng);
    for (std::size_t arm = 0; arm < gradient.size(); ++arm)
      sum[arm] += gradient[arm], squares[arm] += gradient[arm] * gradient[arm];
  }
  for (std::size_t arm = 0; arm < sum.size(); ++arm) {
    // d E[r] / d logit = p (r - E[r]); the group's own mean as baseline takes 1 / n of it away.
    const double p = 1.0 / Bandit::kArms, r = arm == Bandit::kGood ? 1 : 0;
    const double expected = p * (r - p) * (1.0 - 1.0 / kSamples);
    const double mean = sum[arm] / kGroups, deviation = std::sqrt((squares[arm] / kGroups - mean * mean) / kGroups);
    EXPECT_NEAR(mean, expected, 3.5 * deviation) << "arm " << arm;
  }
}

TEST(Grpo, LearnsTheGoodArm) {
  Bandit bandit;
  Rng rng(2, 2);
  for (int step = 0; step < 300; ++step) bandit.step({}, 16, 0.5, rng);
  EXPECT_GT(bandit.p()[Bandit::kGood], 0.95);
}

// GRPO puts k3 into the loss and differentiates it as it stands. The mean of that gradient, over the policy's own
// samples, is sum over arms of -reference * d log p: the gradient of KL(reference || p), not of KL(p || reference),
// whose optimum p ~ reference * exp(r / beta) is often given for it. So p of the good arm solves p (1 - p) = beta (p -
// reference).
TEST(Grpo, WithKlSettlesWhereRewardAndReferenceBalance) {
  GrpoConfig c;
  c.kl_weight = 0.5f;
  Bandit bandit;
  Rng rng(3, 3);
  double mean = 0;
  constexpr int kSettle = 500, kMeasure = 2000;
  for (int step = 0; step < kSettle + kMeasure; ++step) {
    bandit.step(c, 256, 0.2, rng);
    if (step >= kSettle) mean += bandit.p()[Bandit::kGood] / kMeasure;
  }
  const double beta = 0.5, reference = 1.0 / Bandit::kArms;
  EXPECT_NEAR(mean, (1 - beta + std::sqrt((1 - beta) * (1 - beta) + 4 * beta * reference)) / 2, 0.01);
}

}  // namespace
}  // namespace r1
