// lora_test.cpp: adapters: their gradients against finite differences, and what must stay, to the bit.
#include "train/lora.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "base/rng.h"
#include "train/examples_for_tests.h"
#include "train/rollouts.h"
#include "train/shapes.h"
#include "train/trainer.h"

namespace r1 {
namespace {

// V3's shape with low-rank queries, so that every matrix of MLA is there.
ModelConfig deepseek_with_query_lora() {
  ModelConfig c = trained_shape("nano-0.15m", kVocabulary).value();
  c.q_lora_rank = 32;
  return c;
}

LoraConfig all_of(const ModelConfig& c) {
  if (!c.is_deepseek()) return {.rank = 3, .alpha = 6, .targets = {}};
  return {.rank = 3, .alpha = 6, .targets = {"attention", "dense", "shared", "experts"}};
}

TrainedModel adapted(const ModelConfig& c) {
  TrainedModel model(c, 5);
  EXPECT_TRUE(model.add_adapters(all_of(c), 7).ok());
  return model;
}

// Adapters that have learnt something: b is not 0.
void disturb(TrainedModel& model) {
  Rng rng(11, 0);
  for (float& number : model.trained_values()) number += 0.05f * rng.normal();
  ThreadPool pool(2);
  model.merge_adapters(pool);
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Along the gradient of one adapter and some chance, gradient and central difference agree as far as f32 lets them.
void expect_adapter_gradients(ModelConfig config) {
  config.route.n_activated_experts = config.route.n_routed_experts;
  TrainedModel model = adapted(config);
  disturb(model);
  const std::vector<Example> examples = random_examples({23, 70, 2, 41});
  Trainer trainer(model, {.n_shares = 2, .rows_at_once = 64, .balance_alpha = 0});
  const std::vector<float> numbers(model.trained_values().begin(), model.trained_values().end());
  trainer.step(examples, {});
  const std::vector<float> gradients(trainer.gradients().begin(), trainer.gradients().end());
  ThreadPool pool(1);
  const auto loss_with = [&](const std::vector<float>& changed) {
    std::copy(changed.begin(), changed.end(), model.trained_values().begin());
    model.merge_adapters(pool);
    Trainer once(model, {.n_shares = 2});
    double loss = 0;
    const auto logprobs = once.logprobs(examples);
    for (std::size_t i = 0; i < examples.size(); ++i) {
      for (std::size_t t = 0; t < logprobs[i].size(); ++t)
        loss -= double{examples[i].coefficients[t + 1]} * logprobs[i][t];
    }
    return loss;
  };
  for (const ParameterTensor& p : model.trained_tensors()) {
    const auto first = static_cast<std::size_t>(p.offset), n = static_cast<std::size_t>(p.shape.n_values());
    double length = 0;
    for (std::size_t i = 0; i < n; ++i) length += std::pow(gradients[first + i], 2);
    length = std::sqrt(length);
    ASSERT_GT(length, 0) << p.name;
    Rng rng(9, first);
    std::vector<float> up = numbers, down = numbers;
    double slope = 0;
    const float step = 4e-3f;
    for (std::size_t i = 0; i < n; ++i) {
      const auto direction =
          static_cast<float>(gradients[first + i] / length + rng.normal() / std::sqrt(static_cast<double>(n)));
      up[first + i] += step * direction;
      down[first + i] -= step * direction;
      slope += double{gradients[first + i]} * direction;
    }
    const double difference = (loss_with(up) - loss_with(down)) / (2.0 * step);
    EXPECT_NEAR(difference, slope, 0.01 * std::fabs(slope) + 2e-4) << p.name;
  }
}

TEST(Lora, GradientsEqualFiniteDifferencesOfDeepSeek) { expect_adapter_gradients(deepseek_with_query_lora()); }
TEST(Lora, GradientsEqualFiniteDifferencesOfQwen2) {
  expect_adapter_gradients(trained_shape("student-qwen2", kVocabulary).value());
}
TEST(Lora, GradientsEqualFiniteDifferencesOfLlama) {
  expect_adapter_gradients(trained_shape("student-llama", kVocabulary).value());
}

TEST(Lora, TheStartIsTheBaseInEveryBit) {
  TrainedModel plain(deepseek_with_query_lora(), 5), with = adapted(deepseek_with_query_lora());
  plain.values()[100] = with.values()[100] = -0.0f;
  ThreadPool pool(2);
  with.merge_adapters(pool);
  EXPECT_TRUE(same_bits(plain.values(), with.values()));
  const std::vector<Example> examples = random_examples({30, 20});
  Trainer of_plain(plain, {}), of_with(with, {});
  EXPECT_EQ(of_plain.logprobs(examples), of_with.logprobs(examples));
}

TEST(Lora, TrainsAdaptersAndLeavesTheBase) {
  const ModelConfig config = deepseek_with_query_lora();
  const TrainedModel before(config, 5);
  TrainedModel model = adapted(config);
  Trainer trainer(model, {.n_workers = 2, .n_shares = 3});
  EXPECT_EQ(trainer.gradients().size(), model.trained_values().size());
  for (std::uint64_t step = 0; step < 4; ++step)
    trainer.step(random_examples({40, 30, 20}, step), {.learning_rate = 1e-2f});
  const auto targets = lora_targets(all_of(config), model.parameters());
  std::set<std::string> adapted_names;
  for (const ParameterTensor& p : targets.value()) adapted_names.insert(p.name);
  EXPECT_TRUE(adapted_names.contains("blk.1.ffn_down_exps.weight"));
  EXPECT_TRUE(adapted_names.contains("blk.2.attn_kv_b.weight"));
  for (const ParameterTensor& p : model.parameters()) {
    const auto first = static_cast<std::size_t>(p.offset), n = static_cast<std::size_t>(p.shape.n_values());
    const auto now = std::span<const float>(model.values()).subspan(first, n), was = before.values().subspan(first, n);
    EXPECT_NE(same_bits(now, was), adapted_names.contains(p.name)) << p.name;
  }
}

// What the array holds is base + alpha / rank * b a, of experts each for itself.
TEST(Lora, MergedEqualsTheSumInDouble) {
  const ModelConfig config = deepseek_with_query_lora();
  const TrainedModel base(config, 5);
  TrainedModel model = adapted(config);
  disturb(model);
  const auto numbers = model.trained_values();
  const auto tensors = model.trained_tensors();
  for (std::size_t t = 0; t < tensors.size(); t += 2) {
    const ParameterTensor &a = tensors[t], &b = tensors[t + 1];
    const std::string name = a.name.substr(0, a.name.size() - std::string(".lora_a").size());
    const auto parameters = model.parameters();
    const auto p = std::find_if(parameters.begin(), parameters.end(), [&](const auto& q) { return q.name == name; });
    ASSERT_NE(p, parameters.end()) << a.name;
    const std::int64_t n_in = a.shape.last(), rank = b.shape.last(), n_rows = b.shape.n_rows();
    const std::int64_t n_experts = a.shape.n_dims == 3 ? a.shape[0] : 1, n_out = n_rows / n_experts;
    for (std::int64_t row = 0; row < n_rows; ++row) {
      for (std::int64_t col = 0; col < n_in; ++col) {
        const auto at = static_cast<std::size_t>(p->offset + row * n_in + col);
        double sum = base.values()[at];
        for (std::int64_t k = 0; k < rank; ++k) {
          sum += 2.0 * numbers[static_cast<std::size_t>(b.offset + row * rank + k)] *
                 numbers[static_cast<std::size_t>(a.offset + (row / n_out * rank + k) * n_in + col)];
        }
        ASSERT_NEAR(model.values()[at], sum, 1e-5) << name << " " << row << " " << col;
      }
    }
  }
}

TEST(Lora, WorkersChangeNoBit) {
  std::vector<float> alone;
  for (const int n_workers : {1, 2, 4}) {
    TrainedModel model = adapted(deepseek_with_query_lora());
    Trainer trainer(model, {.n_workers = n_workers, .n_shares = 4});
    for (std::uint64_t step = 0; step < 4; ++step)
      trainer.step(random_examples({9, 30, 17, 44, 3, 64, 65, 12}, step), {.learning_rate = 1e-2f});
    if (alone.empty()) alone.assign(model.values().begin(), model.values().end());
    EXPECT_TRUE(same_bits(alone, model.values())) << n_workers << " workers";
  }
}

TEST(Lora, LogprobsWhileSamplingAreThoseOfTraining) {
  for (const ModelConfig& config : {deepseek_with_query_lora(), trained_shape("student-qwen2", kVocabulary).value()}) {
    TrainedModel model = adapted(config);
    disturb(model);
    std::vector<RolloutRequest> requests;
    for (int i = 0; i < 6; ++i)
      requests.push_back({.prompt = {5, 6, 7 + i}, .seed = static_cast<std::uint64_t>(i), .max_tokens = 40});
    const auto rollouts = roll_out(model.model(), {.n_workers = 2, .end_ids = {3}}, requests);
    ASSERT_TRUE(rollouts.ok()) << rollouts.error().message;
    std::vector<Example> examples;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      Example& example = examples.emplace_back();
      example.tokens = requests[i].prompt;
      example.n_prompt = 3;
      example.coefficients.assign(3, 0.0f);
      const std::vector<int>& completion = rollouts.value()[i].completion;
      example.tokens.insert(example.tokens.end(), completion.begin(), completion.end());
      example.coefficients.resize(example.tokens.size(), 1.0f);
    }
    const auto logprobs = Trainer(model, {.n_workers = 2}).logprobs(examples);
    for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(logprobs[i], rollouts.value()[i].logprobs);
  }
}

TEST(Lora, ATargetThatTheModelHasNotIsAnError) {
  TrainedModel model(trained_shape("student-llama", kVocabulary).value(), 5);
  const Status status = model.add_adapters({.rank = 2, .alpha = 4, .targets = {"attn_q", "experts"}}, 1);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("'experts'"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("attention, dense; or attn_k, attn_output"), std::string::npos)
      << status.error().message;
}

}  // namespace
}  // namespace r1
