// parameters_test.cpp: what requests may say, and how a wrong one is told.
#include "serve/parameters.h"

#include <gtest/gtest.h>

#include <set>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "serve/form_parameters.h"

namespace r1 {
namespace {

struct ReadParameters {
  std::optional<ApiError> error;
  CompletionRequest request;
};

ReadParameters read_chat(std::string_view extra) {
  const std::string body = R"({"messages": [{"role": "user", "content": "hi"}])" + std::string(extra) + "}";
  ReadParameters outcome;
  outcome.request.sampling.temperature = 0.6f;
  outcome.error = read_parameters(*parse_json(body, "body"), chat_parameters(), outcome.request);
  return outcome;
}

ReadParameters read_body(std::string_view body, std::span<const Parameter> parameters) {
  ReadParameters outcome;
  outcome.error = read_parameters(*parse_json(body, "body"), parameters, outcome.request);
  return outcome;
}

TEST(Parameters, EveryOneOfThemArrives) {
  const auto [error, request] = read_chat(R"(, "model": "m", "stream": true, "stream_options": {"include_usage": true},
    "max_tokens": 7, "n": 3, "stop": ["a", "b"], "seed": -5, "temperature": 0, "top_p": 0.5, "top_k": 40, "min_p": 0.1,
    "presence_penalty": -2, "frequency_penalty": 2, "repetition_penalty": 1.1, "logit_bias": {"3": -100, "4": 1.5},
    "logprobs": true, "top_logprobs": 5, "response_format": {"type": "text"}, "tool_choice": "auto", "user": "u",
    "unheard_of": {"x": [1]}, "max_completion_tokens": 9)");
  ASSERT_FALSE(error) << error->message;
  EXPECT_EQ(request.model, "m");
  EXPECT_TRUE(request.stream && request.include_usage && request.logprobs);
  EXPECT_EQ(request.max_tokens, 9) << "max_completion_tokens wins";
  EXPECT_EQ(request.n, 3);
  EXPECT_EQ(request.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request.seed, -5);
  EXPECT_EQ(request.sampling.temperature, 0.0f);
  EXPECT_EQ(request.sampling.top_p, 0.5f);
  EXPECT_EQ(request.sampling.top_k, 40);
  EXPECT_EQ(request.sampling.min_p, 0.1f);
  EXPECT_EQ(request.sampling.presence_penalty, -2.0f);
  EXPECT_EQ(request.sampling.frequency_penalty, 2.0f);
  EXPECT_EQ(request.sampling.repetition_penalty, 1.1f);
  ASSERT_EQ(request.sampling.logit_bias.size(), 2u);
  EXPECT_EQ(request.sampling.logit_bias[1].bias, 1.5f);
  EXPECT_EQ(request.n_top_logprobs, 5);
}

TEST(Parameters, ToolsAndFormatsArriveInTheOrderTheyWereSent) {
  const std::string body = R"({"messages": [{"role": "user", "content": "hi"}], "tool_choice": {"type": "function",
    "function": {"name": "g"}}, "parallel_tool_calls": false, "response_format": {"type": "json_schema", "json_schema":
    {"name": "n", "schema": {"type": "object", "properties": {"z": true, "a": true}}}}, "tools": [{"type": "function",
    "function": {"name": "f", "description": "d", "strict": true, "parameters": {"z": 1, "a": 2}}}, {"type": "function",
    "function": {"name": "g"}}]})";
  auto [error, request] = read_body(body, chat_parameters());
  ASSERT_FALSE(error) << error->message;
  keep_schema_order(body, request);
  EXPECT_EQ(request.response_format, ResponseFormat::kJsonSchema);
  EXPECT_EQ(request.response_schema, R"({"type":"object","properties":{"z":true,"a":true}})");
  ASSERT_EQ(request.tools.size(), 2u);
  EXPECT_EQ(request.tools[0].parameters, R"({"z":1,"a":2})");
  EXPECT_TRUE(request.tools[0].is_strict);
  EXPECT_EQ(request.tools[0].description, "d");
  EXPECT_EQ(request.tools[1].parameters, R"({"type":"object","properties":{}})");
  EXPECT_EQ(request.tool_choice, ToolChoice::kRequired);
  EXPECT_EQ(request.tool_name, "g");
  EXPECT_FALSE(request.parallel_tool_calls);
}

TEST(Parameters, NullAndAbsentLeaveTheDefault) {
  std::string nulls;
  for (const Parameter& parameter : chat_parameters())
    if (!parameter.is_required) nulls += ", \"" + std::string(parameter.name) + "\": null";
  const auto [error, request] = read_chat(nulls);
  ASSERT_FALSE(error) << error->message;
  EXPECT_EQ(request.sampling.temperature, 0.6f);
  EXPECT_EQ(request.n, 1);
}

TEST(Parameters, WrongOnesAreNamed) {
  struct Case {
    const char* extra;
    int status;
    const char* param;
  };
  const Case kCases[] = {
      {R"(, "temperature": "0.5")", 400, "temperature"},
      {R"(, "temperature": 2.5)", 422, "temperature"},
      {R"(, "temperature": -0.1)", 422, "temperature"},
      {R"(, "top_p": 1.1)", 422, "top_p"},
      {R"(, "top_k": 1.5)", 400, "top_k"},
      {R"(, "top_k": -2)", 422, "top_k"},
      {R"(, "min_p": true)", 400, "min_p"},
      {R"(, "presence_penalty": 3)", 422, "presence_penalty"},
      {R"(, "frequency_penalty": [])", 400, "frequency_penalty"},
      {R"(, "repetition_penalty": 0)", 422, "repetition_penalty"},
      {R"(, "max_tokens": -1)", 422, "max_tokens"},
      {R"(, "max_tokens": 0)", 422, "max_tokens"},
      {R"(, "max_tokens": 1.5)", 400, "max_tokens"},
      {R"(, "max_tokens": "8")", 400, "max_tokens"},
      {R"(, "max_tokens": 9223372036854775808)", 422, "max_tokens"},
      {R"(, "max_completion_tokens": 0)", 422, "max_completion_tokens"},
      {R"(, "n": 1000000000)", 422, "n"},
      {R"(, "n": 0)", 422, "n"},
      {R"(, "n": 9)", 422, "n"},
      {R"(, "stream": "yes")", 400, "stream"},
      {R"(, "stream_options": true)", 400, "stream_options"},
      {R"(, "stream_options": {"include_usage": 1})", 400, "stream_options.include_usage"},
      {R"(, "stop": 3)", 400, "stop"},
      {R"(, "stop": [3])", 400, "stop"},
      {R"(, "stop": "")", 422, "stop"},
      {R"(, "stop": ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17"])", 422, "stop"},
      {R"(, "seed": 1.5)", 400, "seed"},
      {R"(, "logit_bias": [1])", 400, "logit_bias"},
      {R"(, "logit_bias": {"a": 1})", 400, "logit_bias"},
      {R"(, "logit_bias": {"-1": 1})", 400, "logit_bias"},
      {R"(, "logit_bias": {"99999999999999": 1})", 400, "logit_bias"},
      {R"(, "logit_bias": {"1": "x"})", 400, "logit_bias"},
      {R"(, "logit_bias": {"1": 101})", 422, "logit_bias"},
      {R"(, "logprobs": 1)", 400, "logprobs"},
      {R"(, "top_logprobs": 21, "logprobs": true)", 422, "top_logprobs"},
      {R"(, "top_logprobs": 2)", 400, "top_logprobs"},
      {R"(, "response_format": "json")", 400, "response_format"},
      {R"(, "response_format": {})", 400, "response_format.type"},
      {R"(, "response_format": {"type": "yaml"})", 422, "response_format.type"},
      {R"(, "response_format": {"type": "json_schema"})", 400, "response_format.json_schema"},
      {R"(, "response_format": {"type": "json_schema", "json_schema": {"schema": 1}})", 400,
       "response_format.json_schema.schema"},
      {R"(, "response_format": {"type": "json_object"})", 400, "messages"},
      {R"(, "tools": {})", 400, "tools"},
      {R"(, "tools": [1])", 400, "tools[0]"},
      {R"(, "tools": [{"type": "retrieval"}])", 400, "tools[0].type"},
      {R"(, "tools": [{"type": "function"}])", 400, "tools[0].function"},
      {R"(, "tools": [{"type": "function", "function": {"name": "a b"}}])", 400, "tools[0].function.name"},
      {R"(, "tools": [{"type": "function", "function": {"name": "f", "parameters": []}}])", 400,
       "tools[0].function.parameters"},
      {R"(, "tools": [{"type": "function", "function": {"name": "f", "strict": 1}}])", 400, "tools[0].function.strict"},
      {R"(, "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}])",
       400, "tools[1].function.name"},
      {R"(, "tool_choice": "required")", 400, "tool_choice"},
      {R"(, "tool_choice": "maybe")", 422, "tool_choice"},
      {R"(, "tool_choice": {"type": "function", "function": {"name": "f"}})", 400, "tool_choice"},
      {R"(, "parallel_tool_calls": 1)", 400, "parallel_tool_calls"},
      {R"(, "tool_choice": {"type": "function"})", 400, "tool_choice"},
      {R"(, "tool_choice": 1)", 400, "tool_choice"},
      {R"(, "model": 1)", 400, "model"},
      {R"(, "thinking": true)", 400, "thinking"},
      {R"(, "thinking": {})", 400, "thinking.type"},
      {R"(, "thinking": {"type": "auto"})", 422, "thinking.type"},
      {R"(, "reasoning_effort": 3)", 400, "reasoning_effort"},
      {R"(, "reasoning_effort": "huge")", 422, "reasoning_effort"},
      {R"(, "max_thinking_tokens": -1)", 422, "max_thinking_tokens"},
      {R"(, "max_thinking_tokens": "8")", 400, "max_thinking_tokens"},
  };
  for (const Case& wrong : kCases) {
    const auto outcome = read_chat(wrong.extra);
    ASSERT_TRUE(outcome.error) << wrong.extra;
    EXPECT_EQ(outcome.error->status, wrong.status) << wrong.extra;
    EXPECT_EQ(outcome.error->param, wrong.param) << wrong.extra;
    EXPECT_NE(outcome.error->message.find(wrong.param), std::string::npos) << outcome.error->message;
  }
}

TEST(Parameters, EffortIsALimitAndExplicitOnesWin) {
  EXPECT_EQ(read_chat(R"(, "reasoning_effort": "low")").request.max_thinking_tokens, 2048);
  EXPECT_EQ(read_chat(R"(, "reasoning_effort": "high")").request.max_thinking_tokens, -1);
  EXPECT_EQ(read_chat(R"(, "max_thinking_tokens": 0, "reasoning_effort": "low")").request.max_thinking_tokens, 0);
  EXPECT_EQ(read_chat(R"(, "reasoning_effort": "none")").request.thinking, ThinkingMode::kOff);
  EXPECT_EQ(read_chat(R"(, "thinking": {"type": "enabled"}, "reasoning_effort": "none")").request.thinking,
            ThinkingMode::kOn);
  EXPECT_EQ(read_chat("").request.thinking, ThinkingMode::kModelsOwn);
}

TEST(Parameters, MessagesMayBeTextsPartsAndCalls) {
  const auto [error, request] = read_body(R"({"messages": [
    {"role": "developer", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "Ann"},
    {"role": "assistant", "content": null, "reasoning_content": "old", "tool_calls":
      [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "42"}]})",
                                          chat_parameters());
  ASSERT_FALSE(error) << error->message;
  ASSERT_EQ(request.messages.size(), 4u);
  EXPECT_EQ(request.messages[0].role, "system");
  EXPECT_EQ(request.messages[1].content, "ab");
  EXPECT_EQ(request.messages[2].tool_calls[0].name, "f");
  EXPECT_EQ(request.messages[3].content, "42");
}

TEST(Parameters, WrongMessagesAreNamedByTheirPlace) {
  const std::pair<const char*, const char*> kCases[] = {
      {R"({})", "messages"},
      {R"({"messages": null})", "messages"},
      {R"({"messages": "hi"})", "messages"},
      {R"({"messages": []})", "messages"},
      {R"({"messages": ["hi"]})", "messages[0]"},
      {R"({"messages": [{"content": "hi"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "robot", "content": "hi"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "user"}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": 3}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": ["hi"]}]})", "messages[0].content[0]"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})", "messages[0].content[0].type"},
      {R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})", "messages[0].content[0].text"},
      {R"({"messages": [{"role": "assistant", "reasoning_content": 1}]})", "messages[0].reasoning_content"},
      {R"({"messages": [{"role": "assistant", "prefix": "yes"}]})", "messages[0].prefix"},
      {R"({"messages": [{"role": "assistant", "tool_calls": 1}]})", "messages[0].tool_calls"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [1]}]})", "messages[0].tool_calls[0].function"},
  };
  for (const auto& [body, param] : kCases) {
    const auto outcome = read_body(body, chat_parameters());
    ASSERT_TRUE(outcome.error) << body;
    EXPECT_EQ(outcome.error->status, 400) << body;
    EXPECT_EQ(outcome.error->param, param);
  }
  EXPECT_EQ(read_body("[1]", chat_parameters()).error->status, 400);
}

TEST(Parameters, PromptsMayBeTextOrTokensOrOneOfThemInAnArray) {
  EXPECT_EQ(read_body(R"({"prompt": "a"})", text_parameters()).request.prompt, "a");
  EXPECT_EQ(read_body(R"({"prompt": ["a"]})", text_parameters()).request.prompt, "a");
  EXPECT_EQ(read_body(R"({"prompt": [1, 2]})", text_parameters()).request.prompt_ids, (std::vector<int>{1, 2}));
  EXPECT_EQ(read_body(R"({"prompt": [[1, 2]]})", text_parameters()).request.prompt_ids, (std::vector<int>{1, 2}));
  for (const char* body :
       {R"({})", R"({"prompt": []})", R"({"prompt": ["a", "b"]})", R"({"prompt": [1, "a"]})", R"({"prompt": [[[1]]]})",
        R"({"prompt": {}})", R"({"prompt": [[]]})", R"({"prompt": [1.5]})", R"({"prompt": [1], "suffix": "b"})",
        R"({"prompt": "a", "suffix": "b", "echo": true})", R"({"prompt": "a", "suffix": 1})",
        R"({"prompt": "a", "echo": true, "logprobs": 1, "n": 2})"})
    EXPECT_EQ(read_body(body, text_parameters()).error->status, 400) << body;
  EXPECT_EQ(read_body(R"({"prompt": [-1]})", text_parameters()).error->status, 422);
  EXPECT_EQ(read_body(R"({"prompt": "a", "logprobs": 21})", text_parameters()).error->status, 422);
  EXPECT_EQ(read_body(R"({"prompt": "a", "logprobs": 3})", text_parameters()).request.n_top_logprobs, 3);
}

TEST(Parameters, NamesAreUniqueAndSayWhatTheyMean) {
  for (const auto parameters : {chat_parameters(), text_parameters()}) {
    std::set<std::string_view> names;
    for (const Parameter& parameter : parameters) {
      EXPECT_TRUE(names.insert(parameter.name).second) << parameter.name;
      EXPECT_FALSE(parameter.meaning.empty()) << parameter.name;
    }
  }
}

TEST(Parameters, AnyJsonIsReadOrRefused) {
  Rng rng(11, 0);
  const char* const kValues[] = {"null", "true",  "0",      "-1", "1e308", "\"\"",          "\"x\"",
                                 "[]",   "[[]]",  "[null]", "{}", "0.5",   "{\"a\": null}", "[{\"role\": \"user\"}]",
                                 "1e15", "[1,{}]"};
  for (int round = 0; round < 3000; ++round) {
    const auto parameters = round % 2 == 0 ? chat_parameters() : text_parameters();
    std::string body = "{";
    for (const Parameter& parameter : parameters)
      if (rng.below(3) == 0)
        body += (body.size() > 1 ? ", \"" : "\"") + std::string(parameter.name) + "\": " + kValues[rng.below(16)];
    const auto outcome = read_body(body + "}", parameters);
    if (outcome.error) {
      EXPECT_TRUE(outcome.error->status == 400 || outcome.error->status == 422) << body;
    }
  }
}

}  // namespace
}  // namespace r1
