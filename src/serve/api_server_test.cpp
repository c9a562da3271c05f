// api_server_test.cpp: what clients see beside answers: errors, waiting, routes, the page. The engine is scripted.
#include "serve/api_server.h"

#include "base/bounded_queue.h"
#include "serve/answer_reply.h"
#include "serve/api_fixture_for_tests.h"

namespace r1 {
namespace {

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

}  // namespace
}  // namespace r1
