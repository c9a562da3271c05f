// openapi_test.cpp: the document names all that the server takes, and nothing else. That it is a valid one, and true,
// is for tests/e2e/openapi_test.mjs, which has a validator that others wrote.
#include "serve/openapi.h"

#include <gtest/gtest.h>

#include <set>

#include <nlohmann/json.hpp>

#include "serve/api_server.h"
#include "serve/parameters.h"
#include "serve/script_model.h"

namespace r1 {
namespace {

using nlohmann::json;

class OpenapiTest : public ::testing::Test {
 protected:
  OpenapiTest()
      : model_(*ScriptModel::from_script(*Script::parse(R"({"answers": [{"steps": [{"text": "x"}]}]})", "test"))),
        api_({model_->served()}) {}

  HttpResponse send(std::string_view method, std::string_view path) {
    const HttpRequest request{std::string(method), std::string(path), "", "1.1", {{"Host", "localhost"}}, ""};
    return std::get<HttpResponse>(api_.handle(request, HttpWaker(nullptr)));
  }
  json document() { return json::parse(send("GET", "/openapi.json").body); }

  std::unique_ptr<ScriptModel> model_;
  ApiServer api_;
};

TEST_F(OpenapiTest, NamesTheParametersThatAreReadAndNoOthers) {
  const json schemas = document()["components"]["schemas"];
  const auto names_in = [&](const char* schema) {
    std::set<std::string> names;
    for (const auto& [name, value] : schemas[schema]["properties"].items()) {
      EXPECT_TRUE(value.contains("type") || value.contains("anyOf")) << name;
      EXPECT_NE(value["description"], "") << name;
      names.insert(name);
    }
    return names;
  };
  const auto names_of = [](std::span<const Parameter> parameters) {
    std::set<std::string> names;
    for (const Parameter& parameter : parameters) names.insert(std::string(parameter.name));
    return names;
  };
  EXPECT_EQ(names_in("ChatCompletionRequest"), names_of(chat_parameters()));
  EXPECT_EQ(names_in("CompletionRequest"), names_of(text_parameters()));
}

TEST_F(OpenapiTest, EveryOperationHasWordsAndAUniqueNameAndIsServed) {
  std::set<std::string> ids;
  const json paths = document()["paths"];
  for (const auto& [path, operations] : paths.items()) {
    for (const auto& [method, operation] : operations.items()) {
      EXPECT_NE(operation["summary"], "") << method << " " << path << ": openapi.cpp has no words for it";
      EXPECT_TRUE(ids.insert(operation["operationId"]).second) << operation["operationId"];
      std::string wanted = method;
      for (char& c : wanted) c = static_cast<char>(c & ~0x20);
      const HttpResponse options = send("OPTIONS", path);
      ASSERT_EQ(options.status, 204) << path;
      EXPECT_NE(options.headers.at(0).value.find(wanted), std::string::npos) << path;
    }
  }
  EXPECT_TRUE(paths.contains("/beta/models/{name}") && paths.contains("/v1/chat/completions") && paths.contains("/"));
}

TEST_F(OpenapiTest, EveryStatusOfAnErrorIsDescribed) {
  const json responses = document()["components"]["responses"];
  for (const int status : {400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429, 431, 500, 503})
    EXPECT_TRUE(responses.contains(std::to_string(status))) << status;
}

}  // namespace
}  // namespace r1
