// reasoning_splitter_test.cpp: what is thinking and what is answer, for every way of cutting the stream.
#include "text/reasoning_splitter.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

using Start = ReasoningSplitter::Start;

struct Pieces {
  SplitText text;
  bool in_thinking = false;  // before finish()
};

Pieces split(Start start, const std::vector<std::string_view>& pieces) {
  ReasoningSplitter splitter(start);
  Pieces result;
  const auto append = [&](const SplitText& out) {
    // Once something is answer, nothing more is thinking.
    EXPECT_TRUE(result.text.answer.empty() || out.thinking.empty());
    result.text.thinking += out.thinking;
    result.text.answer += out.answer;
  };
  for (const std::string_view piece : pieces) append(splitter.feed(piece));
  result.in_thinking = splitter.in_thinking();
  append(splitter.finish());
  return result;
}

struct SplitCase {
  Start start;
  std::string text, thinking, answer;
};

const SplitCase kCases[] = {
    // The template gave <think>.
    {Start::kThinking, "Okay.\n</think>\n\nHi", "Okay.", "Hi"},
    {Start::kThinking, "\nOkay.\n\n</think>\n\nHi\n", "Okay.", "Hi\n"},
    {Start::kThinking, "</think>Hi", "", "Hi"},
    {Start::kThinking, "\n\n</think>\n\nHi", "", "Hi"},
    {Start::kThinking, "a\n\nb </think> x", "a\n\nb ", " x"},
    {Start::kThinking, "a</think>\r\n    code", "a", "    code"},
    // It repeats the template's tag.
    {Start::kThinking, "<think>\na</think>b", "a", "b"},
    {Start::kThinking, "\n<think>\na</think>b", "a", "b"},
    {Start::kThinking, "<thin>a</think>b", "<thin>a", "b"},
    {Start::kThinking, "  a</think>b", "  a", "b"},
    {Start::kThinking, "\n  a</think>b", "  a", "b"},
    {Start::kThinking, "\n \na</think>b", " \na", "b"},
    // Never closed.
    {Start::kThinking, "Okay. Let", "Okay. Let", ""},
    {Start::kThinking, "Okay.\n\n", "Okay.\n\n", ""},
    {Start::kThinking, "Okay </thin", "Okay </thin", ""},
    {Start::kThinking, "Okay\n</thin", "Okay\n</thin", ""},
    {Start::kThinking, "", "", ""},
    {Start::kThinking, "\n", "\n", ""},
    {Start::kThinking, "<thi", "<thi", ""},
    // Nearly a tag.
    {Start::kThinking, "a < b </ think> <</think>c", "a < b </ think> <", "c"},
    {Start::kThinking, "a\n<</think\n></think>\nc", "a\n<</think\n>", "c"},
    {Start::kThinking, "</</think>c", "</", "c"},
    {Start::kThinking, "<</think>c", "<", "c"},
    {Start::kThinking, "<think</think>c", "<think", "c"},
    // Only the first </think> counts.
    {Start::kThinking, "a</think>b</think>\nc<think>d", "a", "b</think>\nc<think>d"},
    // The model decides.
    {Start::kUndecided, "<think>\na\n</think>\n\nb", "a", "b"},
    {Start::kUndecided, " \n<think>a</think>b", "a", "b"},
    {Start::kUndecided, "Hi <think>a</think>", "", "Hi <think>a</think>"},
    {Start::kUndecided, "\n Hi", "", "\n Hi"},
    {Start::kUndecided, "<thinking>", "", "<thinking>"},
    {Start::kUndecided, "\n<thi", "", "\n<thi"},
    {Start::kUndecided, "<<think>", "", "<<think>"},
    {Start::kUndecided, " ", "", " "},
    {Start::kUndecided, "", "", ""},
    {Start::kUndecided, "<think>a", "a", ""},
    {Start::kUndecided, "a</think>b", "", "a</think>b"},
    // No thinking: exactly the text.
    {Start::kAnswer, "\n<think>\na</think>\n\nb", "", "\n<think>\na</think>\n\nb"},
    // Characters of several bytes.
    {Start::kThinking, "想\n</think>\n答", "想", "答"},
};

TEST(ReasoningSplitter, SplitsAsTheModelMeant) {
  for (const SplitCase& c : kCases) {
    const Pieces got = split(c.start, {c.text});
    EXPECT_EQ(got.text.thinking, c.thinking) << c.text;
    EXPECT_EQ(got.text.answer, c.answer) << c.text;
  }
}

TEST(ReasoningSplitter, HoweverTheStreamIsCut) {
  for (const SplitCase& c : kCases) {
    const std::string_view text = c.text;
    std::vector<std::vector<std::string_view>> cuts;
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
    cuts.push_back(bytes);
    for (std::size_t i = 0; i <= text.size(); ++i) {
      for (std::size_t j = i; j <= text.size(); ++j)
        cuts.push_back({text.substr(0, i), text.substr(i, j - i), text.substr(j)});
    }
    for (const auto& cut : cuts) {
      const Pieces got = split(c.start, cut);
      EXPECT_EQ(got.text.thinking, c.thinking) << c.text;
      EXPECT_EQ(got.text.answer, c.answer) << c.text;
    }
  }
}

TEST(ReasoningSplitter, EveryShortTextOfTagPartsHoweverItIsCut) {
  const std::string_view parts[] = {"<think>", "</think>", "\n", "<", "</th", "a", " "};
  constexpr int kParts = 7, kLength = 4;
  for (const Start start : {Start::kThinking, Start::kUndecided}) {
    for (int code = 0; code < kParts * kParts * kParts * kParts; ++code) {
      std::string text;
      for (int i = 0, rest = code; i < kLength; ++i, rest /= kParts) text += parts[rest % kParts];
      const Pieces whole = split(start, {text});
      std::vector<std::string_view> bytes;
      for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(std::string_view(text).substr(i, 1));
      const Pieces one_by_one = split(start, bytes);
      ASSERT_EQ(whole.text.thinking, one_by_one.text.thinking) << text;
      ASSERT_EQ(whole.text.answer, one_by_one.text.answer) << text;
      ASSERT_EQ(whole.in_thinking, one_by_one.in_thinking) << text;
    }
  }
}

TEST(ReasoningSplitter, WhatCannotBeATagIsNotHeldBack) {
  ReasoningSplitter splitter(Start::kThinking);
  EXPECT_EQ(splitter.feed("Okay, so").thinking, "Okay, so");
  EXPECT_EQ(splitter.feed(" 1 < 2").thinking, " 1 < 2");
  EXPECT_EQ(splitter.feed(" </th").thinking, " ");
  EXPECT_EQ(splitter.feed("e").thinking, "</the");
  EXPECT_TRUE(splitter.in_thinking());
  EXPECT_FALSE(splitter.has_thought());
  EXPECT_EQ(splitter.feed("</think>x").answer, "x");
  EXPECT_FALSE(splitter.in_thinking());
  EXPECT_TRUE(splitter.has_thought());
}

TEST(ReasoningSplitter, AContinuedThoughtKeepsItsFirstNewlines) {
  ReasoningSplitter splitter(ReasoningSplitter::Start::kInThought);
  SplitText out;
  for (const char* piece : {"\n\n<think", "> so.\n</th", "ink>\nYes"}) {
    EXPECT_TRUE(splitter.in_thinking());
    const SplitText delta = splitter.feed(piece);
    out.thinking += delta.thinking;
    out.answer += delta.answer;
  }
  EXPECT_EQ(out.thinking, "\n\n<think> so.");
  EXPECT_EQ(out.answer, "Yes");
}

}  // namespace
}  // namespace r1
