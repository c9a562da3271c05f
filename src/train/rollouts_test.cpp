// rollouts_test.cpp: what the engine says of a token while sampling it, and what training says of it later.
#include "train/rollouts.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "train/examples_for_tests.h"
#include "train/shapes.h"
#include "train/trainer.h"

namespace r1 {
namespace {

std::vector<RolloutRequest> random_requests(int n) {
  std::vector<RolloutRequest> requests;
  Rng rng(4, 0);
  for (int i = 0; i < n; ++i) {
    RolloutRequest& request = requests.emplace_back();
    for (std::uint64_t left = 1 + rng.below(100); left > 0; --left) {
      request.prompt.push_back(static_cast<int>(rng.below(kVocabulary)));
    }
    request.seed = rng.bits();
    request.max_tokens = 1 + static_cast<int>(rng.below(90));
  }
  return requests;
}

// Logits that are far apart, so that routes, samples and rounding have something to differ by.
TrainedModel lively_model(std::string_view shape) {
  TrainedModel model(trained_shape(shape, kVocabulary).value(), 8);
  for (const ParameterTensor& p : model.parameters()) {
    if (!p.is_matrix) continue;
    for (std::int64_t i = 0; i < p.shape.n_values(); ++i)
      model.values()[static_cast<std::size_t>(p.offset + i)] *= 2.5f;
  }
  return model;
}

TEST(Rollouts, LogprobsEqualThoseOfTrainingBitForBit) {
  for (const std::string_view shape : {"nano-0.15m", "nano-3m", "student-qwen2", "student-llama"}) {
    TrainedModel model = lively_model(shape);
    const std::vector<RolloutRequest> requests = random_requests(24);
    const auto rollouts = roll_out(model.model(), {.n_workers = 2, .max_running = 7, .end_ids = {3}}, requests);
    ASSERT_TRUE(rollouts.ok()) << rollouts.error().message;
    std::vector<Example> examples;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      Example& example = examples.emplace_back();
      example.tokens = requests[i].prompt;
      example.n_prompt = static_cast<int>(requests[i].prompt.size());
      example.coefficients.assign(example.tokens.size(), 0.0f);
      for (const int id : rollouts.value()[i].completion) {
        example.tokens.push_back(id);
        example.coefficients.push_back(1.0f);
      }
    }
    Trainer trainer(model, {.n_workers = 2, .n_shares = 3, .rows_at_once = 100});
    const auto logprobs = trainer.logprobs(examples);
    for (std::size_t i = 0; i < requests.size(); ++i)
      EXPECT_EQ(logprobs[i], rollouts.value()[i].logprobs) << shape << ", rollout " << i;
  }
}

TEST(Rollouts, DependOnTheirSeedAlone) {
  const TrainedModel model = lively_model("nano-0.15m");
  const std::vector<RolloutRequest> requests = random_requests(20);
  const auto together = roll_out(model.model(), {.n_workers = 3, .max_running = 64, .end_ids = {}}, requests);
  ASSERT_TRUE(together.ok());
  for (std::size_t i = 0; i < requests.size(); i += 5) {
    const auto alone = roll_out(model.model(), {.n_workers = 1, .max_running = 1, .end_ids = {}}, {&requests[i], 1});
    ASSERT_TRUE(alone.ok());
    EXPECT_EQ(alone.value()[0].completion, together.value()[i].completion);
  }
}

TEST(Rollouts, APromptBeyondTheContextIsAnError) {
  const TrainedModel model = lively_model("nano-0.15m");
  const RolloutRequest request{.prompt = std::vector<int>(2000, 1), .max_tokens = 5};
  const auto rollouts = roll_out(model.model(), {}, {&request, 1});
  ASSERT_FALSE(rollouts.ok());
  EXPECT_NE(rollouts.error().message.find("context"), std::string::npos) << rollouts.error().message;
}

}  // namespace
}  // namespace r1
