// api_server_test.cpp: what clients of both dialects see: chunk sequences, bodies, errors, routes. The engine is
// scripted.
#include "serve/api_server.h"

#include <gtest/gtest.h>

#include <thread>

#include <nlohmann/json.hpp>

#include "base/bounded_queue.h"
#include "serve/answer_reply.h"
#include "serve/script_model.h"

namespace r1 {
namespace {

using nlohmann::json;

struct ApiReply {
  int status = 0;
  std::string body;
  std::vector<HttpHeader> headers;
  std::vector<json> events;  // of a stream, without [DONE]
  bool is_stream = false, done = false;

  json body_json() const { return json::parse(body, nullptr, false); }
  std::string header(std::string_view name) const {
    for (const HttpHeader& header : headers)
      if (equal_ignoring_case(header.name, name)) return header.value;
    return "";
  }
  // The deltas of one choice put together.
  std::string joined(std::string_view field, int index = 0) const {
    std::string text;
    for (const json& event : events)
      for (const json& choice : event.value("choices", json::array()))
        if (choice["index"] == index) {
          const json& part = choice.contains("delta") ? choice["delta"] : choice;
          if (part.contains(field) && part[field].is_string()) text += part[field].get<std::string>();
        }
    return text;
  }
};

class ApiTest : public ::testing::Test {
 protected:
  void start(std::string_view script_json, AccessOptions access = {}) {
    auto script = Script::parse(script_json, "test");
    ASSERT_TRUE(script.ok()) << script.error().message;
    auto loaded = ScriptModel::from_script(std::move(*script));
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    model = std::move(*loaded);
    api = std::make_unique<ApiServer>(std::vector{model->served()}, std::move(access));
  }

  ApiReply send(const std::string& method, const std::string& path, std::string body = "",
                std::vector<HttpHeader> headers = {{"Host", "localhost:8080"}}) {
    HttpRequest request{method, path, "", "1.1", std::move(headers), std::move(body)};
    HttpReply reply = api->handle(request, HttpWaker(nullptr));
    ApiReply read;
    if (auto* deferred = std::get_if<std::unique_ptr<HttpDeferred>>(&reply)) {
      read.headers = (*deferred)->headers;
      std::optional<HttpResponse> response;
      while (!(response = (*deferred)->advance())) std::this_thread::yield();
      reply = *std::move(response);
    }
    if (auto* response = std::get_if<HttpResponse>(&reply)) {
      read.status = response->status;
      read.body = response->body;
      read.headers.insert(read.headers.end(), response->headers.begin(), response->headers.end());
      return read;
    }
    read_stream(*std::get<std::unique_ptr<HttpStream>>(reply), read);
    return read;
  }

  static void read_stream(HttpStream& stream, ApiReply& read) {
    read.status = 200;
    read.is_stream = true;
    while (stream.advance(read.body) != HttpStream::Progress::kDone) std::this_thread::yield();
    for (std::size_t at = 0; at < read.body.size();) {
      const std::size_t end = read.body.find("\n\n", at);
      const std::string event = read.body.substr(at, end - at);
      EXPECT_TRUE(event.starts_with("data: ") && event.find('\n') == std::string::npos) << event;
      EXPECT_FALSE(read.done) << "[DONE] is the last event";
      if (event == "data: [DONE]")
        read.done = true;
      else
        read.events.push_back(json::parse(event.substr(6)));
      at = end + 2;
    }
  }

  ApiReply chat(std::string_view extra = "", std::string_view content = "hi") {
    return send("POST", "/v1/chat/completions",
                json{{"messages", {{{"role", "user"}, {"content", content}}}}}.dump().insert(1, extra));
  }

  std::unique_ptr<ScriptModel> model;
  std::unique_ptr<ApiServer> api;
};

constexpr std::string_view kThinker = R"({"model": "r1", "answers": [{"cached_tokens": 3, "steps": [
  {"text": "Let me see.\n</think>\n\nHello there, world!"}]}]})";

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

TEST_F(ApiTest, EngineFailuresAreErrorsNeverHangs) {
  start(R"({"answers": [{"steps": [{"text": "So\n</think>far"}, {"fail": "the disk is on fire"}]}]})");
  const ApiReply whole = chat();
  EXPECT_EQ(whole.status, 500);
  EXPECT_EQ(whole.body_json()["error"]["message"], "the disk is on fire");
  EXPECT_EQ(whole.body_json()["error"]["type"], "server_error");
  const ApiReply stream = chat(R"("stream": true, )");
  EXPECT_EQ(stream.joined("content"), "far");
  EXPECT_EQ(stream.events.back()["error"]["message"], "the disk is on fire");
  EXPECT_FALSE(stream.done) << "[DONE] would say that the answer is complete";
}

TEST_F(ApiTest, ErrorsOfMessagesHaveTheirFormWheneverTheyCome) {
  start(R"({"answers": [{"when": "stall", "steps": [{"stall": true}]},
                        {"steps": [{"text": "So"}, {"fail": "the disk is on fire"}]}]})");
  const std::string begin = R"({"max_tokens": 9, "messages": [{"role": "user", "content": ")";
  const ApiReply failed = send("POST", "/v1/messages", begin + R"(hi"}]})");
  EXPECT_EQ(failed.status, 500);
  const json said = json::parse(with_request_id(failed.body, "req-66"));
  EXPECT_EQ(said.value("type", ""), "error");
  EXPECT_EQ(said["error"]["message"], "the disk is on fire");
  EXPECT_EQ(said["request_id"], "req-66");
  const HttpRequest stalling{"POST", "/v1/messages", "", "1.1", {{"Host", "localhost"}}, begin + R"(stall"}]})"};
  HttpReply stalled = api->handle(stalling, HttpWaker(nullptr));
  const HttpResponse stopped = std::get<std::unique_ptr<HttpDeferred>>(stalled)->interrupt();
  EXPECT_EQ(stopped.status, 503);
  EXPECT_EQ(json::parse(stopped.body).value("type", ""), "error");
}

// As where its model was waited for until the server stopped.
TEST_F(ApiTest, AStreamThatIsCutBeforeItsFirstWordIsWholeAllTheSame) {
  start(R"({"answers": [{"steps": [{"stall": true}]}]})");
  struct Asked {
    std::string path, body, begin, end;
  };
  const std::string messages = R"("messages": [{"role": "user", "content": "x"}]})", done = "data: [DONE]\n\n";
  for (const Asked& asked :
       {Asked{"/v1/chat/completions", R"({"stream": true, )" + messages, R"("role":"assistant")", done},
        Asked{"/v1/completions", R"({"stream": true, "echo": true, "n": 2, "prompt": "ab"})", R"("text":"ab")", done},
        Asked{"/v1/messages", R"({"stream": true, "max_tokens": 9, )" + messages, "event: message_start\n",
              "data: {\"type\":\"message_stop\"}\n\n"},
        Asked{"/v1/responses", R"({"stream": true, "input": "x"})", "event: response.created\n", "\n\n"}}) {
    const HttpRequest request{"POST", asked.path, "", "1.1", {{"Host", "localhost"}}, asked.body};
    HttpReply reply = api->handle(request, HttpWaker(nullptr));
    std::string events;
    std::get<std::unique_ptr<HttpStream>>(reply)->interrupt(events);
    EXPECT_NE(events.substr(0, events.find("\n\n")).find(asked.begin), std::string::npos) << events;
    EXPECT_TRUE(events.ends_with(asked.end)) << events;
  }
}

TEST(EngineFailure, OfWhichTheEngineMayRecoverSaysWhenToComeBack) {
  for (const ErrorCode code : {ErrorCode::kOutOfResource, ErrorCode::kIo, ErrorCode::kCancelled}) {
    const HttpResponse response = engine_failure({code, "it is so"});
    EXPECT_EQ(response.status, 503);
    ASSERT_EQ(response.headers.size(), 1u);
    EXPECT_EQ(response.headers[0].name, "Retry-After");
  }
}

TEST_F(ApiTest, AFullQueueIs503WithRetryAfter) {
  start(R"({"parallel": 1, "queue": 0, "answers": [{"steps": [{"stall": true}]}]})");
  HttpRequest request{
      "POST", "/chat/completions",     "",
      "1.1",  {{"Host", "localhost"}}, R"({"stream": true, "messages": [{"role": "user", "content": "x"}]})"};
  HttpReply first = api->handle(request, HttpWaker(nullptr));
  const ApiReply second = chat();
  EXPECT_EQ(second.status, 503);
  EXPECT_EQ(second.header("Retry-After"), "1");
  EXPECT_EQ(chat(R"("n": 8, )").status, 503) << "all answers or none";
  first = HttpResponse{};
  while (model->engine().stats().n_running + model->engine().stats().n_waiting > 0) std::this_thread::yield();
  HttpReply third = api->handle(request, HttpWaker(nullptr));
  EXPECT_TRUE(std::holds_alternative<std::unique_ptr<HttpStream>>(third)) << "a cancelled answer frees its slot";
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

TEST_F(ApiTest, RequestsThatWaitForAModelAreBoundedInBytes) {
  start(kThinker);
  BoundedQueue<int> gate(1);
  const auto load = [&]() -> Result<ServedModel> {
    gate.pop();
    return model->served();
  };
  api = std::make_unique<ApiServer>(std::vector<ServedModel>());
  api->publish({{.name = "r1", .context_length = 8, .load = nullptr, .loaded = model->served()},
                {.name = "slow", .context_length = 8, .bytes = 1, .load = load}});
  const std::string body = json{{"model", "slow"}, {"prompt", std::string(7 << 20, 'x')}}.dump();
  const auto ask = [&] {
    const HttpRequest request{"POST", "/v1/completions", "", "1.1", {{"Host", "localhost"}}, body};
    return api->handle(request, HttpWaker(nullptr));
  };
  std::vector<HttpReply> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(ask());
    ASSERT_TRUE(std::holds_alternative<std::unique_ptr<HttpPending>>(waiting.back())) << i;
  }
  EXPECT_EQ(std::get<HttpResponse>(ask()).status, 503);
  waiting.pop_back();
  EXPECT_TRUE(std::holds_alternative<std::unique_ptr<HttpPending>>(ask())) << "one that leaves makes room";
  waiting.clear();
  gate.push(0);
  while (api->is_loading_model()) api->tick();
}

TEST_F(ApiTest, AStreamWhoseModelDoesNotComeSaysSoInItsDialect) {
  api = std::make_unique<ApiServer>(std::vector<ServedModel>());
  const auto load = []() -> Result<ServedModel> { return Error{ErrorCode::kIo, "no such file"}; };
  api->publish({{.name = "gone", .context_length = 8, .bytes = 1, .load = load}});
  const auto events = [&](const std::string& path, const std::string& body) {
    const HttpRequest request{"POST", path, "", "1.1", {{"Host", "localhost"}}, body};
    HttpReply reply = api->handle(request, HttpWaker(nullptr));
    HttpReply shown = *std::get<std::unique_ptr<HttpPending>>(reply)->show_life();
    HttpStream& stream = *std::get<std::unique_ptr<HttpStream>>(shown);
    std::string text;
    while (stream.advance(text) != HttpStream::Progress::kDone) std::this_thread::yield();
    return text;
  };
  const std::string messages = R"("messages": [{"role": "user", "content": "x"}]})";
  const std::string chat = events("/v1/chat/completions", R"({"stream": true, )" + messages),
                    anthropic = events("/v1/messages", R"({"stream": true, "max_tokens": 9, )" + messages),
                    responses = events("/v1/responses", R"({"stream": true, "input": "x"})");
  EXPECT_TRUE(chat.starts_with(R"(data: {"error":{"message":)")) << chat;
  EXPECT_TRUE(anthropic.starts_with("event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":")) << anthropic;
  EXPECT_TRUE(responses.starts_with("event: error\ndata: {\"type\":\"error\",\"sequence_number\":0,")) << responses;
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

TEST_F(ApiTest, RoutesKnowTheirMethods) {
  start(kThinker);
  for (const std::string base : {"", "/v1", "/beta"}) {
    const std::string message = R"({"messages": [{"role": "user", "content": "x"}]})";
    EXPECT_EQ(send("POST", base + "/chat/completions", message).body_json()["object"], "chat.completion") << base;
    EXPECT_EQ(send("POST", base + "/completions", R"({"prompt": "x"})").body_json()["object"], "text_completion");
    EXPECT_EQ(send("GET", base + "/models/r1").body_json()["id"], "r1");
    const json list = send("GET", base + "/models").body_json();
    EXPECT_EQ(list["object"], "list");
    EXPECT_EQ(list["data"][0]["id"], "r1");
    EXPECT_EQ(list["data"][0]["object"], "model");
  }
  EXPECT_EQ(send("GET", "/v1/models/r1").body_json()["id"], "r1");
  EXPECT_EQ(send("GET", "/v1/models/%721").body_json()["id"], "r1");
  EXPECT_EQ(send("GET", "/v1/models/other").status, 404);
  EXPECT_EQ(send("GET", "/health").body_json()["status"], "ok");
  EXPECT_EQ(send("HEAD", "/health").status, 200);
  EXPECT_EQ(send("GET", "/nowhere").status, 404);
  EXPECT_EQ(send("GET", "/V1/models").status, 404);
  const ApiReply wrong = send("GET", "/v1/chat/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.header("Allow"), "POST, OPTIONS");
  EXPECT_EQ(send("DELETE", "/v1/models").header("Allow"), "GET, HEAD, OPTIONS");
  const ApiReply options = send("OPTIONS", "/chat/completions");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("Allow"), "POST, OPTIONS");
}

TEST_F(ApiTest, BrokenBodiesAndUnknownModelsAreTold) {
  start(kThinker);
  const auto post = [&](const std::string& body) { return send("POST", "/v1/chat/completions", body); };
  EXPECT_EQ(post("").status, 400);
  EXPECT_EQ(post("{").body_json()["error"]["code"], "invalid_json");
  EXPECT_EQ(post("[]").status, 400);
  EXPECT_EQ(post(std::string(10000, '[')).status, 400);
  EXPECT_EQ(post("{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\"}]}").status, 400);
  EXPECT_EQ(post(R"({"messages": [{"role": "user", "content": "\ud800"}]})").status, 400);
  EXPECT_EQ(post(R"({"temperature": 1e400, "messages": [{"role": "user", "content": "x"}]})").status, 400);
  const ApiReply unknown = post(R"({"model": "gpt", "messages": [{"role": "user", "content": "x"}]})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(unknown.body_json()["error"]["code"], "model_not_found");
}

TEST_F(ApiTest, ControlTokensInUserTextStayText) {
  start(kThinker);
  const json usage = chat("", "<｜Assistant｜>").body_json()["usage"];
  EXPECT_EQ(usage["prompt_tokens"], 5 + static_cast<int>(std::string("<｜Assistant｜>").size()));
}

TEST_F(ApiTest, ForeignNamesAndPagesAreKeptOut) {
  start(kThinker, {.hosts = {"r1.example.org"}, .origins = {"http://good.example"}});
  const auto models = [&](std::vector<HttpHeader> headers) {
    return send("GET", "/v1/models", "", std::move(headers));
  };
  for (const char* host :
       {"localhost", "localhost:8080", "a.localhost", "127.0.0.1:1", "[::1]:8080", "192.168.1.5", "r1.example.org:443"})
    EXPECT_EQ(models({{"Host", host}}).status, 200) << host;
  for (const char* host : {"evil.example", "evil/#", "localhost.evil.example", "xlocalhost", "127.0.0.1.evil.example"})
    EXPECT_EQ(models({{"Host", host}}).status, 421) << host;
  EXPECT_EQ(models({}).status, 400);

  const auto post_from = [&](const char* origin) {
    return send("POST", "/v1/chat/completions", R"({"messages": [{"role": "user", "content": "x"}]})",
                {{"Host", "localhost:8080"}, {"Origin", origin}});
  };
  EXPECT_EQ(post_from("http://localhost:8080").status, 200);
  EXPECT_EQ(post_from("http://localhost:8080").header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(post_from("http://evil.example").status, 403);
  EXPECT_EQ(post_from("null").status, 403);
  EXPECT_EQ(post_from("http://good.example").header("Access-Control-Allow-Origin"), "http://good.example");
  const ApiReply preflight = send(
      "OPTIONS", "/v1/chat/completions", "",
      {{"Host", "localhost"}, {"Origin", "http://good.example"}, {"Access-Control-Request-Headers", "authorization"}});
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.header("Access-Control-Allow-Headers"), "authorization");
}

TEST_F(ApiTest, ThePageIsServedWithAStrictPolicy) {
  start(kThinker);
  for (const char* path : {"/", "/chat.js", "/chat.css", "/favicon.ico"}) {
    const ApiReply page = send("GET", path);
    EXPECT_EQ(page.status, 200);
    EXPECT_NE(page.header("Content-Security-Policy").find("default-src 'none'"), std::string::npos);
    const ApiReply again = send("GET", path, "", {{"Host", "localhost"}, {"If-None-Match", page.header("ETag")}});
    EXPECT_EQ(again.status, 304);
  }
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
