// speculative_decoding_test.cpp: answers with drafts are the answers without them, whatever drafts are worth: of random
// weights little, of a model that has learnt to count nearly everything.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "base/rng.h"
#include "engine/model_engine.h"
#include "tests/collected_answer.h"
#include "train/shapes.h"
#include "train/trainer.h"

namespace r1 {
namespace {

// Lets even and odd ids come in turn, and says when they must end.
class EvenAndOddIds final : public TokenFilter {
 public:
  Verdict mask(std::span<float> scores) override {
    if (n_taken_ == 25) return Verdict::kEnded;
    for (std::size_t id = 0; id < scores.size(); ++id)
      if (id % 2 != n_taken_ % 2) scores[id] = -INFINITY;
    return Verdict::kOpen;
  }
  void accept(int /*id*/) override { ++n_taken_; }

 private:
  std::size_t n_taken_ = 0;
};

class SpeculativeDecoding : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = load_model(R1_SOURCE_DIR "/tests/golden/training/deepseek_mtp");
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    model_ = std::move(loaded).value();
    model_.config.context_length = 1024;
  }

  static std::unique_ptr<ModelEngine> engine(const Model& model, bool draft, ModelEngineOptions options = {}) {
    options.kv_dtype = Dtype::kF32;
    options.draft = draft;
    return ModelEngine::start(model, options).value();
  }

  // Requests that differ in all by which an answer can end or be held.
  GenerateRequest request(std::uint64_t i) const {
    Rng rng(i % 5, 0);
    std::vector<int> prompt(3 + i * 17 % 90);
    for (int& id : prompt) id = static_cast<int>(rng.below(static_cast<std::uint64_t>(model_.config.vocab_size)));
    GenerateRequest request{
        .prompt = std::move(prompt),
        .sampling = {.temperature = i % 3 == 0 ? 0.0f : 0.7f, .top_p = 0.9f, .seed = i, .n_top_logprobs = 0},
        .max_tokens = 1 + static_cast<int>(i * 37 % 150)};
    if (i % 4 == 1) request.end_ids = {7, 11};
    if (i % 4 == 2) request.filter = std::make_shared<EvenAndOddIds>();
    if (i % 4 == 3) {
      request.thought = ThoughtLimit{
          .max_tokens = static_cast<int>(i % 20), .begins_inside = true, .closing = {7, 8, 9}, .is_inside = [](int id) {
            return id != 9;
          }};
    }
    if (i % 5 == 4) request.repetition = RepetitionLimit{.period_max = 4, .n_repetitions = 3, .n_tokens_min = 8};
    request.sampling.presence_penalty = i % 2 == 0 ? 0.0f : 0.3f;
    return request;
  }

  std::vector<CollectedAnswer> all_at_once(ModelEngine& engine, std::uint64_t n) const {
    std::vector<TokenStream> streams;
    for (std::uint64_t i = 0; i < n; ++i) streams.push_back(*engine.submit(request(i)));
    std::vector<CollectedAnswer> outcomes;
    for (TokenStream& stream : streams) outcomes.push_back(collect(std::move(stream)));
    return outcomes;
  }

  Model model_;
};

TEST_F(SpeculativeDecoding, AnswersAreThoseWithoutDraftsToTheLastBit) {
  constexpr std::uint64_t kRequests = 40;
  const auto plain = all_at_once(*engine(model_, false), kRequests);
  const auto drafting = engine(model_, true, {.n_threads = 2});
  EXPECT_TRUE(all_at_once(*drafting, kRequests) == plain);
  EXPECT_TRUE(all_at_once(*drafting, kRequests) == plain) << "with prefixes found";
  const EngineStats stats = drafting->stats();
  EXPECT_GT(stats.accepted_tokens, 20);
  EXPECT_GT(stats.drafted_tokens, stats.accepted_tokens);
  // Alone, in small chunks, and with so little cache that answers are put off and computed again.
  EXPECT_TRUE(all_at_once(*engine(model_, true, {.max_running = 1, .reuse_prefixes = false}), kRequests) == plain);
  EXPECT_TRUE(all_at_once(*engine(model_, true, {.max_running = 5, .max_rows = 8}), kRequests) == plain);
  const std::int64_t block_bytes = model_.config.kv_layout(Dtype::kF32, true).block_bytes();
  const auto cramped = engine(model_, true, {.context_length = 256, .kv_bytes = 6 * block_bytes});
  EXPECT_TRUE(all_at_once(*cramped, kRequests) == plain);
  while (cramped->stats().n_running + cramped->stats().n_waiting > 0) std::this_thread::yield();
  EXPECT_EQ(cramped->stats().kv_blocks_free, 6) << "drafts leave no block behind";
}

// The queue of an answer that nobody reads is full in the middle of a pair of tokens, too.
TEST_F(SpeculativeDecoding, ASlowReaderLosesNothing) {
  GenerateRequest request = this->request(0);
  request.max_tokens = 600;
  const CollectedAnswer plain = collect(*engine(model_, false)->submit(request));
  const auto drafting = engine(model_, true);
  TokenStream slow = *drafting->submit(request);
  GenerateRequest quick = this->request(3);
  quick.max_tokens = 400;
  collect(*drafting->submit(quick));
  EXPECT_TRUE(collect(std::move(slow)) == plain);
}

TEST_F(SpeculativeDecoding, AModelWithoutTheModuleIsRefused) {
  const Model model = load_model(R1_SOURCE_DIR "/tests/golden/training/deepseek_full_q").value();
  const auto started = ModelEngine::start(model, {.draft = true});
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.error().message.find("multi-token prediction"), std::string::npos) << started.error().message;
}

TEST_F(SpeculativeDecoding, AModelThatHasLearntToCountGuessesAhead) {
  constexpr int kNumbers = 32;
  TrainedModel model(trained_shape("nano-0.15m+mtp", kNumbers).value(), 5);
  Trainer trainer(model, {.n_workers = 2, .optimizer = {.adamw = {.weight_decay = 0}}});
  std::vector<Example> examples(8);
  for (std::size_t i = 0; i < examples.size(); ++i) {
    for (int t = 0; t < 24; ++t) examples[i].tokens.push_back((static_cast<int>(i) * 4 + t) % kNumbers);
    examples[i].coefficients.assign(24, 1.0f / (8 * 23));
  }
  for (int step = 0; step < 80; ++step) trainer.step(examples, {.learning_rate = 3e-3f, .mtp_weight = 0.3f});
  const GenerateRequest request{.prompt = {3, 4, 5}, .sampling = {.temperature = 0}, .max_tokens = 60};
  const CollectedAnswer plain = collect(*engine(model.model(), false)->submit(request));
  const auto drafting = engine(model.model(), true);
  EXPECT_TRUE(collect(*drafting->submit(request)) == plain);
  const EngineStats stats = drafting->stats();
  EXPECT_GE(stats.drafted_tokens, 29);
  EXPECT_GT(static_cast<double>(stats.accepted_tokens), 0.8 * static_cast<double>(stats.drafted_tokens));
}

}  // namespace
}  // namespace r1
