// generation_test.cpp: pieces and ends, from an engine that behaves in every way the contract allows.
#include "serve/generation.h"

#include <gtest/gtest.h>

#include "serve/script_model.h"

namespace r1 {
namespace {

// Hands out channels that the test fills.
class PuppetEngine final : public Engine {
 public:
  Result<TokenStream> submit(GenerateRequest request) override {
    channels.push_back(std::make_shared<TokenChannel>());
    requests.push_back(std::move(request));
    return TokenStream(channels.back());
  }
  int context_length() const override { return 1000; }
  EngineStats stats() const override { return {}; }

  void say(std::string_view text, std::size_t channel = 0) {
    for (const char byte : text)
      push({.token = SampledToken{.id = static_cast<unsigned char>(byte)}, .finish = {}}, channel);
  }
  void push(StreamEvent event, std::size_t channel = 0) { channels[channel]->events.push(std::move(event)); }

  std::vector<std::shared_ptr<TokenChannel>> channels;
  std::vector<GenerateRequest> requests;
};

class GenerationTest : public ::testing::Test {
 protected:
  GenerationTest() {
    auto script = Script::parse(R"({"thinks": false, "answers": [{"steps": []}]})", "test");
    model = std::move(*ScriptModel::from_script(std::move(*script)));
    served = model->served();
    served.engine = &engine;
    prompt.ids = {1, 2, 3};
  }
  Generation start() {
    return std::move(*Generation::start(served, request, prompt, [] {}));
  }
  static std::string text_of(Generation& generation, std::string* finish_reason = nullptr) {
    std::string text;
    while (auto piece = generation.next()) {
      text += piece->text.answer;
      if (finish_reason != nullptr && !piece->finish_reason.empty()) *finish_reason = piece->finish_reason;
    }
    return text;
  }
  static StreamEvent finish(FinishReason reason, Usage usage = {3, 1, 9}) {
    return {.token = {}, .finish = Finish{reason, usage, {}}};
  }

  std::unique_ptr<ScriptModel> model;
  PuppetEngine engine;
  ServedModel served;
  CompletionRequest request;
  Prompt prompt;
};

TEST_F(GenerationTest, TheLastTokenMayComeWithTheFinish) {
  Generation generation = start();
  engine.say("a");
  StreamEvent last = finish(FinishReason::kLength);
  last.token = SampledToken{.id = 'b'};
  engine.push(std::move(last));
  std::string reason;
  EXPECT_EQ(text_of(generation, &reason), "ab");
  EXPECT_EQ(reason, "length");
  EXPECT_TRUE(generation.done());
  EXPECT_EQ(generation.usage().completion_tokens, 9);
  EXPECT_EQ(generation.usage().cached_tokens, 1);
}

TEST_F(GenerationTest, AStopStringCancelsOnlyOnceTheQueueIsEmpty) {
  request.stop = {"END"};
  Generation generation = start();
  engine.say("ab END cd");
  EXPECT_EQ(generation.next()->text.answer, "a");
  EXPECT_FALSE(engine.channels[0]->cancelled);
  EXPECT_EQ(text_of(generation), "b ");
  EXPECT_TRUE(engine.channels[0]->cancelled);
  EXPECT_FALSE(generation.done()) << "the usage is still to come";
  engine.push(finish(FinishReason::kCancelled));
  std::string reason;
  EXPECT_EQ(text_of(generation, &reason), "");
  EXPECT_EQ(reason, "stop");
  EXPECT_EQ(generation.usage().completion_tokens, 6) << "up to the stop string";
  EXPECT_EQ(generation.usage().cached_tokens, 1);
}

TEST_F(GenerationTest, AnEngineThatClosesWithoutAFinishStillEndsTheAnswer) {
  request.stop = {"END"};
  Generation generation = start();
  engine.say("a END");
  engine.channels[0]->events.close();
  std::string reason;
  EXPECT_EQ(text_of(generation, &reason), "a ");
  EXPECT_EQ(reason, "stop");
  EXPECT_TRUE(generation.done());

  Generation other = start();
  engine.channels[1]->events.close();
  text_of(other);
  ASSERT_TRUE(other.failure());
  EXPECT_EQ(other.failure()->code, ErrorCode::kCancelled);
}

TEST_F(GenerationTest, FailuresOfOneAnswerFailTheRequest) {
  request.n = 2;
  Generation generation = start();
  engine.say("x", 0);
  engine.push({.token = {}, .finish = Finish{FinishReason::kError, {}, {ErrorCode::kInternal, "broken"}}}, 1);
  text_of(generation);
  EXPECT_EQ(generation.failure()->message, "broken");
}

TEST_F(GenerationTest, AnswersHaveSeedsInARowAndTheModelsEndTokens) {
  request.n = 3;
  request.seed = 41;
  request.logprobs = true;
  const Generation generation = start();
  ASSERT_EQ(engine.requests.size(), 3u);
  EXPECT_EQ(engine.requests[0].sampling.seed, 41u);
  EXPECT_EQ(engine.requests[2].sampling.seed, 43u);
  EXPECT_EQ(engine.requests[0].end_ids, std::vector<int>{Script::kEndId});
  EXPECT_EQ(engine.requests[0].sampling.n_top_logprobs, 0);
}

TEST_F(GenerationTest, DestroyingItCancelsWhatRuns) {
  { const Generation generation = start(); }
  EXPECT_TRUE(engine.channels[0]->cancelled);
}

}  // namespace
}  // namespace r1
