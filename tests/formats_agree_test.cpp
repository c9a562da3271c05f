// formats_agree_test.cpp: one model in every file format gives the same logits: names, shapes, permuted rows,
// transposed keys, frequency factors and number formats are all read as what they mean.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "apps/synth.h"
#include "base/temp_folder_for_tests.h"
#include "model/forward.h"
#include "model/weights.h"

namespace r1 {
namespace {

const std::vector<int> kTokens = {5, 17, 33, 70, 101, 200, 255, 9, 17, 64};

// [tokens * vocab_size], from one pass over all tokens.
std::vector<float> logits_of(const Model& model, MlaKernel kernel) {
  std::vector<int> positions(kTokens.size());
  std::iota(positions.begin(), positions.end(), 0);
  const std::vector<KvBlockId> blocks = {0};
  const SequenceRows sequence{0, static_cast<int>(kTokens.size()), 0, blocks, kernel};
  const Batch batch{kTokens, positions, {&sequence, 1}, positions};
  ThreadPool pool(1);
  Arena arena;
  KvCache kv(model.config.kv_layout(Dtype::kF32), 1);
  Pass pass{.pool = pool, .arena = arena, .batch = batch, .kv = kv, .routes = nullptr};
  const ArenaScope scope(arena);
  const Tensor logits = Forward(model.config, model.weights)(pass);
  return {logits.row(0), logits.row(0) + logits.n_rows() * logits.n_cols()};
}

std::vector<float> logits_of(const SynthOptions& options, const std::string& name,
                             MlaKernel kernel = MlaKernel::kExpanded) {
  const TempFolder folder;
  const Status status = synthesize(options, folder.path_of(name));
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().message);
  const Result<Model> model = load_model(folder.path_of(name));
  EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message);
  return model.ok() ? logits_of(*model, kernel) : std::vector<float>();
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  float largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

double correlation(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size() || a.empty()) return NAN;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / std::sqrt(aa * bb);  // the means are next to nothing
}

TEST(FormatsAgree, FolderAndGgufGiveTheSameLogits) {
  for (const char* shape : {"tiny-deepseek", "tiny-qwen2", "tiny-llama"}) {
    const auto folder = logits_of({.shape = shape, .type = "f32"}, "m");
    EXPECT_LT(largest_difference(folder, logits_of({.shape = shape, .type = "f32"}, "m.gguf")), 1e-4f) << shape;
    // A model that gave the same row for every token would pass the above.
    const auto n_vocab = static_cast<std::ptrdiff_t>(folder.size() / kTokens.size());
    const std::vector<float> first(folder.begin(), folder.begin() + n_vocab);
    const std::vector<float> second(folder.begin() + n_vocab, folder.begin() + 2 * n_vocab);
    EXPECT_LT(std::abs(correlation(first, second)), 0.5) << shape;
  }
}

TEST(FormatsAgree, SplitAndJoinedKeysGiveTheSameLogitsEitherWayTheyAreComputed) {
  const SynthOptions split{.shape = "tiny-deepseek", .type = "f32", .mla = MlaTensors::kSplit};
  const SynthOptions joined{.shape = "tiny-deepseek", .type = "f32", .mla = MlaTensors::kJoined};
  const auto expected = logits_of(joined, "m.gguf", MlaKernel::kExpanded);
  EXPECT_LT(largest_difference(expected, logits_of(joined, "m.gguf", MlaKernel::kAbsorbed)), 1e-4f);
  EXPECT_LT(largest_difference(expected, logits_of(split, "m.gguf", MlaKernel::kExpanded)), 1e-4f);
  EXPECT_LT(largest_difference(expected, logits_of(split, "m.gguf", MlaKernel::kAbsorbed)), 1e-4f);
}

// The expanded kernel turns quantised keys that are stored transposed and rounds them once more; the absorbed one does
// not.
TEST(FormatsAgree, QuantisedSplitKeysGiveNearlyTheSameLogitsEitherWayTheyAreComputed) {
  const auto exact = logits_of({.shape = "tiny-deepseek", .type = "f32"}, "m.gguf");
  const SynthOptions split{.shape = "tiny-deepseek", .type = "q8_0", .mla = MlaTensors::kSplit};
  const auto expanded = logits_of(split, "m.gguf", MlaKernel::kExpanded);
  const auto absorbed = logits_of(split, "m.gguf", MlaKernel::kAbsorbed);
  EXPECT_GT(correlation(expanded, absorbed), 0.9995);
  EXPECT_GT(correlation(expanded, exact), correlation(absorbed, exact) - 0.0005);
}

struct RoundedType {
  const char *type, *file;
  double at_least;  // correlation of logits with those of f32; see the test
};

class RoundedWeights : public testing::TestWithParam<RoundedType> {};

// The bounds are what was measured, rounded down; llama.cpp on the same files has q8_0 0.9998, q4_k_m 0.988,
// iq4_xs 0.983, q2_k 0.868.
TEST_P(RoundedWeights, GiveLogitsNearTheExactOnes) {
  static const auto exact = logits_of({.shape = "tiny-qwen2", .type = "f32"}, "m.gguf");
  const auto rounded = logits_of({.shape = "tiny-qwen2", .type = GetParam().type}, GetParam().file);
  RecordProperty("correlation", std::to_string(correlation(exact, rounded)));
  EXPECT_GT(correlation(exact, rounded), GetParam().at_least);
}

INSTANTIATE_TEST_SUITE_P(, RoundedWeights,
                         testing::Values(RoundedType{"bf16", "m", 0.9999}, RoundedType{"f16", "m.gguf", 0.9999},
                                         RoundedType{"q8_0", "m.gguf", 0.9995}, RoundedType{"q6_k", "m.gguf", 0.998},
                                         RoundedType{"q5_k", "m.gguf", 0.99}, RoundedType{"q5_1", "m.gguf", 0.99},
                                         RoundedType{"q5_0", "m.gguf", 0.99}, RoundedType{"q4_k_m", "m.gguf", 0.98},
                                         RoundedType{"q4_1", "m.gguf", 0.97}, RoundedType{"q4_0", "m.gguf", 0.97},
                                         RoundedType{"iq4_nl", "m.gguf", 0.98}, RoundedType{"iq4_xs", "m.gguf", 0.98},
                                         RoundedType{"q3_k", "m.gguf", 0.95}, RoundedType{"q2_k", "m.gguf", 0.84}),
                         [](const auto& of) { return std::string(of.param.type); });

TEST(FormatsAgree, Fp8FoldersGiveLogitsNearTheExactOnes) {
  const auto exact = logits_of({.shape = "tiny-deepseek", .type = "f32"}, "m");
  EXPECT_GT(correlation(exact, logits_of({.shape = "tiny-deepseek", .type = "fp8"}, "m")), 0.95);
}

}  // namespace
}  // namespace r1
