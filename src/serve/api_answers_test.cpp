// api_answers_test.cpp: answers as clients of both dialects see them: chunk sequences, bodies, thinking,
// log-probabilities, calls of tools. The engine is scripted.
#include "serve/api_fixture_for_tests.h"

namespace r1 {
namespace {

TEST_F(ApiTest, AWholeAnswerIsOneBodyForBothDialects) {
  start(kThinker);
  const ApiReply reply = chat();
  const json body = reply.body_json();
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["model"], "r1");
  EXPECT_EQ(body["id"].get<std::string>().size(), 36u);
  EXPECT_TRUE(body["system_fingerprint"].get<std::string>().starts_with("fp_"));
  EXPECT_GT(body["created"], 1600000000);
  const json& choice = body["choices"][0];
  EXPECT_EQ(choice["index"], 0);
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_TRUE(choice["logprobs"].is_null());
  EXPECT_EQ(choice["message"], (json{{"role", "assistant"},
                                     {"content", "Hello there, world!"},
                                     {"reasoning_content", "Let me see."},
                                     {"refusal", nullptr}}));
  // BOS, User, h, i, Assistant, <think>, newline: as DeepSeek counts; the answer: 3 words, newline, tag, 3 words, end.
  EXPECT_EQ(body["usage"], json::parse(R"({"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16,
    "prompt_tokens_details": {"cached_tokens": 3}, "completion_tokens_details": {"reasoning_tokens": 5},
    "prompt_cache_hit_tokens": 3, "prompt_cache_miss_tokens": 4})"));
}

TEST_F(ApiTest, AStreamHasDeepSeeksSequence) {
  start(kThinker);
  const ApiReply reply = chat(R"("stream": true, )");
  ASSERT_GE(reply.events.size(), 4u) << reply.body;
  EXPECT_TRUE(reply.done);
  const json& first = reply.events.front();
  EXPECT_EQ(first["choices"][0]["delta"],
            json::parse(R"({"role": "assistant", "content": null, "reasoning_content": ""})"));
  EXPECT_EQ(reply.events[1]["choices"][0]["delta"], json::parse(R"({"content": null, "reasoning_content": "Let"})"));
  const json& last = reply.events.back();
  EXPECT_EQ(last["choices"][0]["delta"], json::parse(R"({"content": "", "reasoning_content": null})"));
  EXPECT_EQ(last["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(last["usage"]["completion_tokens"], 9);
  for (std::size_t i = 0; i + 1 < reply.events.size(); ++i) {
    const json& event = reply.events[i];
    EXPECT_EQ(event["object"], "chat.completion.chunk");
    EXPECT_EQ(event["id"], first["id"]);
    EXPECT_EQ(event["created"], first["created"]);
    EXPECT_EQ(event["system_fingerprint"], first["system_fingerprint"]);
    EXPECT_TRUE(event["usage"].is_null());
    EXPECT_TRUE(event["choices"][0]["finish_reason"].is_null());
    const json& delta = event["choices"][0]["delta"];
    EXPECT_NE(delta["content"].is_null(), delta["reasoning_content"].is_null()) << "one of them is null";
  }
}

TEST_F(ApiTest, TheUsageComesInOneChunkOnly) {
  start(kThinker);
  const ApiReply reply = chat(R"("stream": true, "stream_options": {"include_usage": true}, )");
  const json& last = reply.events.back();
  EXPECT_EQ(last["choices"], json::array());
  EXPECT_EQ(last["usage"]["total_tokens"], 16);
  for (std::size_t i = 0; i + 1 < reply.events.size(); ++i) EXPECT_TRUE(reply.events[i]["usage"].is_null());
  EXPECT_EQ(reply.events[reply.events.size() - 2]["choices"][0]["finish_reason"], "stop");
}

TEST_F(ApiTest, StreamedEqualsWholeForEveryCut) {
  const std::string text = "Hm é.\n</think>\n\nYes 😀 <b> STOP no";
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    const bool is_inside_character = (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80;
    const json steps = is_inside_character ? json{{{"bytes", text}}}  // every byte a token
                                           : json{{{"tokens", {text.substr(0, cut), text.substr(cut)}}}};
    start(json{{"answers", {{{"steps", steps}}}}}.dump());
    const json whole = chat(R"("stop": "STOP", )").body_json()["choices"][0];
    const ApiReply stream = chat(R"("stream": true, "stop": "STOP", )");
    EXPECT_EQ(whole["message"]["reasoning_content"], "Hm é.") << "cut at " << cut;
    EXPECT_EQ(whole["message"]["content"], "Yes 😀 <b> ") << "cut at " << cut;
    EXPECT_EQ(whole["finish_reason"], "stop");
    EXPECT_EQ(stream.joined("reasoning_content"), whole["message"]["reasoning_content"]) << "cut at " << cut;
    EXPECT_EQ(stream.joined("content"), whole["message"]["content"]) << "cut at " << cut;
    int n_finish_reasons = 0;
    for (const json& event : stream.events) n_finish_reasons += !event["choices"][0]["finish_reason"].is_null();
    EXPECT_EQ(n_finish_reasons, 1);
    EXPECT_TRUE(stream.done);
  }
}

TEST_F(ApiTest, AStopStringEndsTheGenerationAndTheCount) {
  start(R"({"context_length": 100000, "answers": [{"steps": [{"text": "STOP\n</think>a b STOP c"},
    {"text": " x", "repeat": 5000}]}]})");
  const json body = chat(R"("stop": ["never", "STOP"], )").body_json();
  EXPECT_EQ(body["choices"][0]["message"]["content"], "a b ");
  EXPECT_EQ(body["choices"][0]["message"]["reasoning_content"], "STOP") << "stop strings sleep while it thinks";
  EXPECT_EQ(body["usage"]["completion_tokens"], 6);
  while (model->engine().stats().n_running > 0) std::this_thread::yield();
  EXPECT_LT(model->engine().stats().completion_tokens, 5000) << "the engine was told";
}

TEST_F(ApiTest, MaxTokensAndTheContextEndWithLength) {
  start(R"({"context_length": 50, "answers": [{"steps": [{"text": "a ", "repeat": 1000}]}]})");
  EXPECT_EQ(chat(R"("max_tokens": 3, )").body_json()["usage"]["completion_tokens"], 3);
  EXPECT_EQ(chat(R"("max_completion_tokens": 4, )").body_json()["usage"]["completion_tokens"], 4);
  const json full = chat().body_json();
  EXPECT_EQ(full["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(full["usage"]["total_tokens"], 50);
  const ApiReply too_long = chat("", std::string(60, 'x'));
  EXPECT_EQ(too_long.status, 400);
  EXPECT_EQ(too_long.body_json()["error"]["code"], "context_length_exceeded");
  EXPECT_EQ(too_long.body_json()["error"]["param"], "messages");
}

TEST_F(ApiTest, ModelsThatDoNotThinkHaveNoReasoning) {
  start(R"({"thinks": false, "answers": [{"steps": [{"text": "Hello."}]}]})");
  const json message = chat().body_json()["choices"][0]["message"];
  EXPECT_EQ(message["content"], "Hello.");
  EXPECT_TRUE(message["reasoning_content"].is_null());
  const ApiReply stream = chat(R"("stream": true, )");
  EXPECT_EQ(stream.events[0]["choices"][0]["delta"],
            json::parse(R"({"role": "assistant", "content": "", "reasoning_content": null})"));
}

TEST_F(ApiTest, ThinkingHasExactlyItsTokens) {
  start(R"({"answers": [{"steps": [{"text": "a", "repeat": 40}, {"text": " STOP\n</think>\n\nIt is so."}]}]})");
  const int n_closing = static_cast<int>(model->served().chat_template->closing_ids().size()) - 2;  // to </think>
  for (const int limit : {0, 1, 5, 40}) {
    const std::string extra = R"("stop": "STOP", "max_thinking_tokens": )" + std::to_string(limit) + ", ";
    const json body = chat(extra).body_json();
    const json& message = body["choices"][0]["message"];
    const std::string thinking = message["reasoning_content"];
    const std::string begun(static_cast<std::size_t>(limit), 'a');
    EXPECT_EQ(thinking, begun + (limit > 0 ? "\n\n" : "") + "That is enough thinking; I answer now.");
    EXPECT_EQ(message["content"], "It is so.");
    EXPECT_EQ(body["usage"]["completion_tokens_details"]["reasoning_tokens"], limit + n_closing);
    const ApiReply stream = chat(extra + R"("stream": true, )");
    EXPECT_EQ(stream.joined("reasoning_content"), thinking);
    EXPECT_EQ(stream.joined("content"), message["content"]);
    EXPECT_EQ(stream.events.back()["usage"]["completion_tokens"], body["usage"]["completion_tokens"]);
  }
  const json unlimited = chat(R"("max_thinking_tokens": 1000, )").body_json();
  EXPECT_EQ(unlimited["choices"][0]["message"]["reasoning_content"], std::string(40, 'a') + " STOP");
  EXPECT_EQ(chat(R"("max_thinking_tokens": 1, "max_tokens": 3, )").body_json()["usage"]["completion_tokens"], 3);
}

TEST_F(ApiTest, ThinkingIsSwitchedByEitherDialectsName) {
  start(R"({"answers": [{"steps": [{"text": "Hello."}]}]})");
  for (const char* extra : {R"("thinking": {"type": "disabled"}, )", R"("reasoning_effort": "none", )"}) {
    const json body = chat(extra).body_json();
    EXPECT_EQ(body["choices"][0]["message"]["content"], "Hello.");
    EXPECT_TRUE(body["choices"][0]["message"]["reasoning_content"].is_null());
    EXPECT_EQ(body["usage"]["prompt_tokens"], 11) << "an empty thought is closed in the prompt";
  }
  EXPECT_EQ(chat(R"("thinking": {"type": "enabled"}, )").body_json()["choices"][0]["message"]["reasoning_content"],
            "Hello.");
}

TEST_F(ApiTest, APrefixIsContinuedInAnswerOrThought) {
  start(R"({"answers": [{"when": "answer", "steps": [{"text": " is 42."}]},
                        {"steps": [{"text": " see.\n</think>\n\nYes."}]}]})");
  const auto post = [&](const json& last, const char* question) {
    const json messages = {{{"role", "user"}, {"content", question}}, last};
    return send("POST", "/beta/chat/completions", json{{"messages", messages}}.dump());
  };
  const json answer =
      post({{"role", "assistant"}, {"content", "It"}, {"prefix", true}}, "answer").body_json()["choices"][0]["message"];
  EXPECT_EQ(answer["content"], " is 42.") << "what was added, as DeepSeek returns it";
  EXPECT_TRUE(answer["reasoning_content"].is_null());
  const json thought =
      post({{"role", "assistant"}, {"content", ""}, {"reasoning_content", "Let me"}, {"prefix", true}}, "thought")
          .body_json()["choices"][0]["message"];
  EXPECT_EQ(thought["reasoning_content"], " see.");
  EXPECT_EQ(thought["content"], "Yes.");
  EXPECT_EQ(post({{"role", "user"}, {"content", "It"}, {"prefix", true}}, "x").status, 400);
}

TEST_F(ApiTest, AThoughtEndsWhenTold) {
  start(R"({"answers": [{"steps": [{"text": "Hm"}, {"text": " and on", "repeat": 1000000000},
                                   {"text": "\n</think>\n\nDone."}]}], "context_length": 1000000})");
  HttpRequest request{
      "POST", "/chat/completions",     "",
      "1.1",  {{"Host", "localhost"}}, R"({"stream": true, "messages": [{"role": "user", "content": "x"}]})"};
  HttpReply reply = api->handle(request, HttpWaker(nullptr));
  HttpStream& stream = *std::get<std::unique_ptr<HttpStream>>(reply);
  ApiReply read;
  while (read.body.find("and") == std::string::npos) stream.advance(read.body);
  const std::string id = json::parse(read.body.substr(6, read.body.find("\n\n") - 6))["id"];
  const auto control = [&](const json& body) { return send("POST", "/v1/chat/completions/control", body.dump()); };
  EXPECT_EQ(control({{"id", id}, {"action", "sing"}}).status, 422);
  EXPECT_EQ(control({{"id", "other"}, {"action", "end_thinking"}}).status, 404);
  EXPECT_EQ(control({{"id", 3}, {"action", "end_thinking"}}).body_json()["error"]["param"], "id");
  EXPECT_EQ(control({{"id", id}, {"action", "end_thinking"}}).status, 200);
  read_stream(stream, read);
  EXPECT_TRUE(read.joined("reasoning_content").ends_with("I answer now."));
  EXPECT_EQ(read.joined("content"), "Done.");
  EXPECT_TRUE(read.done);
  reply = HttpResponse{};
  while (model->engine().stats().n_running > 0) std::this_thread::yield();
  EXPECT_EQ(control({{"id", id}, {"action", "end_thinking"}}).status, 404) << "it is over";
}

TEST_F(ApiTest, SeveralAnswersEndOnceEach) {
  start(R"({"answers": [{"steps": [{"text": "one\n</think>1"}]}, {"steps": [{"text": "two\n</think>2 2"}]}]})");
  const json body = chat(R"("n": 2, )").body_json();
  ASSERT_EQ(body["choices"].size(), 2u);
  EXPECT_EQ(body["choices"][0]["message"]["content"], "1");
  EXPECT_EQ(body["choices"][1]["message"]["content"], "2 2");
  EXPECT_EQ(body["usage"]["prompt_tokens"], 7) << "counted once";
  EXPECT_EQ(body["usage"]["completion_tokens"], 11);
  const ApiReply stream = chat(R"("n": 2, "stream": true, )");
  EXPECT_EQ(stream.joined("content", 0), "1");
  EXPECT_EQ(stream.joined("content", 1), "2 2");
  std::vector<int> n_ends(2), n_begins(2);
  int n_usages = 0;
  for (const json& event : stream.events) {
    const json& choice = event["choices"][0];
    n_ends[choice["index"]] += !choice["finish_reason"].is_null();
    n_begins[choice["index"]] += choice["delta"].contains("role");
    n_usages += !event["usage"].is_null();
  }
  EXPECT_EQ(n_ends, (std::vector{1, 1}));
  EXPECT_EQ(n_begins, (std::vector{1, 1}));
  EXPECT_EQ(n_usages, 1);
}

TEST_F(ApiTest, LogprobsSpellTheText) {
  start(kThinker);
  const json choice = chat(R"("logprobs": true, "top_logprobs": 2, )").body_json()["choices"][0];
  std::string content, thinking;
  for (const json& token : choice["logprobs"]["content"]) {
    content += token["token"];
    EXPECT_LT(token["logprob"], 0);
    EXPECT_EQ(token["top_logprobs"].size(), 2u);
    EXPECT_EQ(token["bytes"].size(), token["token"].get<std::string>().size());
  }
  for (const json& token : choice["logprobs"]["reasoning_content"]) thinking += token["token"];
  EXPECT_EQ(content, "\n\nHello there, world!") << "tokens have the newlines that the text drops";
  EXPECT_EQ(thinking, "Let me see.\n");
  const ApiReply stream = chat(R"("logprobs": true, "stream": true, )");
  std::string streamed;
  for (const json& event : stream.events) {
    const json& logprobs = event["choices"][0]["logprobs"];
    if (!logprobs.is_null() && !logprobs["content"].is_null())
      for (const json& token : logprobs["content"]) streamed += token["token"];
  }
  EXPECT_EQ(streamed, content);
}

TEST_F(ApiTest, SamplingDefaultsAreTheModels) {
  start(kThinker);
  EXPECT_EQ(chat().status, 200);
  EXPECT_EQ(chat(R"("temperature": 0, "top_p": 1, "seed": 7, "user": "me", )").status, 200);
}

TEST_F(ApiTest, CompletionsContinueTextAndTokens) {
  start(R"({"answers": [{"steps": [{"text": " and so on"}]}]})");
  const auto post = [&](const std::string& body) { return send("POST", "/v1/completions", body); };
  const json body = post(R"({"prompt": "abc"})").body_json();
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["choices"][0],
            json::parse(R"({"index": 0, "text": " and so on", "logprobs": null, "finish_reason": "stop"})"));
  EXPECT_EQ(body["usage"]["prompt_tokens"], 4) << "BOS and three bytes";
  EXPECT_EQ(post(R"({"prompt": [97, 98], "echo": true})").body_json()["choices"][0]["text"], "ab and so on");
  EXPECT_EQ(post(R"({"prompt": [97, 98]})").body_json()["usage"]["prompt_tokens"], 2) << "tokens are taken as they are";
  EXPECT_EQ(post(R"({"prompt": [99999]})").status, 422);
  EXPECT_EQ(post(R"({"prompt": "x", "logit_bias": {"99999": 1}})").status, 422);
  const ApiReply stream = post(R"({"prompt": "abc", "stream": true, "echo": true})");
  EXPECT_EQ(stream.joined("text"), "abc and so on");
  EXPECT_EQ(stream.events.back()["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(stream.events.back()["usage"]["completion_tokens"], 4);
  EXPECT_TRUE(stream.done);
}

TEST_F(ApiTest, AnEchoWithLogprobsScoresEveryTokenOfThePromptToo) {
  start(R"({"answers": [{"steps": [{"text": " and so on"}]}]})");
  const auto post = [&](const std::string& body) { return send("POST", "/v1/completions", body); };
  const std::string asked = R"({"prompt": "aé", "echo": true, "logprobs": 2, "stream": )";
  const json choice = post(asked + "false}").body_json()["choices"][0];
  EXPECT_EQ(choice["text"], "aé and so on");
  const json& scores = choice["logprobs"];
  // BOS and the end stand in no text; é is two tokens.
  EXPECT_EQ(scores["text_offset"], (json{0, 0, 1, 2, 2, 6, 9, 12}));
  EXPECT_EQ(scores["tokens"][1], "a");
  EXPECT_EQ(scores["tokens"][4], " and");
  for (const char* list : {"token_logprobs", "top_logprobs", "tokens"}) EXPECT_EQ(scores[list].size(), 8u) << list;
  EXPECT_TRUE(scores["token_logprobs"][0].is_null() && scores["top_logprobs"][0].is_null());
  for (std::size_t i = 1; i < 8; ++i) {
    EXPECT_LT(scores["token_logprobs"][i], 0) << i;
    EXPECT_GE(scores["top_logprobs"][i].size(), 1u) << i;
  }
  const ApiReply stream = post(asked + "true}");
  EXPECT_EQ(stream.joined("text"), choice["text"]);
  json streamed = {{"tokens", json::array()}};
  for (const json& event : stream.events)
    for (const json& token : event["choices"][0]["logprobs"]["tokens"]) streamed["tokens"].push_back(token);
  EXPECT_EQ(streamed["tokens"], scores["tokens"]);
  EXPECT_EQ(post(R"({"prompt": [97], "echo": true, "logprobs": 0, "max_tokens": 1})")
                .body_json()["choices"][0]["logprobs"]["token_logprobs"]
                .size(),
            2u)
      << "one token before which nothing came, and the answer's";
}

TEST_F(ApiTest, ASuffixIsForModelsThatFillInTheMiddle) {
  start(R"({"answers": [{"steps": [{"text": " x"}]}]})");
  const auto post = [&](const std::string& body) { return send("POST", "/beta/completions", body); };
  const ApiReply refused = post(R"({"prompt": "a", "suffix": "b"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.body_json()["error"]["param"], "suffix");
  EXPECT_EQ(post(R"({"prompt": "a", "suffix": ""})").status, 200) << "an empty one is none";

  auto script = Script::parse(R"({"answers": [{"steps": [{"text": " x"}]}]})", "test");
  for (const char* name : {"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"})
    script->vocabulary.push_back({name, ScriptToken::Kind::kControl});
  model = std::move(*ScriptModel::from_script(std::move(*script)));
  api = std::make_unique<ApiServer>(std::vector{model->served()}, AccessOptions{});
  const json filled = post(R"({"prompt": "ab", "suffix": "cde"})").body_json();
  EXPECT_EQ(filled["choices"][0]["text"], " x");
  EXPECT_EQ(filled["usage"]["prompt_tokens"], 9) << "BOS, three markers, five bytes";
}

TEST_F(ApiTest, CompletionLogprobsAreParallelArrays) {
  start(R"({"answers": [{"steps": [{"text": " é b"}]}]})");
  const json logprobs =
      send("POST", "/completions", R"({"prompt": "a", "logprobs": 1})").body_json()["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["tokens"], (json{" é", " b"}));
  EXPECT_EQ(logprobs["text_offset"], (json{0, 2})) << "in characters";
  EXPECT_EQ(logprobs["token_logprobs"].size(), 2u);
  EXPECT_TRUE(logprobs["top_logprobs"][0].contains(" é"));
}

TEST_F(ApiTest, CompletionsHaveSixteenTokensByDefault) {
  start(R"({"answers": [{"steps": [{"text": "a ", "repeat": 100}]}]})");
  const json body = send("POST", "/v1/completions", R"({"prompt": "x"})").body_json();
  EXPECT_EQ(body["usage"]["completion_tokens"], 16);
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
}

// ---- tools and formats ---------------------------------------------------------------------------------------------

constexpr std::string_view kCaller = R"({"model": "r1", "answers": [
  {"when": "weather", "steps": [{"text": "I look it up.\n</think>\n\nOne moment.\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Paris or \\\"Paname\\\"\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"}]},
  {"when": "cut", "steps": [{"text": "</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n```json\n{\"a\":"}, {"finish": "length"}]},
  {"steps": [{"text": "</think>\n\nIt is <｜tool▁calls▁begin｜> nothing."}]}]})";
constexpr std::string_view kTwoTools =
    R"("tools": [{"type": "function", "function": {"name": "get_weather", "description":
  "the weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}},
  {"type": "function", "function": {"name": "now"}}], )";

// The calls of a stream's deltas put together, as clients do it.
json joined_calls(const ApiReply& reply) {
  json calls = json::array();
  for (const json& event : reply.events) {
    for (const json& delta : event["choices"][0]["delta"].value("tool_calls", json::array())) {
      const std::size_t index = delta["index"];
      if (index == calls.size()) {
        calls.push_back(delta);
        calls.back().erase("index");
      } else {
        EXPECT_FALSE(delta.contains("id") || delta["function"].contains("name")) << "the head comes once";
        std::string& arguments = calls.at(index)["function"]["arguments"].get_ref<std::string&>();
        arguments += delta["function"]["arguments"].get<std::string>();
      }
    }
  }
  return calls;
}

TEST_F(ApiTest, CallsOfToolsAreFoundStreamedOrNot) {
  start(kCaller);
  const ApiReply whole = chat(kTwoTools, "weather"),
                 streamed = chat(std::string(R"("stream": true, )") + std::string(kTwoTools), "weather");
  ASSERT_EQ(whole.status, 200) << whole.body;
  const json choice = whole.body_json()["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["content"], "One moment.");
  EXPECT_EQ(choice["message"]["reasoning_content"], "I look it up.");
  json calls = choice["message"]["tool_calls"], deltas = joined_calls(streamed);
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(streamed.events.back()["choices"][0]["finish_reason"], "tool_calls");
  EXPECT_EQ(streamed.joined("content"), "One moment.");
  for (json* list : {&calls, &deltas}) {
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(list->at(i)["id"].get<std::string>().starts_with("call_0" + std::to_string(i) + "_"));
      EXPECT_EQ(list->at(i)["id"].get<std::string>().size(), 32u);
      list->at(i).erase("id");
    }
  }
  EXPECT_EQ(calls, deltas);
  EXPECT_EQ(calls[0],
            (json{{"type", "function"},
                  {"function", {{"name", "get_weather"}, {"arguments", R"({"city": "Paris or \"Paname\""})"}}}}));
  EXPECT_EQ(calls[1]["function"]["arguments"], "{}");
}

TEST_F(ApiTest, AnAnswerThatOnlyCallsHasNoContentAndACutOneSaysSo) {
  start(kCaller);
  const json choice = chat(kTwoTools, "cut").body_json()["choices"][0];
  EXPECT_TRUE(choice["message"]["content"].is_null());
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["arguments"], R"({"a":)");
  const json text = chat(kTwoTools, "other").body_json()["choices"][0];
  EXPECT_EQ(text["finish_reason"], "stop");
  EXPECT_EQ(text["message"]["content"], "It is <｜tool▁calls▁begin｜> nothing.");
  EXPECT_FALSE(text["message"].contains("tool_calls"));
}

TEST_F(ApiTest, WithoutToolsNothingIsLookedFor) {
  start(kCaller);
  const json message = chat("", "weather").body_json()["choices"][0]["message"];
  EXPECT_FALSE(message.contains("tool_calls"));
  EXPECT_NE(message["content"].get<std::string>().find("get_weather"), std::string::npos);
}

TEST_F(ApiTest, ToolsAreInThePromptUnlessTheChoiceIsNone) {
  start(kCaller);
  const auto n_prompt = [&](const std::string& extra) {
    return chat(extra, "other").body_json()["usage"]["prompt_tokens"].get<int>();
  };
  const std::string tools(kTwoTools);
  EXPECT_GT(n_prompt(tools), n_prompt("") + 200);
  EXPECT_EQ(n_prompt(tools + R"("tool_choice": "none", )"), n_prompt(""));
}

TEST_F(ApiTest, ASchemaThatCantBeKeptIsRefusedByItsKeyword) {
  start(kCaller);
  const json error = chat(R"("response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema":
      {"type": "object", "properties": {"a": {"type": "number", "multipleOf": 2}}}}}, )")
                         .body_json()["error"];
  EXPECT_EQ(error["message"], "'response_format.json_schema.schema.properties.a.multipleOf' is not supported");
  EXPECT_EQ(error["param"], "response_format");
  const ApiReply strict = chat(R"("tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters":
      {"type": "object", "oneOf": []}}}], )");
  EXPECT_EQ(strict.status, 400);
  EXPECT_EQ(strict.body_json()["error"]["param"], "tools");
}

}  // namespace
}  // namespace r1
