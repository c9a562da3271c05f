// trainer_test.cpp: gradients against finite differences, and what must not change a bit.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/rng.h"
#include "train/examples_for_tests.h"
#include "train/shapes.h"

namespace r1 {
namespace {

ModelConfig shape(std::string_view name) { return trained_shape(name, kVocabulary).value(); }

// V3's shape with all that the nano models leave out: low-rank queries, groups of experts, a scale, a head of its own.
ModelConfig full_deepseek() {
  ModelConfig c = shape("nano-0.15m");
  c.q_lora_rank = 32;
  c.route.n_expert_groups = 4;
  c.route.n_limited_groups = 2;
  c.route.route_scale = 2.5f;
  c.tied_head = false;
  return c;
}

ModelConfig with_mtp(ModelConfig c) {
  c.n_mtp_layers = 1;
  return c;
}

double loss_of(TrainedModel& model, std::span<const Example> examples, float mtp_weight) {
  TrainedModel copy(model.config(), 5);  // what a step decays and moves is not the model's own
  std::copy(model.values().begin(), model.values().end(), copy.values().begin());
  Trainer trainer(copy, {.n_shares = 2});
  const StepStats stats = trainer.step(examples, {.mtp_weight = mtp_weight});
  return stats.loss + double{mtp_weight} * stats.mtp_loss;
}

// Along a random direction in one tensor, gradient and central difference agree as far as f32 lets them. Every expert
// is activated: a choice that flips within the difference is a jump that no gradient describes.
void expect_gradients(ModelConfig config, float mtp_weight = 0) {
  config.route.n_activated_experts = config.route.n_routed_experts;
  config.route.n_limited_groups = config.route.n_expert_groups;
  TrainedModel model(config, 5);
  const std::vector<Example> examples = random_examples({23, 70, 2, 41});
  Trainer trainer(model, {.n_shares = 2, .rows_at_once = 64, .balance_alpha = 0});
  trainer.step(examples, {.mtp_weight = mtp_weight});
  const std::vector<float> gradients(trainer.gradients().begin(), trainer.gradients().end());
  for (const ParameterTensor& p : model.parameters()) {
    if (p.offset >= model.n_trained()) break;
    const std::int64_t n = p.shape.n_values();
    double length = 0;
    for (std::int64_t i = 0; i < n; ++i) length += std::pow(gradients[static_cast<std::size_t>(p.offset + i)], 2);
    length = std::sqrt(length);
    ASSERT_GT(length, 0) << p.name;
    // Half the gradient, half chance: large enough a slope to measure, not only where the gradient points.
    Rng rng(9, static_cast<std::uint64_t>(p.offset));
    std::vector<float> direction(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < direction.size(); ++i) {
      direction[i] = static_cast<float>(gradients[static_cast<std::size_t>(p.offset) + i] / length +
                                        rng.normal() / std::sqrt(static_cast<double>(n)));
    }
    double slope = 0;
    for (std::size_t i = 0; i < direction.size(); ++i) {
      slope += double{gradients[static_cast<std::size_t>(p.offset) + i]} * direction[i];
    }
    const std::vector<float> saved(model.values().begin(), model.values().end());
    const auto loss_at = [&](float step) {
      for (std::size_t i = 0; i < direction.size(); ++i) {
        model.values()[static_cast<std::size_t>(p.offset) + i] =
            saved[static_cast<std::size_t>(p.offset) + i] + step * direction[i];
      }
      const double loss = loss_of(model, examples, mtp_weight);
      std::copy(saved.begin(), saved.end(), model.values().begin());
      return loss;
    };
    const float step = 4e-3f;
    const double difference = (loss_at(step) - loss_at(-step)) / (2.0 * step);
    EXPECT_NEAR(difference, slope, 0.01 * std::fabs(slope) + 2e-4) << p.name;
  }
}

TEST(Trainer, GradientsEqualFiniteDifferencesOfNano) { expect_gradients(shape("nano-0.15m")); }
TEST(Trainer, GradientsEqualFiniteDifferencesOfDeepSeek) { expect_gradients(full_deepseek()); }
TEST(Trainer, GradientsEqualFiniteDifferencesOfMultiTokenPrediction) {
  expect_gradients(with_mtp(full_deepseek()), 0.3f);
}
TEST(Trainer, GradientsEqualFiniteDifferencesOfQwen2) { expect_gradients(shape("student-qwen2")); }
TEST(Trainer, GradientsEqualFiniteDifferencesOfLlama) { expect_gradients(shape("student-llama")); }

void expect_workers_change_no_bit(const TrainerConfig& trainer_config) {
  std::vector<float> alone;
  for (const int n_workers : {1, 2, 4}) {
    TrainedModel model(with_mtp(full_deepseek()), 5);
    TrainerConfig config = trainer_config;
    config.n_workers = n_workers;
    Trainer trainer(model, config);
    for (std::uint64_t step = 0; step < 5; ++step) {
      trainer.step(random_examples({9, 30, 17, 44, 3, 64, 65, 12}, step),
                   {.learning_rate = 1e-3f, .balance_speed = 1e-3f, .mtp_weight = 0.3f});
    }
    if (alone.empty()) alone.assign(model.values().begin(), model.values().end());
    EXPECT_EQ(std::memcmp(alone.data(), model.values().data(), alone.size() * 4), 0) << n_workers << " workers";
  }
}

TEST(Trainer, WorkersChangeNoBit) { expect_workers_change_no_bit({.n_shares = 4}); }
TEST(Trainer, WorkersChangeNoBitWithMuon) {
  expect_workers_change_no_bit({.n_shares = 4, .optimizer = {.kind = OptimizerKind::kMuon}});
}

// Layers that are computed again give the same gradients, and are counted once; with adapters too.
TEST(Trainer, RecomputingChangesNoBit) {
  for (const ModelConfig& config : {with_mtp(full_deepseek()), shape("student-qwen2"), shape("student-llama")}) {
    for (const bool with_lora : {false, true}) {
      TrainedModel keeps(config, 5), recomputes(config, 5);
      for (TrainedModel* model : {&keeps, &recomputes}) {
        if (!with_lora) continue;
        ASSERT_TRUE(model->add_adapters({.rank = 2, .alpha = 4, .targets = {}}, 1).ok());
      }
      Trainer of_keeps(keeps, {.n_shares = 2}), of_recomputes(recomputes, {.n_shares = 2, .recompute = true});
      for (std::uint64_t step = 0; step < 3; ++step) {
        const std::vector<Example> examples = random_examples({23, 70, 2, 41}, step);
        const StepSettings settings{.learning_rate = 1e-2f, .mtp_weight = config.n_mtp_layers > 0 ? 0.3f : 0.0f};
        const StepStats kept = of_keeps.step(examples, settings), again = of_recomputes.step(examples, settings);
        EXPECT_EQ(kept.loss, again.loss) << config.name;
        EXPECT_EQ(kept.expert_load, again.expert_load) << config.name;
        const std::size_t bytes = of_keeps.gradients().size() * sizeof(float);
        EXPECT_EQ(std::memcmp(of_keeps.gradients().data(), of_recomputes.gradients().data(), bytes), 0) << config.name;
      }
    }
  }
}

// Without weight the module is not run: what is left is a model without it, to the last bit.
TEST(Trainer, MultiTokenPredictionWithoutWeightChangesNoBit) {
  TrainedModel plain(full_deepseek(), 5), with(with_mtp(full_deepseek()), 5);
  const std::vector<Example> examples = random_examples({23, 70, 2, 41});
  Trainer of_plain(plain, {.n_shares = 2}), of_with(with, {.n_shares = 2});
  of_plain.step(examples, {.learning_rate = 1e-3f});
  of_with.step(examples, {.learning_rate = 1e-3f});
  const auto n = static_cast<std::size_t>(plain.n_trained());
  EXPECT_EQ(std::memcmp(plain.values().data(), with.values().data(), n * 4), 0);
  EXPECT_EQ(std::memcmp(of_plain.gradients().data(), of_with.gradients().data(), n * 4), 0);
}

// Targets are the tokens after the next, of the same example; an untrained module spreads over the vocabulary.
TEST(Trainer, MultiTokenPredictionHasItsTargets) {
  Example first{.tokens = {1, 2, 3, 4}, .coefficients = {0, 1, 0, 1}}, second{.tokens = {5, 6}, .coefficients = {0, 1}};
  const PackedBatch packed(std::vector<Example>{first, second});
  const PackedBatch::Mtp mtp = packed.mtp();
  const auto list = [](std::span<const int> span) { return std::vector<int>(span.begin(), span.end()); };
  EXPECT_EQ(list(mtp.next_ids), (std::vector<int>{2, 3, 4, 6}));
  EXPECT_EQ(list(mtp.logits_rows), (std::vector<int>{1}));
  EXPECT_EQ(list(mtp.targets), (std::vector<int>{4}));
  TrainedModel model(with_mtp(shape("nano-0.15m")), 5);
  Trainer trainer(model, {});
  const StepStats stats = trainer.step(std::vector<Example>{first, second}, {.mtp_weight = 0.3f});
  EXPECT_EQ(stats.n_mtp_targets, 1);
  EXPECT_NEAR(stats.mtp_loss, std::log(kVocabulary), 0.05 * std::log(kVocabulary));
}

TEST(Trainer, LearnsOneBatchByHeart) {
  TrainedModel model(shape("nano-0.15m"), 5);
  Trainer trainer(model, {.n_workers = 2, .optimizer = {.adamw = {.weight_decay = 0}}});
  std::vector<Example> examples = random_examples({20, 20, 20, 20, 20, 20, 20, 20});
  for (Example& example : examples) example.coefficients.assign(20, 1.0f / (8 * 19));
  const double first = trainer.step(examples, {}).loss;
  EXPECT_NEAR(first, std::log(kVocabulary), 0.02 * std::log(kVocabulary));
  double loss = first;
  for (int step = 0; step < 300 && loss >= 0.02; ++step)
    loss = trainer.step(examples, {.learning_rate = 3e-3f, .balance_speed = 1e-3f}).loss;
  EXPECT_LT(loss, 0.02);
}

// A router that prefers expert 0 by far is brought to even loads by its bias alone.
TEST(Trainer, BiasesBalanceASkewedRouter) {
  ModelConfig config = shape("nano-0.15m");
  config.route.n_routed_experts = 16;
  TrainedModel model(config, 5);
  const std::span<float> bias = model.router_bias(1);
  bias[0] = 0.5f;  // of scores between 0 and 1: nearly every token chooses it
  float sum = 0;
  for (const float b : bias) sum += b;
  Trainer trainer(model, {.n_workers = 2});
  const auto load_of_first = [&](const StepStats& stats) {
    std::int64_t all = 0;
    for (const std::int64_t load : stats.expert_load[0]) all += load;
    return 16.0 * static_cast<double>(*std::max_element(stats.expert_load[0].begin(), stats.expert_load[0].end())) /
               static_cast<double>(all) -
           1;
  };
  const std::vector<Example> examples = random_examples({200, 200, 200});
  EXPECT_GT(load_of_first(trainer.step(examples, {.balance_speed = 2e-2f})), 3);
  double violation = 0;
  for (int step = 1; step < 90; ++step) {
    violation = load_of_first(trainer.step(examples, {.balance_speed = step < 60 ? 2e-2f : 2e-3f}));
  }
  EXPECT_LT(violation, 0.25);
  float after = 0;
  for (const float b : bias) after += b;
  EXPECT_NEAR(after, sum, 1e-3) << "moves are centred";
}

TEST(Trainer, BiasesStayWithoutSpeed) {
  TrainedModel model(shape("nano-0.15m"), 5);
  Trainer trainer(model, {});
  trainer.step(random_examples({50, 60}), {.learning_rate = 1e-3f});
  for (const float b : model.router_bias(1)) EXPECT_EQ(b, 0.0f);
}

}  // namespace
}  // namespace r1
