// script_engine_test.cpp: the scripted engine plays what the script says and keeps the Engine's promises.
#include "engine/script_engine.h"

#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "base/rng.h"

namespace r1 {
namespace {

struct Answer {
  std::string text;
  std::vector<int> ids;
  std::vector<SampledToken> tokens;
  Finish finish;
};

std::unique_ptr<ScriptEngine> engine_of(std::string_view json) {
  auto script = Script::parse(json, "test");
  EXPECT_TRUE(script.ok()) << script.error().message;
  return std::make_unique<ScriptEngine>(std::move(*script));
}

std::vector<int> ids_of(std::string_view text) {
  std::vector<int> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

Answer read(const ScriptEngine& engine, TokenStream& stream) {
  Answer answer;
  for (;;) {
    StreamEvent event = stream.next();
    if (event.token) {
      answer.ids.push_back(event.token->id);
      const ScriptToken& token = engine.script().vocabulary[static_cast<std::size_t>(event.token->id)];
      if (token.kind != ScriptToken::Kind::kControl) answer.text += token.bytes;
      answer.tokens.push_back(std::move(*event.token));
    }
    if (event.finish) {
      answer.finish = *event.finish;
      return answer;
    }
  }
}

Answer ask(ScriptEngine& engine, GenerateRequest request) {
  auto stream = engine.submit(std::move(request));
  EXPECT_TRUE(stream.ok()) << stream.error().message;
  return read(engine, *stream);
}

Answer ask(ScriptEngine& engine, std::string_view prompt) {
  GenerateRequest request;
  request.prompt = ids_of(prompt);
  return ask(engine, std::move(request));
}

TEST(ScriptEngine, PlaysTextBytesTokensAndRepeats) {
  const auto engine = engine_of(R"({"answers": [{"steps": [
    {"text": "Hm, yes.\n</think>Good"}, {"bytes": "é"}, {"tokens": ["a", "bc"], "repeat": 2},
    {"steps": [{"text": "x"}, {"text": "y", "repeat": 2}], "repeat": 3}, {"text": "never", "repeat": 0}]}]})");
  const Answer answer = ask(*engine, "hi");
  EXPECT_EQ(answer.text, "Hm, yes.\n</think>Goodéabcabcxyyxyyxyy");
  EXPECT_EQ(answer.ids[3], engine->script().find("</think>")) << "a tag is one token";
  EXPECT_EQ(answer.ids[5], 0xC3) << "bytes are single tokens";
  EXPECT_EQ(answer.ids.back(), Script::kEndId);
  EXPECT_EQ(answer.finish.reason, FinishReason::kStop);
  EXPECT_EQ(answer.finish.usage.prompt_tokens, 2);
  EXPECT_EQ(answer.finish.usage.completion_tokens, static_cast<int>(answer.ids.size()));
}

TEST(ScriptEngine, ChoosesByTheLastUserMessageThenInTurn) {
  const auto engine =
      engine_of(R"({"answers": [{"steps": [{"text": "one"}]}, {"when": "rain", "steps": [{"text": "wet"}]},
    {"steps": [{"text": "two"}]}]})");
  EXPECT_EQ(ask(*engine, "a").text, "one");
  EXPECT_EQ(ask(*engine, "will it rain?").text, "wet");
  EXPECT_EQ(ask(*engine, "b").text, "two");
  EXPECT_EQ(ask(*engine, "c").text, "one");
  GenerateRequest request;
  request.prompt = {engine->script().find("<｜User｜>"), 'r', 'a', 'i', 'n', engine->script().find("<｜Assistant｜>")};
  request.prompt.push_back(engine->script().find("<｜User｜>"));
  request.prompt.push_back('x');
  EXPECT_EQ(ask(*engine, std::move(request)).text, "two") << "only the last user message counts";
}

TEST(ScriptEngine, WithoutAnAnswerItFails) {
  const auto engine = engine_of(R"({"answers": [{"when": "rain", "steps": []}]})");
  const Answer answer = ask(*engine, "sun");
  EXPECT_EQ(answer.finish.reason, FinishReason::kError);
  EXPECT_NE(answer.finish.error.message.find("no answer"), std::string::npos);
}

TEST(ScriptEngine, FailsAndFinishesWhereTheScriptSays) {
  const auto engine = engine_of(R"({"answers": [
    {"when": "f", "steps": [{"text": "a"}, {"fail": "the disk is on fire"}, {"text": "b"}]},
    {"when": "l", "steps": [{"text": "a"}, {"finish": "length"}]},
    {"when": "s", "cached_tokens": 64, "steps": [{"text": "a"}, {"finish": "stop"}, {"text": "b"}]}]})");
  const Answer failed = ask(*engine, "f");
  EXPECT_EQ(failed.text, "a");
  EXPECT_EQ(failed.finish.reason, FinishReason::kError);
  EXPECT_EQ(failed.finish.error.message, "the disk is on fire");
  EXPECT_EQ(ask(*engine, "l").finish.reason, FinishReason::kLength);
  const Answer stopped = ask(*engine, std::string(100, 's'));
  EXPECT_EQ(stopped.text, "a");
  EXPECT_EQ(stopped.finish.usage.cached_tokens, 64);
}

TEST(ScriptEngine, KeepsMaxTokensEndIdsAndTheContext) {
  const auto engine = engine_of(R"({"context_length": 20, "answers": [{"steps": [{"text": "ab ", "repeat": 1000}]}]})");
  GenerateRequest request;
  request.prompt = ids_of("hello");
  request.max_tokens = 3;
  const Answer cut = ask(*engine, request);
  EXPECT_EQ(cut.finish.reason, FinishReason::kLength);
  EXPECT_EQ(cut.finish.usage.completion_tokens, 3);
  request.max_tokens = 0;
  EXPECT_EQ(ask(*engine, request).finish.usage.completion_tokens, 15);
  request.end_ids = {cut.ids[0]};
  const Answer ended = ask(*engine, request);
  EXPECT_EQ(ended.finish.reason, FinishReason::kStop);
  EXPECT_EQ(ended.finish.usage.completion_tokens, 1);
}

TEST(ScriptEngine, AccountsThatWaitTakeTurns) {
  const auto engine = engine_of(R"({"parallel": 1, "answers": [{"when": "wait", "steps": [{"stall": true}]},
    {"steps": [{"text": "x"}]}]})");
  std::mutex mutex;
  std::vector<std::uint64_t> order;
  const auto submit = [&](std::uint64_t account, std::string_view prompt) {
    GenerateRequest request;
    request.prompt = ids_of(prompt);
    request.account = account;
    request.on_over = [&, account](const Usage&) {
      const std::lock_guard lock(mutex);
      order.push_back(account);
    };
    return *engine->submit(std::move(request));
  };
  TokenStream first = submit(9, "wait");
  std::vector<TokenStream> streams;
  for (const std::uint64_t account : {1, 1, 1, 2, 1, 3}) streams.push_back(submit(account, "hi"));
  first.cancel();
  for (TokenStream& stream : streams) read(*engine, stream);
  const std::lock_guard lock(mutex);
  EXPECT_EQ(order, (std::vector<std::uint64_t>{9, 1, 2, 3, 1, 1, 1}));
}

TEST(ScriptEngine, SaysWhatItHasProducedThoughNobodyReads) {
  auto engine = engine_of(R"({"parallel": 1, "answers": [{"cached_tokens": 2, "steps": [{"text": "a b c"},
    {"stall": true}]}]})");
  std::vector<Usage> over;
  GenerateRequest request;
  request.prompt = ids_of("hi!");
  request.on_over = [&](const Usage& usage) { over.push_back(usage); };
  auto running = *engine->submit(request), waiting = *engine->submit(request);
  while (engine->stats().completion_tokens < 3) std::this_thread::yield();
  engine.reset();  // joins its thread
  ASSERT_EQ(over.size(), 2u);
  EXPECT_EQ(over[0].prompt_tokens, 3);
  EXPECT_EQ(over[0].cached_tokens, 2);
  EXPECT_EQ(over[0].completion_tokens, 3);
  EXPECT_EQ(over[1].completion_tokens, 0);
}

TEST(ScriptEngine, RefusesPromptsThatCannotBe) {
  const auto engine = engine_of(R"({"context_length": 4, "answers": [{"steps": []}]})");
  for (const std::vector<int>& prompt :
       {std::vector<int>{}, std::vector<int>{-1}, std::vector<int>{100000}, std::vector<int>{1, 2, 3, 4}}) {
    GenerateRequest request;
    request.prompt = prompt;
    EXPECT_EQ(engine->submit(std::move(request)).error().code, ErrorCode::kInvalidInput);
  }
}

TEST(ScriptEngine, GivesAsManyLogprobsAsAskedFor) {
  const auto engine = engine_of(R"({"answers": [{"steps": [{"text": "a"}]}]})");
  GenerateRequest request;
  request.prompt = {1};
  request.sampling.n_top_logprobs = 3;
  const Answer answer = ask(*engine, std::move(request));
  ASSERT_EQ(answer.tokens[0].top.size(), 3u);
  EXPECT_EQ(answer.tokens[0].top[0].id, answer.tokens[0].id);
  EXPECT_EQ(answer.tokens[0].top[0].logprob, answer.tokens[0].logprob);
  EXPECT_LT(answer.tokens[0].logprob, 0);
}

TEST(ScriptEngine, ASlowReaderGetsEverythingAndDelaysNobody) {
  const auto engine = engine_of(R"({"context_length": 100000, "answers": [
    {"when": "much", "steps": [{"text": "x", "repeat": 5000}]}, {"steps": [{"text": "quick"}]}]})");
  GenerateRequest request;
  request.prompt = ids_of("much");
  auto slow = engine->submit(std::move(request));
  EXPECT_EQ(ask(*engine, "other").text, "quick") << "while nobody reads the first";
  EXPECT_EQ(read(*engine, *slow).text, std::string(5000, 'x'));
}

TEST(ScriptEngine, CancelsWhatStallsWaitsOrIsFull) {
  const auto engine =
      engine_of(R"({"parallel": 2, "answers": [{"when": "stall", "steps": [{"text": "a"}, {"stall": true}]},
    {"when": "sleep", "steps": [{"ms": 86400000}]}, {"steps": [{"text": "x", "repeat": 1000000000}]}]})");
  for (const char* prompt : {"stall", "sleep", "full"}) {
    GenerateRequest request;
    request.prompt = ids_of(prompt);
    auto stream = engine->submit(request);
    auto second = engine->submit(request);
    auto queued = engine->submit(request);
    queued->cancel();
    EXPECT_EQ(read(*engine, *queued).finish.reason, FinishReason::kCancelled) << "before it ran";
    stream->cancel();
    EXPECT_EQ(read(*engine, *stream).finish.reason, FinishReason::kCancelled) << prompt;
  }
  while (engine->stats().n_running + engine->stats().n_waiting > 0) std::this_thread::yield();
}

TEST(ScriptEngine, RefusesMoreThanItsQueueHolds) {
  const auto engine = engine_of(R"({"parallel": 1, "queue": 1, "answers": [{"steps": [{"stall": true}]}]})");
  GenerateRequest request;
  request.prompt = {1};
  auto running = engine->submit(request);
  auto waiting = engine->submit(request);
  EXPECT_EQ(engine->submit(request).error().code, ErrorCode::kOutOfResource);
  { const TokenStream gone = std::move(*running); }
  while (engine->stats().n_waiting > 0) std::this_thread::yield();
  EXPECT_TRUE(engine->submit(request).ok());
}

TEST(ScriptEngine, EndsItsStreamsWhenItIsDestroyed) {
  auto engine = engine_of(R"({"answers": [{"steps": [{"stall": true}]}]})");
  const Script script = engine->script();
  GenerateRequest request;
  request.prompt = {1};
  auto stream = engine->submit(std::move(request));
  engine.reset();
  EXPECT_EQ(stream->next().finish->reason, FinishReason::kCancelled);
}

TEST(Script, SaysWhereItIsWrong) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"[]", "must be an object"},
      {"{}", "answers: must be an array"},
      {R"({"answers": []})", "at least one answer"},
      {R"({"answer": []})", "'answer' is not known"},
      {R"({"answers": [{}]})", "answers[0]: must be an object with 'steps'"},
      {R"({"answers": [{"steps": 1}]})", "answers[0].steps: must be an array"},
      {R"({"answers": [{"steps": [{}]}]})", "answers[0].steps[0]: says nothing to do"},
      {R"({"answers": [{"steps": [{"text": 1}]}]})",
       "answers[0].steps[0]: 'text' is not a step, or not with this value"},
      {R"({"answers": [{"steps": [{"text": "a", "ms": 1}]}]})", "has both 'ms' and 'text'"},
      {R"({"answers": [{"steps": [{"text": "a", "repeat": -1}]}]})", "'repeat' must be"},
      {R"({"answers": [{"steps": [{"ms": -1}]}]})", "'ms' is not a step"},
      {R"({"answers": [{"steps": [{"finish": "error"}]}]})", "'finish' is not"},
      {R"({"answers": [{"steps": [{"tokens": [""]}]}]})", "none of them empty"},
      {R"({"answers": [{"when": 3, "steps": []}]})", "answers[0]: 'when' must be a string"},
      {R"({"parallel": 0, "answers": [{"steps": []}]})", "'parallel' must be 1 to"},
  };
  for (const auto& [text, expected] : kWrong) {
    const auto script = Script::parse(text, "s.json");
    ASSERT_FALSE(script.ok()) << text;
    EXPECT_NE(script.error().message.find(expected), std::string::npos) << script.error().message;
    EXPECT_TRUE(script.error().message.starts_with("s.json")) << script.error().message;
  }
}

TEST(Script, MutatedTextNeverCrashes) {
  const std::string good = R"({"model": "m", "answers": [{"when": "x", "steps": [{"text": "a <think> b", "repeat": 2},
    {"steps": [{"ms": 1}, {"tokens": ["é"]}]}, {"finish": "length"}]}]})";
  Rng rng(5, 0);
  for (int round = 0; round < 2000; ++round) {
    std::string bad = good;
    for (std::uint64_t n = 1 + rng.below(3); n > 0; --n) bad[rng.below(bad.size())] = static_cast<char>(rng.below(128));
    const auto script = Script::parse(bad, "mutated");
    EXPECT_TRUE(script.ok() ? !script->answers.empty() : !script.error().message.empty());
  }
}

}  // namespace
}  // namespace r1
