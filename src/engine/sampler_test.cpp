// sampler_test.cpp: laws of sampling: greedy, filters against plain sorting, penalties, the distribution drawn from.
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/rng.h"

namespace r1 {
namespace {

std::vector<float> random_logits(int n, std::uint64_t seed, float spread = 3.0f) {
  Rng rng(seed, 0);
  std::vector<float> logits(static_cast<std::size_t>(n));
  for (float& x : logits) x = spread * rng.normal();
  return logits;
}

// Lets through the ids that are multiples of a number; 0: none.
class Multiples final : public TokenFilter {
 public:
  explicit Multiples(int of) : of_(of) {}
  Verdict mask(std::span<float> scores) override {
    if (of_ == 0) return Verdict::kStranded;
    for (std::size_t id = 0; id < scores.size(); ++id)
      if (static_cast<int>(id) % of_ != 0) scores[id] = -INFINITY;
    return Verdict::kOpen;
  }
  void accept(int /*id*/) override {}

 private:
  int of_;
};

std::map<int, int> draw_many(const std::vector<float>& logits, SamplingParams params, int n,
                             std::vector<int> tokens = {0}) {
  Sampler sampler;
  std::map<int, int> counts;
  for (int i = 0; i < n; ++i) {
    params.seed = static_cast<std::uint64_t>(i);
    ++counts[sampler.sample(logits, params, tokens, static_cast<int>(tokens.size())).id];
  }
  return counts;
}

// What the filters leave, by sorting everything: id -> probability.
std::map<int, double> plain_distribution(const std::vector<float>& logits, const SamplingParams& p) {
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
  const auto weight = [&](int id) { return std::exp((double{logits[id]} - logits[order[0]]) / p.temperature); };
  if (p.top_k > 0) order.resize(std::min<std::size_t>(order.size(), p.top_k));
  double total = 0;
  for (const int id : order) total += weight(id);
  std::map<int, double> kept;
  double mass = 0;
  for (const int id : order) {
    if (!kept.empty() && (mass >= p.top_p * total || weight(id) < p.min_p)) break;
    mass += kept[id] = weight(id);
  }
  for (auto& [id, w] : kept) w /= mass;
  return kept;
}

TEST(Sampler, TemperatureZeroTakesTheLowestIdAmongTheBest) {
  Sampler sampler;
  const std::vector<float> logits = {1, 5, 3, 5, -2};
  EXPECT_EQ(sampler.sample(logits, {.temperature = 0}, std::vector<int>{0}, 1).id, 1);
}

TEST(Sampler, AnyTemperatureThatIsNearlyZeroIsGreedy) {
  const std::vector<float> logits = random_logits(1000, 4);
  const int best = static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  for (const float temperature : {1e-44f, 1e-40f, 1e-38f, 1e-30f, 1e-7f, 1e-6f, 1e-5f, -1.0f, NAN}) {
    for (const float top_p : {1.0f, 0.9f}) {
      const SamplingParams params{.temperature = temperature, .top_p = top_p};
      EXPECT_EQ(draw_many(logits, params, 20), (std::map<int, int>{{best, 20}})) << temperature << ", top_p " << top_p;
    }
  }
}

TEST(Sampler, FiltersLeaveWhatPlainSortingLeaves) {
  const SamplingParams cases[] = {{.temperature = 1.0f},
                                  {.temperature = 0.6f, .top_p = 0.95f},
                                  {.temperature = 1.5f, .top_k = 5},
                                  {.temperature = 1.0f, .min_p = 0.2f},
                                  {.temperature = 3.0f, .top_k = 40, .top_p = 0.7f},
                                  {.temperature = 0.8f, .top_k = 20, .top_p = 0.9f, .min_p = 0.05f},
                                  {.temperature = 1.0f, .top_p = 1e-6f}};
  for (const int n : {1, 7, 300}) {
    const auto logits = random_logits(n, 11);
    for (const SamplingParams& params : cases) {
      const auto expected = plain_distribution(logits, params);
      constexpr int kDraws = 4000;
      for (const auto& [id, count] : draw_many(logits, params, kDraws)) {
        ASSERT_TRUE(expected.contains(id)) << "token " << id << " should have been cut";
        const double p = expected.at(id);
        EXPECT_NEAR(count, kDraws * p, 5 * std::sqrt(kDraws * p * (1 - p)) + 1) << "token " << id << " of " << n;
      }
    }
  }
}

TEST(Sampler, SameSeedAndPlaceGiveTheSameTokenWhateverWasSampledBefore) {
  const auto logits = random_logits(500, 3);
  const SamplingParams params{.temperature = 1.0f, .top_p = 0.99f, .seed = 42};
  const std::vector<int> tokens = {1, 2, 3};
  Sampler fresh, used;
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    used.sample(random_logits(700, seed), {.seed = seed, .n_top_logprobs = 3}, tokens, 1);
  EXPECT_EQ(fresh.sample(logits, params, tokens, 1).id, used.sample(logits, params, tokens, 1).id);
  const auto other_place = draw_many(logits, params, 1, {1, 2, 3, 4});
  EXPECT_EQ(other_place.size(), 1u);
}

TEST(Sampler, PenaltiesAndBiasMoveLogitsAsDocumented) {
  Sampler sampler;
  const std::vector<float> logits = {2.0f, 1.9f, -1.0f, 0.0f};
  const std::vector<int> tokens = {3, 0, 0};  // prompt {3}, completion {0, 0}
  const auto greedy = [&](SamplingParams params) {
    params.temperature = 0;
    return sampler.sample(logits, params, tokens, 1).id;
  };
  EXPECT_EQ(greedy({}), 0);
  EXPECT_EQ(greedy({.presence_penalty = 0.2f}), 1);    // 2.0 - 0.2 < 1.9
  EXPECT_EQ(greedy({.frequency_penalty = 0.04f}), 0);  // 2.0 - 2 * 0.04 > 1.9
  EXPECT_EQ(greedy({.frequency_penalty = 0.06f}), 1);
  EXPECT_EQ(greedy({.repetition_penalty = 1.1f}), 1);  // 2.0 / 1.1 < 1.9
  EXPECT_EQ(greedy({.logit_bias = {{2, 100.0f}}}), 2);
  EXPECT_EQ(greedy({}), 0) << "nothing may stay from one call to the next";
}

TEST(Sampler, LogprobsAreOfTheUnchangedDistribution) {
  Sampler sampler;
  const auto logits = random_logits(1000, 5);
  const SampledToken token =
      sampler.sample(logits, {.temperature = 0.3f, .top_k = 1, .n_top_logprobs = 4}, std::vector<int>{0}, 1);
  double sum = 0;
  for (const float x : logits) sum += std::exp(double{x});
  ASSERT_EQ(token.top.size(), 4u);
  EXPECT_EQ(token.top[0].id, token.id);
  EXPECT_NEAR(token.logprob, logits[token.id] - std::log(sum), 1e-5);
  for (std::size_t i = 1; i < token.top.size(); ++i) EXPECT_GE(token.top[i - 1].logprob, token.top[i].logprob);
}

// As if the others were not in the vocabulary, with any of the filters; the log-probabilities stay the model's own.
TEST(Sampler, ATokenFilterLeavesOnlyItsTokens) {
  const auto logits = random_logits(700, 5, 8.0f);
  Multiples filter(7);
  std::vector<float> only;
  for (std::size_t id = 0; id < logits.size(); id += 7) only.push_back(logits[id]);
  for (SamplingParams params : {SamplingParams{.temperature = 0}, SamplingParams{.temperature = 1.5f},
                                SamplingParams{.top_k = 300}, SamplingParams{.top_p = 0.999999f},
                                SamplingParams{.min_p = 0.01f}, SamplingParams{.logit_bias = {{3, 100}, {14, 2}}}}) {
    params.n_top_logprobs = 0;
    SamplingParams alone = params;
    if (!params.logit_bias.empty()) alone.logit_bias = {{2, 2}};
    Sampler sampler;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      params.seed = alone.seed = seed;
      const SampledToken token = sampler.sample(logits, params, std::vector{0}, 1, &filter);
      ASSERT_EQ(token.id, 7 * sampler.sample(only, alone, std::vector{0}, 1).id);
      ASSERT_EQ(token.logprob, sampler.given(token.id, logits, params).logprob);
    }
  }
}

TEST(Sampler, AFilterThatLeavesNothingGivesNoToken) {
  Multiples nothing(0);
  Sampler sampler;
  EXPECT_EQ(sampler.sample(random_logits(10, 1), {}, std::vector{0}, 1, &nothing).id, -1);
  EXPECT_EQ(sampler.verdict(), TokenFilter::Verdict::kStranded);
  EXPECT_GE(sampler.sample(random_logits(10, 1), {}, std::vector{0}, 1).id, 0);
  EXPECT_EQ(sampler.verdict(), TokenFilter::Verdict::kOpen);
}

}  // namespace
}  // namespace r1
