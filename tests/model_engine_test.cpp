// model_engine_test.cpp: the engine's promises on tiny checkpoints: a text depends on its request alone, and every
// request ends.
#include "engine/model_engine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/json.h"
#include "base/rng.h"
#include "base/temp_folder_for_tests.h"
#include "tests/collected_answer.h"

namespace r1 {
namespace {

// The engine's books once nothing runs any more: a finish reaches its consumer a moment before they are closed.
EngineStats settled(const ModelEngine& engine) {
  while (engine.stats().n_running + engine.stats().n_waiting > 0) std::this_thread::yield();
  return engine.stats();
}

std::vector<int> random_prompt(int n, std::uint64_t seed, int vocab_size) {
  Rng rng(seed, 0);
  std::vector<int> ids(static_cast<std::size_t>(n));
  for (int& id : ids) id = static_cast<int>(rng.below(static_cast<std::uint64_t>(vocab_size)));
  return ids;
}

class ModelEngineTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string folder = std::string(R1_SOURCE_DIR "/tests/data/tiny/") + GetParam();
    auto model = load_model(folder);
    ASSERT_TRUE(model.ok()) << model.error().message;
    model_ = std::move(model).value();
    golden_ = *read_json_file(folder + "/golden.json");
  }

  std::unique_ptr<ModelEngine> engine(ModelEngineOptions options = {}) {
    options.kv_dtype = Dtype::kF32;
    auto started = ModelEngine::start(model_, options);
    EXPECT_TRUE(started.ok()) << started.error().message;
    return std::move(started).value();
  }

  std::vector<int> prompt(int n, std::uint64_t seed) const { return random_prompt(n, seed, model_.config.vocab_size); }

  // A set of requests that differ in everything.
  GenerateRequest request(std::uint64_t i) const {
    return {.prompt = prompt(3 + static_cast<int>(i * 17 % 90), i % 5),
            .sampling = {.temperature = i % 3 == 0 ? 0.0f : 1.0f, .top_p = 0.9f, .seed = i},
            .max_tokens = 5 + static_cast<int>(i * 7 % 50)};
  }

  std::vector<std::vector<int>> one_by_one(ModelEngine& engine, std::uint64_t n) const {
    std::vector<std::vector<int>> texts;
    for (std::uint64_t i = 0; i < n; ++i) texts.push_back(collect(*engine.submit(request(i))).ids);
    return texts;
  }

  static std::vector<std::vector<int>> all_at_once(ModelEngine& engine, const ModelEngineTest& test, std::uint64_t n) {
    std::vector<TokenStream> streams;
    for (std::uint64_t i = 0; i < n; ++i) streams.push_back(*engine.submit(test.request(i)));
    std::vector<std::vector<int>> texts;
    for (TokenStream& stream : streams) texts.push_back(collect(std::move(stream)).ids);
    return texts;
  }

  Model model_;
  Json golden_;
};

// What is forced takes the place of what would be sampled, and is in the context of all that follows.
TEST_P(ModelEngineTest, AThoughtIsClosedAfterExactlyItsTokens) {
  const auto engine = this->engine();
  GenerateRequest request{.prompt = prompt(20, 3), .sampling = {.temperature = 0.0f}, .max_tokens = 30};
  const std::vector<int> free = collect(*engine->submit(request)).ids;
  const std::vector<int> closing = {7, 8, 9};
  request.thought = ThoughtLimit{
      .max_tokens = 6, .begins_inside = true, .closing = closing, .is_inside = [](int id) { return id != 9; }};
  const std::vector<int> closed = collect(*engine->submit(request)).ids;
  ASSERT_EQ(closed.size(), 30u);
  EXPECT_TRUE(std::equal(free.begin(), free.begin() + 6, closed.begin()));
  EXPECT_EQ(std::vector<int>(closed.begin() + 6, closed.begin() + 9), closing);
  GenerateRequest rest{.prompt = request.prompt, .sampling = request.sampling, .max_tokens = 21};
  rest.prompt.insert(rest.prompt.end(), closed.begin(), closed.begin() + 9);
  EXPECT_EQ(collect(*engine->submit(rest)).ids, std::vector<int>(closed.begin() + 9, closed.end()));
  request.thought->closing = {model_.config.vocab_size};
  EXPECT_FALSE(engine->submit(request).ok());
}

// Lets even and odd ids come in turn; after so many tokens nothing may come.
class Alternating final : public TokenFilter {
 public:
  Alternating(std::size_t n_tokens, Verdict last) : n_tokens_(n_tokens), last_(last) {}
  Verdict mask(std::span<float> scores) override {
    if (taken.size() == n_tokens_) return last_;
    for (std::size_t id = 0; id < scores.size(); ++id)
      if (id % 2 != taken.size() % 2) scores[id] = -INFINITY;
    return Verdict::kOpen;
  }
  void accept(int id) override { taken.push_back(id); }

  std::vector<int> taken;

 private:
  std::size_t n_tokens_;
  Verdict last_;
};

TEST_P(ModelEngineTest, AFilterHoldsItsAnswerAndNoOther) {
  const auto engine = this->engine();
  const auto filtered = [&](TokenFilter::Verdict last) {
    GenerateRequest request = this->request(1);
    request.max_tokens = 30;
    request.filter = std::make_shared<Alternating>(12, last);
    return request;
  };
  const std::vector<int> alone = collect(*engine->submit(request(2))).ids;
  GenerateRequest ended = filtered(TokenFilter::Verdict::kEnded);
  const auto filter = std::static_pointer_cast<Alternating>(ended.filter);
  TokenStream first = *engine->submit(std::move(ended));
  TokenStream other = *engine->submit(request(2));
  const CollectedAnswer outcome = collect(std::move(first));
  EXPECT_EQ(collect(std::move(other)).ids, alone);
  EXPECT_EQ(outcome.finish.reason, FinishReason::kStop);
  EXPECT_EQ(outcome.ids.size(), 12u);
  EXPECT_EQ(outcome.ids, filter->taken);
  for (std::size_t i = 0; i < outcome.ids.size(); ++i) EXPECT_EQ(outcome.ids[i] % 2, static_cast<int>(i % 2));
  const CollectedAnswer stranded = collect(*engine->submit(filtered(TokenFilter::Verdict::kStranded)));
  EXPECT_EQ(stranded.ids, outcome.ids) << "the same seed, the same answer";
  EXPECT_EQ(stranded.finish.reason, FinishReason::kError);
}

TEST_P(ModelEngineTest, GreedyTextIsTheGoldenOne) {
  const auto tokens = golden_["tokens"].get<std::vector<int>>();
  const auto expected = golden_["greedy"].get<std::vector<int>>();
  const auto n_prompt = static_cast<std::ptrdiff_t>(golden_["greedy_prompt_len"].get<int>());
  const CollectedAnswer outcome = collect(*engine()->submit({.prompt = {tokens.begin(), tokens.begin() + n_prompt},
                                                             .sampling = {.temperature = 0},
                                                             .max_tokens = static_cast<int>(expected.size())}));
  EXPECT_EQ(outcome.ids, expected);
  EXPECT_EQ(outcome.finish.reason, FinishReason::kLength);
  EXPECT_EQ(outcome.finish.usage.prompt_tokens, n_prompt);
  EXPECT_EQ(outcome.finish.usage.completion_tokens, static_cast<int>(expected.size()));
}

TEST_P(ModelEngineTest, TextDependsOnTheRequestAlone) {
  constexpr std::uint64_t kRequests = 9;
  const auto alone = one_by_one(*engine({.n_threads = 1, .reuse_prefixes = false}), kRequests);
  // In company, with other threads, with small chunks, with prefixes found, with blocks so short that sequences are
  // preempted.
  EXPECT_EQ(all_at_once(*engine({.n_threads = 2}), *this, kRequests), alone);
  EXPECT_EQ(all_at_once(*engine({.n_threads = 3, .max_running = 3, .max_rows = 8}), *this, kRequests), alone);
  const std::int64_t block_bytes = model_.config.kv_layout(Dtype::kF32).block_bytes();
  auto cramped = engine({.n_threads = 2, .context_length = 160, .kv_bytes = 4 * block_bytes});
  EXPECT_EQ(all_at_once(*cramped, *this, kRequests), alone);
  EXPECT_EQ(one_by_one(*cramped, kRequests), alone);
  EXPECT_EQ(settled(*cramped).kv_blocks_free, 4);
}

TEST_P(ModelEngineTest, APromptsScoresDependOnItAlone) {
  const auto scored = [&](int n, std::uint64_t seed) {
    GenerateRequest request{
        .prompt = prompt(n, seed), .sampling = {.temperature = 0, .n_top_logprobs = 2}, .max_tokens = 3};
    request.scores_prompt = true;
    return request;
  };
  const auto scores_of = [](TokenStream stream) {
    const StreamEvent first = stream.next();
    std::vector<std::pair<int, float>> scores;
    for (const SampledToken& token : first.prompt) scores.emplace_back(token.id, token.logprob);
    while (!stream.next().finish) EXPECT_TRUE(first.token);
    return scores;
  };
  const auto alone = scores_of(*engine({.n_threads = 1})->submit(scored(150, 3)));
  ASSERT_EQ(alone.size(), 149u) << "each token but the first";
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(alone[i].first, prompt(150, 3)[i + 1]) << i;
    EXPECT_LT(alone[i].second, 0) << i;
  }
  // After the same prompt, whose prefix is cached; in chunks; in company, with sequences that are preempted.
  const std::int64_t block_bytes = model_.config.kv_layout(Dtype::kF32).block_bytes();
  for (const ModelEngineOptions& options :
       {ModelEngineOptions{.n_threads = 2, .max_rows = 8},
        ModelEngineOptions{.n_threads = 2, .context_length = 192, .kv_bytes = 4 * block_bytes}}) {
    const auto busy = engine(options);
    std::vector<TokenStream> others;
    for (std::uint64_t i = 0; i < 4; ++i) others.push_back(*busy->submit(request(i)));
    for (int i = 0; i < 2; ++i) EXPECT_EQ(scores_of(*busy->submit(scored(150, 3))), alone);
    for (TokenStream& other : others) collect(std::move(other));
  }
}

TEST_P(ModelEngineTest, APrefixFoundInTheCacheChangesNothingButTheUsage) {
  auto warm = engine();
  GenerateRequest first{.prompt = prompt(140, 9), .sampling = {.temperature = 0}, .max_tokens = 8};
  const CollectedAnswer cold = collect(*warm->submit(first));
  const CollectedAnswer hit = collect(*warm->submit(first));
  EXPECT_EQ(cold.finish.usage.cached_tokens, 0);
  EXPECT_EQ(hit.finish.usage.cached_tokens, 128);
  EXPECT_EQ(hit.ids, cold.ids);
  EXPECT_EQ(settled(*warm).cached_tokens, 128);
}

TEST_P(ModelEngineTest, OneAccountCannotSeeWhatAnotherHasSent) {
  constexpr std::uint64_t kAccounts = 3;
  const auto asked = [&](ModelEngine& engine, std::uint64_t account) {
    const auto started = std::chrono::steady_clock::now();
    GenerateRequest request{.prompt = prompt(600, 9), .sampling = {.temperature = 0}, .max_tokens = 1};
    request.account = account;
    const int cached = collect(*engine.submit(std::move(request))).finish.usage.cached_tokens;
    return std::pair(cached, std::chrono::steady_clock::now() - started);
  };
  const ModelEngineOptions options{.context_length = 640, .kv_bytes = 64 << 20};
  const auto running = engine(options);
  asked(*running, 1);
  auto own = std::chrono::steady_clock::duration::max(), foreign = own;
  for (std::uint64_t account = 2; account < 2 + kAccounts; ++account) {
    const auto [cached, time] = asked(*running, account);
    EXPECT_EQ(cached, 0);
    foreign = std::min(foreign, time);
    const auto [cached_own, time_own] = asked(*running, 1);
    EXPECT_EQ(cached_own, 576);
    own = std::min(own, time_own);
  }
  EXPECT_EQ(asked(*running, 0).first, 0) << "nor do requests without an account";
  // The fastest of an account that has not sent it is far from a hit: it was computed.
  EXPECT_GT(foreign, 3 * own);
  auto sharing = options;
  sharing.share_prefixes = true;
  const auto shared = engine(sharing);
  asked(*shared, 1);
  EXPECT_EQ(asked(*shared, 2).first, 576);
}

TEST_P(ModelEngineTest, PrefixesOnDiskSurviveARestartAndChangeNothing) {
  char folder[] = "/tmp/r1_prefixes_XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const ModelEngineOptions options{.context_length = 1024, .prefix_folder = folder, .prefix_bytes = 64 << 20};
  GenerateRequest request{.prompt = prompt(500, 9), .sampling = {.temperature = 0}, .max_tokens = 8};
  request.account = 5;
  const CollectedAnswer cold = collect(*engine(options)->submit(request));
  const CollectedAnswer warm = collect(*engine(options)->submit(request));
  EXPECT_EQ(cold.finish.usage.cached_tokens, 0);
  EXPECT_EQ(warm.finish.usage.cached_tokens, 448);
  EXPECT_EQ(warm.ids, cold.ids);
  request.account = 6;
  EXPECT_EQ(collect(*engine(options)->submit(request)).finish.usage.cached_tokens, 0);
  // A block changed on disk ends the prefix there, and is computed.
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('!');
  }
  const CollectedAnswer broken = collect(*engine(options)->submit(request));
  EXPECT_EQ(broken.finish.usage.cached_tokens, 0);
  EXPECT_EQ(broken.ids, cold.ids);
  std::filesystem::remove_all(folder);
}

// Memory for little more than one context: the second prompt pushes the first one's blocks out, the disk has them.
TEST_P(ModelEngineTest, PrefixesPushedOutOfMemoryComeBackFromDisk) {
  char folder[] = "/tmp/r1_prefixes_XXXXXX";
  ASSERT_NE(::mkdtemp(folder), nullptr);
  const auto running = engine({.context_length = 256, .prefix_folder = folder, .prefix_bytes = 64 << 20});
  const GenerateRequest first{.prompt = prompt(250, 1), .sampling = {.temperature = 0}, .max_tokens = 4};
  const GenerateRequest second{.prompt = prompt(250, 2), .sampling = {.temperature = 0}, .max_tokens = 4};
  const CollectedAnswer cold = collect(*running->submit(first));
  const auto n_files = [&] { return std::distance(std::filesystem::directory_iterator(folder), {}); };
  while (n_files() < 3) std::this_thread::yield();
  collect(*running->submit(second));
  const CollectedAnswer warm = collect(*running->submit(first));
  EXPECT_EQ(warm.finish.usage.cached_tokens, 192);
  EXPECT_EQ(warm.ids, cold.ids);
  EXPECT_EQ(settled(*running).kv_blocks_free, 4);
  std::filesystem::remove_all(folder);
}

TEST_P(ModelEngineTest, EndTokenStops) {
  auto running = engine();
  GenerateRequest request{.prompt = prompt(10, 1), .sampling = {.temperature = 0}, .max_tokens = 20};
  const CollectedAnswer whole = collect(*running->submit(request));
  request.end_ids = {whole.ids[6]};
  const auto first = std::find(whole.ids.begin(), whole.ids.end(), whole.ids[6]);
  const CollectedAnswer ended = collect(*running->submit(request));
  EXPECT_EQ(ended.ids, std::vector<int>(whole.ids.begin(), first + 1));
  EXPECT_EQ(ended.finish.reason, FinishReason::kStop);
}

TEST_P(ModelEngineTest, AFullContextEndsWithLength) {
  auto running = engine({.context_length = 64});
  const CollectedAnswer outcome = collect(*running->submit({.prompt = prompt(60, 1), .sampling = {.temperature = 0}}));
  EXPECT_EQ(outcome.ids.size(), 4u);
  EXPECT_EQ(outcome.finish.reason, FinishReason::kLength);
}

TEST_P(ModelEngineTest, WrongRequestsAreRefusedWithAReason) {
  auto running = engine({.context_length = 64});
  const auto refusal = [&](GenerateRequest request) {
    auto result = running->submit(std::move(request));
    return result.ok() ? std::string("accepted") : result.error().message;
  };
  EXPECT_EQ(refusal({.prompt = {}}), "the prompt is empty");
  EXPECT_EQ(refusal({.prompt = prompt(64, 1)}), "the prompt has 64 tokens, the context holds 64 with the answer");
  EXPECT_NE(refusal({.prompt = {1, model_.config.vocab_size}}).find("the vocabulary has"), std::string::npos);
  EXPECT_NE(refusal({.prompt = {-1}}).find("token id -1"), std::string::npos);
  EXPECT_NE(refusal({.prompt = {1}, .sampling = {.logit_bias = {{1 << 30, 1.0f}}}}).find("logit_bias"),
            std::string::npos);
  const auto too_large = ModelEngine::start(model_, {.context_length = 1 << 20, .kv_bytes = 1 << 20});
  ASSERT_FALSE(too_large.ok());
  EXPECT_NE(too_large.error().message.find("ask for a shorter context"), std::string::npos);
}

TEST_P(ModelEngineTest, AFullQueueRefusesAndRecovers) {
  auto running = engine({.max_running = 1, .max_waiting = 2});
  std::vector<TokenStream> streams;
  Result<TokenStream> last = running->submit({.prompt = {1}, .sampling = {.temperature = 0}, .max_tokens = 100});
  while (last.ok()) {
    streams.push_back(std::move(last).value());
    ASSERT_LE(streams.size(), 200u);
    last = running->submit({.prompt = {1}, .sampling = {.temperature = 0}, .max_tokens = 100});
  }
  EXPECT_EQ(last.error().code, ErrorCode::kOutOfResource);
  for (TokenStream& stream : streams) EXPECT_EQ(collect(std::move(stream)).ids.size(), 100u);
  EXPECT_TRUE(running->submit({.prompt = {1}, .max_tokens = 1}).ok());
}

TEST_P(ModelEngineTest, ASlowConsumerDelaysOnlyItself) {
  auto running = engine({.context_length = 1200});
  TokenStream slow = *running->submit({.prompt = {1}, .sampling = {.temperature = 0}, .max_tokens = 1000});
  const CollectedAnswer quick =
      collect(*running->submit({.prompt = {2}, .sampling = {.temperature = 0}, .max_tokens = 600}));
  EXPECT_EQ(quick.ids.size(), 600u);
  EXPECT_EQ(collect(std::move(slow)).ids.size(), 1000u);
}

// A slow consumer holds the only place, and another request waits for it: there is nothing to compute.
TEST_P(ModelEngineTest, AnEngineWithoutWorkTakesNoTimeOfTheProcessor) {
  auto running = engine({.context_length = 1200, .max_running = 1});
  TokenStream slow = *running->submit({.prompt = {1}, .sampling = {.temperature = 0}, .max_tokens = 1000});
  TokenStream waiting = *running->submit({.prompt = {2}, .max_tokens = 1});
  while (running->stats().completion_tokens <= std::int64_t{TokenChannel::kCapacity}) std::this_thread::yield();
  const std::clock_t begun = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LT(static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC, 0.05);
  EXPECT_EQ(collect(std::move(slow)).ids.size(), 1000u);
  EXPECT_EQ(collect(std::move(waiting)).ids.size(), 1u);
}

TEST_P(ModelEngineTest, CancelledAndAbandonedGenerationsLeaveNothingBehind) {
  auto running = engine();
  const int n_blocks = running->stats().kv_blocks_total;
  const auto undisturbed = collect(*running->submit(request(1))).ids;
  for (std::uint64_t round = 0; round < 5; ++round) {
    std::vector<TokenStream> streams;
    for (std::uint64_t i = 0; i < 30; ++i) streams.push_back(*running->submit(request(round * 30 + i)));
    TokenStream kept = *running->submit(request(1));
    for (std::size_t i = 0; i < streams.size(); i += 2) {
      if (i % 4 == 0)
        streams[i].cancel();
      else
        TokenStream abandoned = std::move(streams[i]);
    }
    for (std::size_t i = 0; i < streams.size(); i += 4) {
      const CollectedAnswer outcome = collect(std::move(streams[i]));
      EXPECT_TRUE(outcome.finish.reason == FinishReason::kCancelled || outcome.finish.reason == FinishReason::kLength);
    }
    for (std::size_t i = 1; i < streams.size(); i += 2) {
      EXPECT_EQ(collect(std::move(streams[i])).finish.reason, FinishReason::kLength);
    }
    EXPECT_EQ(collect(std::move(kept)).ids, undisturbed);
  }
  EXPECT_EQ(settled(*running).kv_blocks_free, n_blocks);
}

// Long prompts side by side, of which some are given up at any moment of a pass: the others' scores and texts stay the
// same to the last bit, and no place is lost.
TEST_P(ModelEngineTest, WhoLeavesDuringAPassChangesNothingForTheOthers) {
  const auto scored = [&](std::uint64_t i) {
    return GenerateRequest{.prompt = prompt(150, i),
                           .sampling = {.temperature = 1, .seed = i, .n_top_logprobs = 0},
                           .max_tokens = 6,
                           .scores_prompt = i % 2 == 0};
  };
  const auto told = [](TokenStream stream) {
    std::vector<std::pair<int, float>> tokens;
    for (;;) {
      const StreamEvent event = stream.next();
      for (const SampledToken& token : event.prompt) tokens.emplace_back(token.id, token.logprob);
      if (event.token) tokens.emplace_back(event.token->id, event.token->logprob);
      if (event.finish) return tokens;
    }
  };
  const auto engine = this->engine({.n_threads = 2, .reuse_prefixes = false});
  const auto first = told(*engine->submit(scored(0))), second = told(*engine->submit(scored(1)));
  for (std::uint64_t round = 0; round < 30; ++round) {
    std::vector<TokenStream> leaving;
    for (std::uint64_t i = 0; i < 3; ++i) leaving.push_back(*engine->submit(scored(10 + i)));
    TokenStream stays = *engine->submit(scored(0)), too = *engine->submit(scored(1));
    for (std::uint64_t i = 0; i < 40 * round; ++i) std::this_thread::yield();
    leaving.clear();
    EXPECT_EQ(told(std::move(stays)), first) << round;
    EXPECT_EQ(told(std::move(too)), second) << round;
  }
  EXPECT_EQ(settled(*engine).kv_blocks_free, engine->stats().kv_blocks_total);
}

// A broken weight: an error that says so, for each request, and no token of nonsense; the engine lives on.
TEST_P(ModelEngineTest, LogitsThatAreNoNumbersAreAnErrorNotAnAnswer) {
  const std::vector<float> broken(static_cast<std::size_t>(model_.config.dim), std::nanf(""));
  const float* whole = std::exchange(model_.weights.norm, broken.data());
  auto engine = this->engine();
  for (int i = 0; i < 2; ++i) {
    const CollectedAnswer outcome = collect(*engine->submit(request(1)));
    EXPECT_EQ(outcome.finish.reason, FinishReason::kError);
    EXPECT_NE(outcome.finish.error.message.find("not finite"), std::string::npos) << outcome.finish.error.message;
    EXPECT_TRUE(outcome.ids.empty());
  }
  EXPECT_EQ(settled(*engine).kv_blocks_free, engine->stats().kv_blocks_total);
  engine.reset();
  model_.weights.norm = whole;
  EXPECT_EQ(collect(*this->engine()->submit(request(1))).finish.reason, FinishReason::kLength);
}

// The file is cut short while the engine runs: requests end with an error that names no path, and the process lives.
TEST_P(ModelEngineTest, AModelWhoseFileIsCutShortAnswersWithErrors) {
  const TempFolder folder;
  std::filesystem::copy(std::string(R1_SOURCE_DIR "/tests/data/tiny/") + GetParam(), folder.path());
  std::string weights;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    if (entry.path().extension() == ".gguf" || entry.path().extension() == ".safetensors") weights = entry.path();
  const bool is_gguf = weights.ends_with(".gguf");
  const Model model = load_model(is_gguf ? weights : folder.path()).value();
  const auto engine = ModelEngine::start(model, {.kv_dtype = Dtype::kF32}).value();
  EXPECT_EQ(collect(*engine->submit(request(1))).finish.reason, FinishReason::kLength);
  std::filesystem::resize_file(weights, 0);
  const CollectedAnswer cut = collect(*engine->submit(request(2)));
  EXPECT_EQ(cut.finish.reason, FinishReason::kError);
  EXPECT_EQ(cut.finish.error.code, ErrorCode::kIo);
  EXPECT_EQ(cut.finish.error.message.find(folder.path()), std::string::npos);
  EXPECT_TRUE(engine->is_broken());
  const auto refused = engine->submit(request(3));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kIo);
}

TEST_P(ModelEngineTest, ExpertsThatTokensNeedAreCountedWhereThereAreSome) {
  const auto engine = this->engine();
  collect(*engine->submit(request(1)));
  const EngineStats first = settled(*engine);
  EXPECT_EQ(first.expert_bytes_needed > 0, model_.config.is_deepseek());
  EXPECT_LE(first.expert_bytes_resident, first.expert_bytes_needed);
  if (!model_.config.is_deepseek()) return;
  EngineStats later = first;
  for (; later.expert_bytes_needed == first.expert_bytes_needed; later = settled(*engine))
    collect(*engine->submit(request(1)));
  EXPECT_GT(later.expert_bytes_resident, 0) << "the first pass has read them";
}

TEST_P(ModelEngineTest, SaysOnceWhatItHasComputedWhetherSomebodyReadsOrNot) {
  auto engine = this->engine();
  std::vector<Usage> over;
  const auto submit = [&](int max_tokens) {
    return *engine->submit({.prompt = prompt(70, 1), .max_tokens = max_tokens, .on_over = [&](const Usage& usage) {
                              over.push_back(usage);
                            }});
  };
  const CollectedAnswer read = collect(submit(5));
  settled(*engine);
  { const TokenStream given_up = submit(200); }
  settled(*engine);
  const std::int64_t n_before = engine->stats().completion_tokens;  // given_up made some too
  const TokenStream running = submit(200);
  while (engine->stats().completion_tokens < n_before + 3) std::this_thread::yield();
  engine.reset();
  ASSERT_EQ(over.size(), 3u);
  EXPECT_EQ(over[0].completion_tokens, read.finish.usage.completion_tokens);
  EXPECT_LT(over[1].completion_tokens, 200);
  EXPECT_EQ(over[2].prompt_tokens, 70);
  EXPECT_EQ(over[2].cached_tokens, 64);
  EXPECT_GE(over[2].completion_tokens, 1);
}

TEST_P(ModelEngineTest, AccountsThatWaitTakeTurns) {
  auto engine = this->engine({.max_running = 1});
  std::vector<std::uint64_t> order;
  const auto submit = [&](std::uint64_t account, int max_tokens) {
    return *engine->submit({.prompt = prompt(5, account),
                            .max_tokens = max_tokens,
                            .account = account,
                            .on_over = [&, account](const Usage&) { order.push_back(account); }});
  };
  TokenStream first = submit(9, 0);
  std::vector<TokenStream> streams;
  for (const std::uint64_t account : {1, 1, 1, 2, 1, 3}) streams.push_back(submit(account, 2));
  first.cancel();
  for (TokenStream& stream : streams) collect(std::move(stream));
  engine.reset();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{9, 1, 2, 3, 1, 1, 1}));
}

TEST_P(ModelEngineTest, AnEngineThatEndsEndsItsGenerations) {
  auto running = engine();
  TokenStream stream = *running->submit({.prompt = {1}, .sampling = {.temperature = 0}});
  running.reset();
  const CollectedAnswer outcome = collect(std::move(stream));
  EXPECT_TRUE(outcome.finish.reason == FinishReason::kCancelled || outcome.finish.reason == FinishReason::kLength);
}

INSTANTIATE_TEST_SUITE_P(Tiny, ModelEngineTest, testing::Values("v3_yarn_f32", "qwen2_tied"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace r1
