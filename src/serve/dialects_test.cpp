// dialects_test.cpp: bodies of the Messages and the Responses API, and the chat completions that say the same.
#include "serve/dialects.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/ordered_json.h"

namespace r1 {
namespace {

using Translate = std::variant<OrderedJson, ApiError> (*)(const OrderedJson&);

std::string chat_of(Translate translate, std::string_view body) {
  const auto chat = translate(parse_ordered_json(body, "test").value());
  const auto* error = std::get_if<ApiError>(&chat);
  return error != nullptr ? "refused: " + error->param : std::get<OrderedJson>(chat).dump();
}
std::string messages(std::string_view body) { return chat_of(chat_of_messages, body); }
std::string responses(std::string_view body) { return chat_of(chat_of_responses, body); }

std::string compact(std::string_view text) { return OrderedJson::parse(text).dump(); }

TEST(Messages, TextAndLimitsAreTheChats) {
  EXPECT_EQ(messages(R"({"model": "m", "max_tokens": 7, "temperature": 0.5, "stream": true, "stop_sequences": ["a"],
                         "system": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}],
                         "messages": [{"role": "user", "content": "hi"}], "metadata": {"user_id": "u"}})"),
            compact(R"({"model": "m", "max_tokens": 7, "temperature": 0.5, "stream": true, "stop": ["a"],
                        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]})"));
}

TEST(Messages, BlocksOfToolsBecomeCallsAndResults) {
  EXPECT_EQ(messages(R"({"max_tokens": 1, "messages": [
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": ""},
        {"type": "text", "text": "Let me see."}, {"type": "tool_use", "id": "1", "name": "f", "input": {"b": 1, "a": 2}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "rain"}]},
        {"type": "text", "text": "And?"}]}]})"),
            compact(R"({"max_tokens": 1, "messages": [
      {"role": "assistant", "content": "Let me see.",
       "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{\"b\":1,\"a\":2}"}}]},
      {"role": "tool", "content": "rain"}, {"role": "user", "content": "And?"}]})"));
}

TEST(Messages, AnAnswerThatIsBegunIsGoneOnWith) {
  const std::string chat = messages(R"({"max_tokens": 1, "messages": [
      {"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hel"}]})");
  EXPECT_NE(chat.find(R"({"role":"assistant","content":"Hel","prefix":true})"), std::string::npos) << chat;
}

TEST(Messages, ToolsKeepTheOrderOfTheirSchemas) {
  EXPECT_EQ(messages(R"({"max_tokens": 1, "messages": [], "thinking": {"type": "enabled", "budget_tokens": 9},
      "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"z": {}, "a": {}}}}],
      "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true}})"),
            compact(R"({"max_tokens": 1, "messages": [],
      "tools": [{"type": "function", "function": {"name": "f",
                 "parameters": {"type": "object", "properties": {"z": {}, "a": {}}}}}],
      "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
      "thinking": {"type": "enabled"}, "max_thinking_tokens": 9})"));
}

TEST(Messages, WhatCannotBeSaidIsNamed) {
  EXPECT_EQ(messages(R"([])"), "refused: ");
  EXPECT_EQ(messages(R"({"messages": []})"), "refused: max_tokens");
  EXPECT_EQ(messages(R"({"max_tokens": 1})"), "refused: messages");
  const auto with = [](const std::string& message) {
    return messages(R"({"max_tokens": 1, "messages": [)" + message + "]}");
  };
  EXPECT_EQ(with(R"({"role": "system", "content": "x"})"), "refused: messages[0].role");
  EXPECT_EQ(with(R"({"role": "user"})"), "refused: messages[0].content");
  EXPECT_EQ(with(R"({"role": "user", "content": [{"type": "image"}]})"), "refused: messages[0].content[0].type");
  EXPECT_EQ(with(R"({"role": "user", "content": ["x"]})"), "refused: messages[0].content[0].type");
  EXPECT_EQ(with(R"({"role": "user", "content": [{"type": "thinking"}]})"), "refused: messages[0].content[0].type");
  EXPECT_EQ(messages(R"({"max_tokens": 1, "messages": [], "tool_choice": {"type": "x"}})"),
            "refused: tool_choice.type");
}

TEST(Responses, InputIsTextOrItems) {
  EXPECT_EQ(responses(R"({"model": "m", "input": "hi", "instructions": "Be brief.", "max_output_tokens": 5,
                          "reasoning": {"effort": "low"}, "store": true})"),
            compact(R"({"model": "m", "max_tokens": 5, "reasoning_effort": "low",
                        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]})"));
  EXPECT_EQ(responses(R"({"input": [
      {"role": "user", "content": [{"type": "input_text", "text": "Will it rain?"}]},
      {"type": "reasoning", "summary": []},
      {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
      {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
      {"type": "function_call_output", "call_id": "1", "output": "rain"}]})"),
            compact(R"({"messages": [{"role": "user", "content": "Will it rain?"},
      {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"type": "function", "function": {"name": "g", "arguments": "{}"}}]},
      {"role": "tool", "content": "rain"}]})"));
}

TEST(Responses, FormsAndToolsAreNestedAsTheChatHasThem) {
  EXPECT_EQ(
      responses(
          R"({"input": "json", "text": {"format": {"type": "json_schema", "name": "n", "schema": {"b": 1, "a": 2}}},
      "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": true}],
      "tool_choice": {"type": "function", "name": "f"}})"),
      compact(R"({"messages": [{"role": "user", "content": "json"}],
      "tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": true}}],
      "tool_choice": {"type": "function", "function": {"name": "f"}},
      "response_format": {"type": "json_schema", "json_schema": {"schema": {"b": 1, "a": 2}}}})"));
}

TEST(Responses, WhatCannotBeSaidIsNamed) {
  EXPECT_EQ(responses(R"({})"), "refused: input");
  EXPECT_EQ(responses(R"({"input": "x", "previous_response_id": "r"})"), "refused: previous_response_id");
  EXPECT_EQ(responses(R"({"input": "x", "background": true})"), "refused: background");
  EXPECT_EQ(responses(R"({"input": [{"type": "item_reference"}]})"), "refused: input[0].type");
  EXPECT_EQ(responses(R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})"),
            "refused: input[0].content[0].type");
  EXPECT_EQ(responses(R"({"input": "x", "tools": [{"type": "web_search"}]})"), "refused: tools[0].type");
}

}  // namespace
}  // namespace r1
