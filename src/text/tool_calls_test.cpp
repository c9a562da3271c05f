// tool_calls_test.cpp: calls found in answers, the same for every way of cutting them.
#include "text/tool_calls.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

struct Parsed {
  std::string text;
  std::vector<ToolCallDelta> calls;  // put together
  bool operator==(const Parsed& other) const {
    return text == other.text && calls.size() == other.calls.size() &&
           std::equal(calls.begin(), calls.end(), other.calls.begin(), [](const auto& a, const auto& b) {
             return a.index == b.index && a.name == b.name && a.arguments == b.arguments;
           });
  }
};

Parsed parse(const ToolSyntax& syntax, const std::vector<std::string_view>& pieces) {
  ToolCallParser parser(syntax);
  Parsed parsed;
  for (const std::string_view piece : pieces) {
    std::vector<ToolCallDelta> deltas;
    parsed.text += parser.feed(piece, deltas);
    for (const ToolCallDelta& delta : deltas) {
      if (!delta.name.empty()) {
        EXPECT_EQ(delta.index, static_cast<int>(parsed.calls.size()));
        parsed.calls.push_back({delta.index, delta.name, ""});
      }
      parsed.calls.back().arguments += delta.arguments;
    }
  }
  parsed.text += parser.finish();
  return parsed;
}

std::string call_text(const ToolSyntax& s, std::string_view name, std::string_view arguments) {
  std::string text;
  for (const std::string_view part : {s.before_name, name, s.before_arguments, arguments, s.after_arguments})
    text += part;
  return text;
}

// Whole, in single bytes, and in two pieces cut anywhere.
Parsed parse_all_ways(const ToolSyntax& syntax, std::string_view text) {
  const Parsed whole = parse(syntax, {text});
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  EXPECT_EQ(parse(syntax, bytes), whole) << text;
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(parse(syntax, {text.substr(0, cut), text.substr(cut)}), whole) << text << " at " << cut;
  return whole;
}

TEST(ToolCallParser, FindsCallsInEitherSyntax) {
  const std::string_view arguments = R"({"a": {"b": "}\"]{"}, "c": [1, {}]})";
  for (const ToolSyntax* s : {&kDeepSeekToolSyntax, &kTaggedToolSyntax}) {
    std::string text = "I look.\n\n" + std::string(s->open) + call_text(*s, "get_weather", arguments);
    text += std::string(s->between) + call_text(*s, "f-2", "{}") + std::string(s->close) + "\n";
    const Parsed parsed = parse_all_ways(*s, text);
    EXPECT_EQ(parsed.text, "I look.");
    ASSERT_EQ(parsed.calls.size(), 2u);
    EXPECT_EQ(parsed.calls[0].name, "get_weather");
    EXPECT_EQ(parsed.calls[0].arguments, arguments);
    EXPECT_EQ(parsed.calls[1].name, "f-2");
    EXPECT_EQ(parsed.calls[1].arguments, "{}");
  }
}

TEST(ToolCallParser, WhiteSpaceIsAsModelsWriteIt) {
  const Parsed parsed =
      parse_all_ways(kTaggedToolSyntax, "<tool_call>{\"name\":\"f\",\n  \"arguments\" : {\"x\": 1}  }  </tool_call>");
  ASSERT_EQ(parsed.calls.size(), 1u);
  EXPECT_EQ(parsed.calls[0].arguments, R"({"x": 1})");
  EXPECT_EQ(parsed.text, "");
}

TEST(ToolCallParser, WhatIsNoCallStaysText) {
  for (const std::string_view text :
       {"a < b", "", " \n x ", "<tool_call", "<tool_call>", "<tool_call>\n{\"nom\": 1}", "x <<tool_call>{}",
        "<tool_<tool_call>", "<tool_call>\n{\"name\": \"\", \"arguments\": {}}",
        "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>", "ends in space \n\n"}) {
    const Parsed parsed = parse_all_ways(kTaggedToolSyntax, text);
    EXPECT_EQ(parsed.text, text);
    EXPECT_TRUE(parsed.calls.empty());
  }
  const std::string_view empty_list = "<｜tool▁calls▁begin｜><｜tool▁calls▁end｜>";
  EXPECT_EQ(parse_all_ways(kDeepSeekToolSyntax, empty_list).text, empty_list);
}

TEST(ToolCallParser, ACallThatIsCutOffKeepsWhatItHad) {
  const Parsed parsed = parse_all_ways(kTaggedToolSyntax, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": \"ab");
  ASSERT_EQ(parsed.calls.size(), 1u);
  EXPECT_EQ(parsed.calls[0].arguments, R"({"x": "ab)");
  EXPECT_EQ(parsed.text, "");
}

TEST(ToolCallParser, TextBehindCallsIsText) {
  const std::string text = call_text(kTaggedToolSyntax, "f", "{}") + "\nDone.";
  const Parsed parsed = parse_all_ways(kTaggedToolSyntax, text);
  EXPECT_EQ(parsed.calls.size(), 1u);
  EXPECT_EQ(parsed.text, "\nDone.");
}

}  // namespace
}  // namespace r1
