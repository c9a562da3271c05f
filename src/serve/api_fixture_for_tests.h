// api_fixture_for_tests.h: the API on a scripted engine, without a network: replies and streams as clients read them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "serve/api_server.h"
#include "serve/script_model.h"

namespace r1 {

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

inline constexpr std::string_view kThinker = R"({"model": "r1", "answers": [{"cached_tokens": 3, "steps": [
  {"text": "Let me see.\n</think>\n\nHello there, world!"}]}]})";

}  // namespace r1
