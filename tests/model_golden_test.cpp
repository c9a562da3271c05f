// model_golden_test.cpp: the forward against answers we did not compute: DeepSeek's inference/model.py and Hugging Face
// transformers, on the tiny checkpoints in tests/data/tiny (README.md there says how each golden.json was made).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/json.h"
#include "model/forward.h"
#include "model/weights.h"

namespace r1 {
namespace {

constexpr float kTolerance = 1e-4f;

std::string tiny_folder(const std::string& name) { return R1_SOURCE_DIR "/tests/data/tiny/" + name; }

using WantedRows = FunctionRef<std::optional<std::span<const int>>()>;

// One sequence, its cache, and a forward over any piece of it.
class Runner {
 public:
  Runner(const Model& model, int n_threads)
      : model_(model),
        pool_(n_threads),
        kv_(model.config.kv_layout(Dtype::kF32), kBlocks),
        forward_(model.config, model.weights) {
    // Blocks in a scattered order: nothing may depend on their being neighbours.
    for (int i = 0; i < kBlocks; ++i) blocks_.push_back((i * 3 + 1) % kBlocks);
  }

  // Logits of every token, as [tokens][vocab_size]; the cache continues where the last call ended.
  std::vector<std::vector<float>> run(std::span<const int> tokens, MlaKernel kernel,
                                      std::vector<RouteRecord>* routes = nullptr,
                                      const WantedRows* wanted_rows = nullptr) {
    std::vector<int> positions(tokens.size()), rows(tokens.size());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      positions[i] = n_done_ + static_cast<int>(i);
      rows[i] = static_cast<int>(i);
    }
    const SequenceRows sequence{0, static_cast<int>(tokens.size()), n_done_, blocks_, kernel};
    const Batch batch{tokens, positions, {&sequence, 1}, rows};
    Pass pass{.pool = pool_, .arena = arena_, .batch = batch, .kv = kv_, .routes = routes, .wanted_rows = wanted_rows};
    const ArenaScope scope(arena_);
    const Tensor logits = forward_(pass);
    if (logits.data == nullptr) return {};
    n_done_ += static_cast<int>(tokens.size());
    std::vector<std::vector<float>> result;
    for (std::int64_t row = 0; row < logits.n_rows(); ++row)
      result.emplace_back(logits.row(row), logits.row(row) + logits.n_cols());
    return result;
  }

 private:
  static constexpr int kBlocks = 4;
  const Model& model_;
  ThreadPool pool_;
  Arena arena_;
  KvCache kv_;
  Forward forward_;
  std::vector<KvBlockId> blocks_;
  int n_done_ = 0;
};

double log_sum_exp(const std::vector<float>& logits) {
  const float best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - best);
  return best + std::log(sum);
}

int argmax(const std::vector<float>& logits) {
  return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// "" when equal bit for bit, else the first place where they differ.
std::string first_difference(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  if (a.size() != b.size()) return "different numbers of rows";
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[i].size(); ++j) {
      if (a[i][j] != b[i][j]) return fmt::format("row {} column {}: {} and {}", i, j, a[i][j], b[i][j]);
    }
  }
  return "";
}

float largest_difference(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[i].size(); ++j) largest = std::max(largest, std::abs(a[i][j] - b[i][j]));
  }
  return largest;
}

class ModelGolden : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    auto model = load_model(tiny_folder(GetParam()));
    ASSERT_TRUE(model.ok()) << model.error().message;
    model_ = std::move(model).value();
    auto golden = read_json_file(tiny_folder(GetParam()) + "/golden.json");
    ASSERT_TRUE(golden.ok()) << golden.error().message;
    golden_ = std::move(golden).value();
    tokens_ = golden_["tokens"].get<std::vector<int>>();
  }

  Model model_;
  Json golden_;
  std::vector<int> tokens_;
};

TEST_P(ModelGolden, LogitsOfEveryPositionMatch) {
  const auto logits = Runner(model_, 2).run(tokens_, MlaKernel::kExpanded);
  for (const auto& [position, expected] : golden_["logits"].items()) {
    const auto& got = logits[std::stoul(position)];
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], expected[i].get<float>(), kTolerance) << "position " << position;
  }
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    EXPECT_NEAR(log_sum_exp(logits[i]), golden_["logsumexp"][i].get<double>(), kTolerance) << "position " << i;
    EXPECT_EQ(argmax(logits[i]), golden_["argmax"][i].get<int>()) << "position " << i;
  }
}

TEST_P(ModelGolden, GreedyTokensMatch) {
  const auto expected = golden_["greedy"].get<std::vector<int>>();
  Runner runner(model_, 1);
  const auto prompt = std::span<const int>(tokens_).first(golden_["greedy_prompt_len"].get<std::size_t>());
  int next = argmax(runner.run(prompt, MlaKernel::kExpanded).back());
  std::vector<int> got;
  while (got.size() < expected.size()) {
    got.push_back(next);
    next = argmax(runner.run(std::span(&got.back(), 1), MlaKernel::kAbsorbed).back());
  }
  EXPECT_EQ(got, expected);
}

TEST_P(ModelGolden, RouterChoicesMatch) {
  if (!golden_.contains("routing_first33")) GTEST_SKIP() << "a model without experts";
  std::vector<RouteRecord> routes;
  Runner(model_, 1).run(tokens_, MlaKernel::kExpanded, &routes);
  for (const auto& [layer, expected] : golden_["routing_first33"].items()) {
    const auto record =
        std::find_if(routes.begin(), routes.end(), [&](const RouteRecord& r) { return r.layer == std::stoi(layer); });
    ASSERT_NE(record, routes.end());
    const std::size_t n_activated = record->expert_ids.size() / tokens_.size();
    ASSERT_FALSE(expected["experts"].empty());
    for (std::size_t token = 0; token < expected["experts"].size(); ++token) {
      // The order in which a token's experts are listed has no meaning.
      std::map<int, float> wanted, got;
      for (std::size_t i = 0; i < n_activated; ++i) {
        wanted[expected["experts"][token][i].get<int>()] = expected["weights"][token][i].get<float>();
        got[record->expert_ids[token * n_activated + i]] = record->weights[token * n_activated + i];
      }
      for (const auto& [expert, weight] : wanted) {
        ASSERT_TRUE(got.contains(expert)) << "layer " << layer << " token " << token << " expert " << expert;
        EXPECT_NEAR(got[expert], weight, 1e-5f);
      }
    }
  }
}

TEST_P(ModelGolden, PrefillEqualsTokenByTokenBitForBit) {
  for (const MlaKernel kernel : {MlaKernel::kExpanded, MlaKernel::kAbsorbed}) {
    const auto whole = Runner(model_, 1).run(tokens_, kernel);
    Runner runner(model_, 2);
    std::vector<std::vector<float>> single;
    for (const int token : tokens_) single.push_back(runner.run({&token, 1}, kernel).front());
    EXPECT_EQ(first_difference(whole, single), "");
  }
}

TEST_P(ModelGolden, AnyChunksAndThreadsGiveTheSameBits) {
  const auto whole = Runner(model_, 1).run(tokens_, MlaKernel::kExpanded);
  for (const std::size_t chunk : {7u, 33u, 64u}) {
    Runner runner(model_, 3);
    std::vector<std::vector<float>> pieces;
    for (std::size_t first = 0; first < tokens_.size(); first += chunk) {
      const auto part = std::span<const int>(tokens_).subspan(first, std::min(chunk, tokens_.size() - first));
      for (auto& row : runner.run(part, MlaKernel::kExpanded)) pieces.push_back(std::move(row));
    }
    EXPECT_EQ(first_difference(whole, pieces), "") << "chunks of " << chunk;
  }
}

TEST_P(ModelGolden, AForwardThatIsWantedNoMoreEndsAndLeavesNoTrace) {
  const auto whole = Runner(model_, 1).run(tokens_, MlaKernel::kExpanded);
  for (int n_layers = 0; n_layers <= model_.config.n_layers; ++n_layers) {
    Runner runner(model_, 1);
    int n_asked = 0;
    const auto until = [&]() -> std::optional<std::span<const int>> {
      return n_asked++ < n_layers ? std::nullopt : std::optional(std::span<const int>());
    };
    const WantedRows wanted_rows(until);
    const auto given_up = runner.run(tokens_, MlaKernel::kExpanded, nullptr, &wanted_rows);
    EXPECT_EQ(given_up.empty(), n_layers < model_.config.n_layers);
    EXPECT_EQ(n_asked, std::min(n_layers + 1, model_.config.n_layers)) << "once before each layer";
    if (given_up.empty()) {
      EXPECT_EQ(first_difference(whole, runner.run(tokens_, MlaKernel::kExpanded)), "");
    }
  }
}

// Two sequences in one pass, of which the first is given up before some layer: the second's logits are those it has
// alone.
TEST_P(ModelGolden, RowsThatAreDroppedUnderWayChangeNoBitOfTheOthers) {
  const auto alone = Runner(model_, 1).run(tokens_, MlaKernel::kExpanded);
  const int n = static_cast<int>(tokens_.size());
  std::vector<int> tokens(tokens_.rbegin(), tokens_.rend()), positions, kept;
  tokens.insert(tokens.end(), tokens_.begin(), tokens_.end());
  for (int i = 0; i < 2 * n; ++i) positions.push_back(i % n);
  for (int i = 0; i < n; ++i) kept.push_back(n + i);
  const std::vector<int> rows = [&] {
    std::vector<int> all(static_cast<std::size_t>(n));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }();
  const std::vector<KvBlockId> first_blocks = {1, 3, 5, 7}, second_blocks = {6, 4, 2, 0};
  const std::vector<SequenceRows> both = {{0, n, 0, first_blocks, MlaKernel::kExpanded},
                                          {n, n, 0, second_blocks, MlaKernel::kExpanded}};
  const SequenceRows one = {0, n, 0, second_blocks, MlaKernel::kExpanded};
  for (int layer = 0; layer < model_.config.n_layers; ++layer) {
    ThreadPool pool(2);
    Arena arena;
    KvCache kv(model_.config.kv_layout(Dtype::kF32), 8);
    const Forward forward(model_.config, model_.weights);
    Batch batch{tokens, positions, both, {}};
    int n_asked = 0;
    const auto drop = [&]() -> std::optional<std::span<const int>> {
      if (n_asked++ != layer) return std::nullopt;
      batch = {tokens_, std::span<const int>(positions).subspan(static_cast<std::size_t>(n)), {&one, 1}, rows};
      return kept;
    };
    const WantedRows wanted_rows(drop);
    Pass pass{.pool = pool, .arena = arena, .batch = batch, .kv = kv, .wanted_rows = &wanted_rows};
    const Tensor logits = forward(pass);
    ASSERT_EQ(logits.n_rows(), n);
    std::vector<std::vector<float>> together;
    for (int row = 0; row < n; ++row) together.emplace_back(logits.row(row), logits.row(row) + logits.n_cols());
    EXPECT_EQ(first_difference(alone, together), "") << "before layer " << layer;
  }
}

TEST_P(ModelGolden, AbsorbedAttentionAgreesWithExpanded) {
  const auto expanded = Runner(model_, 2).run(tokens_, MlaKernel::kExpanded);
  const auto absorbed = Runner(model_, 2).run(tokens_, MlaKernel::kAbsorbed);
  EXPECT_LT(largest_difference(expanded, absorbed), 2e-5f);
}

INSTANTIATE_TEST_SUITE_P(Tiny, ModelGolden,
                         testing::Values("v3_yarn_f32", "v2lite_softmax_f32", "deepseek_v3_hf", "qwen2_tied",
                                         "qwen2_untied", "llama3_rope", "llama_head_dim"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace r1
