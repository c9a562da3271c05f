// hostile_bodies_test.cpp: bodies made to hurt: each is answered with an error of ours, and memory does not follow the
// numbers in them.
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "serve/api_server.h"
#include "serve/script_model.h"

namespace r1 {
namespace {

using nlohmann::json;

std::string repeated(std::string_view text, int n) {
  std::string all;
  for (int i = 0; i < n; ++i) all += text;
  return all;
}

class HostileBodies : public ::testing::Test {
 protected:
  // The status, and for what is taken 200.
  int status(const std::string& body) {
    const HttpRequest request{"POST", "/v1/chat/completions", "", "1.1", {{"Host", "localhost"}}, body};
    HttpReply reply = api.handle(request, HttpWaker(nullptr));
    if (auto* deferred = std::get_if<std::unique_ptr<HttpDeferred>>(&reply)) {
      std::optional<HttpResponse> response;
      while (!(response = (*deferred)->advance())) std::this_thread::yield();
      reply = *std::move(response);
    }
    return std::get<HttpResponse>(reply).status;
  }
  int with(const std::string& member) {
    return status(R"({"messages": [{"role": "user", "content": "hi"}], )" + member + "}");
  }
  int with_schema(const std::string& schema) {
    return with(R"("response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": )" + schema +
                "}}");
  }

  std::unique_ptr<ScriptModel> model =
      *ScriptModel::from_script(*Script::parse(R"({"answers": [{"steps": [{"text": "</think>{}"}]}]})", "test"));
  ApiServer api{std::vector{model->served()}};
};

TEST_F(HostileBodies, NumbersTypesAndDepthsAreRefused) {
  EXPECT_EQ(with("\"seed\": 1"), 200);
  for (const char* member : {"\"n\": 1000000000",
                             "\"n\": 9223372036854775808",
                             "\"n\": 0",
                             "\"n\": 1e400",
                             "\"max_tokens\": -1",
                             "\"max_tokens\": 9223372036854775808",
                             "\"max_tokens\": 1.5",
                             "\"max_tokens\": \"8\"",
                             "\"max_tokens\": true",
                             "\"temperature\": 1e400",
                             "\"temperature\": -1e-300",
                             "\"temperature\": NaN",
                             "\"top_logprobs\": 1e9",
                             "\"max_thinking_tokens\": -9223372036854775808",
                             "\"stop\": [[]]",
                             "\"stream\": \"yes\"",
                             "\"tools\": {}",
                             "\"logit_bias\": {\"-1\": 1}",
                             "\"logit_bias\": {\"1\": 1e400}",
                             "\"logit_bias\": {\"99999999999999999999\": 1}",
                             "\"messages\": null",
                             "\"messages\": [null]",
                             "\"thinking\": []",
                             "\"response_format\": []"}) {
    const int got = with(member);
    EXPECT_TRUE(got == 400 || got == 422) << member << ": " << got;
  }
  EXPECT_EQ(with("\"tool_choice\": null"), 200) << "null is absent";
  for (const std::string& body : {std::string("[]"), std::string("\"text\""), std::string("null"), std::string("1"),
                                  std::string(), repeated("[", 10'000), repeated("{\"a\":", 10'000),
                                  "{\"messages\": " + repeated("[", 10'000) + repeated("]", 10'000) + "}",
                                  std::string("{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\xfe\"}]}"),
                                  std::string("{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}")}) {
    EXPECT_EQ(status(body), 400) << body.substr(0, 60);
  }
}

// What a number asks for is not taken before it is refused.
TEST_F(HostileBodies, MemoryFollowsTheBodyNotItsNumbers) {
  const auto peak_kb = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  with("\"seed\": 1");
  const auto before_kb = peak_kb();
  for (int i = 0; i < 10; ++i) {
    for (const char* member : {"\"n\": 1000000000", "\"max_tokens\": 2147483647", "\"top_logprobs\": 2147483647",
                               "\"max_thinking_tokens\": 2147483647"})
      with(member);
    for (const char* schema :
         {R"({"type": "string", "minLength": 1000000})", R"({"type": "string", "maxLength": 2147483647})",
          R"({"type": "array", "minItems": 1000000000})", R"({"type": "string", "pattern": "a{1000000000}"})"})
      with_schema(schema);
  }
  EXPECT_LT(peak_kb() - before_kb, 200 << 10) << "kB";
  std::string biases;
  for (int i = 0; i < 100'000; ++i) biases += fmt::format("{}\"{}\": 1", i == 0 ? "" : ", ", i);
  const int got = with("\"logit_bias\": {" + biases + "}");
  EXPECT_TRUE(got == 400 || got == 422) << got;
}

TEST_F(HostileBodies, SchemasThatWouldNeverEndAreRefused) {
  EXPECT_EQ(with_schema(R"({"type": "object"})"), 200);
  std::string deep = "true", many;
  for (int i = 0; i < 1000; ++i) deep = "{\"items\": " + deep + "}";
  for (int i = 0; i < 100'000; ++i) many += fmt::format("{}\"v{}\"", i == 0 ? "" : ",", i);
  std::vector<std::string> schemas = {deep, "{\"enum\": [" + many + "]}"};
  for (const char* schema :
       {R"({"$ref": "#"})",
        R"({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})",
        R"({"$ref": "http://127.0.0.1/x"})", R"({"$ref": "file:///etc/passwd"})",
        R"({"type": "string", "minLength": 5, "maxLength": 4})"})
    schemas.emplace_back(schema);
  for (const char* pattern : {"((a{100}){100}){100}", "(a)\\\\1", "(?=a)"})
    schemas.push_back(fmt::format("{{\"type\": \"string\", \"pattern\": \"{}\"}}", pattern));
  for (const std::string& schema : schemas) {
    const int got = with_schema(schema);
    EXPECT_TRUE(got == 400 || got == 422) << schema.substr(0, 80) << ": " << got;
  }
  // Nothing backtracks here: what hangs a matcher elsewhere is an automaton of a few states.
  EXPECT_EQ(with_schema("{\"type\": \"string\", \"pattern\": \"(a+)+$\"}"), 200);
}

// Nothing of a caller's is a program: no template, no grammar, no expression beyond a schema's pattern.
TEST_F(HostileBodies, TemplatesAndGrammarsOfCallersAreNotLookedAt) {
  for (const char* member :
       {R"("chat_template": "{% for i in range(10**9) %}x{% endfor %}")", R"("chat_template_kwargs": {"x": "{{7*7}}"})",
        R"("grammar": "root ::= root root")", R"("guided_regex": "(a+)+$")", R"("guided_grammar": "x")",
        R"("structural_tag": {})", R"("logits_processors": ["os.system"])"})
    EXPECT_EQ(with(member), 200) << member;
}

}  // namespace
}  // namespace r1
