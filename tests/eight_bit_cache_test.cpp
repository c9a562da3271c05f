// eight_bit_cache_test.cpp: a cache in Q8_0 keeps the engine's law, that a text depends on its request alone, and stays
// near the cache in f32.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "apps/synth.h"
#include "base/rng.h"
#include "base/temp_folder_for_tests.h"
#include "engine/model_engine.h"
#include "tests/collected_answer.h"

namespace r1 {
namespace {

// Heads of 64 numbers (GQA), latent rows of 32 (MLA).
class EightBitCache : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string path = std::string(R1_SOURCE_DIR "/tests/data/tiny/") + GetParam();
    if (GetParam() == std::string("tiny-llama")) {
      path = folder_.path_of("m.gguf");
      ASSERT_TRUE(synthesize({.shape = "tiny-llama", .type = "f32"}, path).ok());
    }
    auto model = load_model(path);
    ASSERT_TRUE(model.ok()) << model.error().message;
    model_ = std::move(model).value();
  }

  std::unique_ptr<ModelEngine> engine(Dtype kv_dtype) const {
    auto started = ModelEngine::start(model_, {.n_threads = 2, .context_length = 256, .kv_dtype = kv_dtype});
    EXPECT_TRUE(started.ok()) << started.error().message;
    return std::move(started).value();
  }

  // Prompts of 3 to 180 tokens: less than a block, and several.
  GenerateRequest request(std::uint64_t i) const {
    Rng rng(i, 0);
    GenerateRequest request{.sampling = {.temperature = i % 2 == 0 ? 0.0f : 1.0f, .seed = i}, .max_tokens = 20};
    for (std::uint64_t n = 3 + i * 59; n > 0; --n) {
      request.prompt.push_back(static_cast<int>(rng.below(static_cast<std::uint64_t>(model_.config.vocab_size))));
    }
    return request;
  }

  static constexpr std::uint64_t kRequests = 4;
  TempFolder folder_;
  Model model_;
};

TEST_P(EightBitCache, AnAnswerIsTheSameAloneAndInCompany) {
  const auto alone = engine(Dtype::kQ8_0), together = engine(Dtype::kQ8_0);
  std::vector<TokenStream> streams;
  for (std::uint64_t i = 0; i < kRequests; ++i) streams.push_back(*together->submit(request(i)));
  for (std::uint64_t i = 0; i < kRequests; ++i) {
    EXPECT_EQ(collect(std::move(streams[i])), collect(*alone->submit(request(i)))) << "request " << i;
  }
}

TEST_P(EightBitCache, StaysNearTheCacheInFloats) {
  const auto floats = engine(Dtype::kF32), bytes = engine(Dtype::kQ8_0);
  float largest = 0;
  for (std::uint64_t i = 0; i < kRequests; ++i) {
    GenerateRequest first = request(i);
    first.sampling.temperature = 0;
    first.max_tokens = 1;
    first.sampling.n_top_logprobs = 1;
    const CollectedAnswer exact = collect(*floats->submit(first)), rounded = collect(*bytes->submit(first));
    ASSERT_EQ(exact.logprobs.size(), 1u);
    ASSERT_EQ(rounded.logprobs.size(), 1u);
    largest = std::max(largest, std::fabs(exact.logprobs[0] - rounded.logprobs[0]));
  }
  EXPECT_GT(largest, 0) << "the cache was not in 8 bit";
  EXPECT_LT(largest, 0.05f);  // each number is within 1/254 of its block's largest
}

INSTANTIATE_TEST_SUITE_P(Tiny, EightBitCache, testing::Values("tiny-llama", "v3_yarn_f32"), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace r1
