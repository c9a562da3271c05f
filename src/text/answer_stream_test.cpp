// answer_stream_test.cpp: ids in, thinking and answer out, and what is counted on the way.
#include "text/answer_stream.h"

#include <gtest/gtest.h>

#include "tests/vocabularies.h"

namespace r1 {
namespace {

using Start = ReasoningSplitter::Start;

class AnswerStreamTest : public testing::Test {
 protected:
  struct Outcome {
    SplitText text;
    int n_fed = 0;
  };
  // Feeds until the stream stops, as the server does.
  Outcome run(AnswerStream& stream, std::string_view text) {
    Outcome outcome;
    const auto append = [&](const SplitText& delta) {
      outcome.text.thinking += delta.thinking;
      outcome.text.answer += delta.answer;
    };
    for (const int id : tokenizer_.encode_with_control_tokens(text)) {
      append(stream.feed(id));
      ++outcome.n_fed;
      if (stream.stopped()) break;
    }
    append(stream.finish());
    return outcome;
  }

  Tokenizer tokenizer_ = Tokenizer::from_vocabulary(small_vocabulary()).value();
};

TEST_F(AnswerStreamTest, CountsTokensUpToTheClosingTagAsReasoning) {
  AnswerStream stream(tokenizer_, Start::kThinking);
  const Outcome outcome = run(stream, "hello\n</think>\n\nthe<｜end▁of▁sentence｜>");
  EXPECT_EQ(outcome.text.thinking, "hello");
  EXPECT_EQ(outcome.text.answer, "the");
  EXPECT_EQ(stream.reasoning_tokens(), 3) << "hello, the line feed, </think>";
  EXPECT_EQ(stream.completion_tokens(), 7) << "the end token among them";
}

TEST_F(AnswerStreamTest, CountsAllTokensAsReasoningWhileTheThinkingIsOpen) {
  AnswerStream stream(tokenizer_, Start::kThinking);
  run(stream, "hello\nthe");
  EXPECT_EQ(stream.reasoning_tokens(), 3);
  EXPECT_TRUE(stream.in_thinking());
}

TEST_F(AnswerStreamTest, CountsTheOpeningTagOfAModelThatDecides) {
  AnswerStream thinks(tokenizer_, Start::kUndecided), answers(tokenizer_, Start::kUndecided);
  run(thinks, "\n<think>hello</think>the");
  EXPECT_EQ(thinks.reasoning_tokens(), 4);
  run(answers, "hello</think>");
  EXPECT_EQ(answers.reasoning_tokens(), 0);
}

TEST_F(AnswerStreamTest, StopStringsSleepUntilTheThinkingIsOver) {
  AnswerStream stream(tokenizer_, Start::kThinking, {"hello"});
  const Outcome outcome = run(stream, "hello the</think>the hello the");
  EXPECT_EQ(outcome.text.thinking, "hello the");
  EXPECT_EQ(outcome.text.answer, "the ");
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.stop_string(), "hello");
  EXPECT_EQ(stream.completion_tokens(), outcome.n_fed);
  EXPECT_EQ(stream.feed('x').answer, "") << "tokens that were under way";
  EXPECT_EQ(stream.completion_tokens(), outcome.n_fed);
}

TEST_F(AnswerStreamTest, NewlinesDroppedAfterTheTagCannotStop) {
  AnswerStream stream(tokenizer_, Start::kThinking, {"\n\n"});
  EXPECT_EQ(run(stream, "a</think>\n\nb\n\nc").text.answer, "b");
}

TEST_F(AnswerStreamTest, ACharacterCutOffAtTheEndIsShownAsBroken) {
  AnswerStream stream(tokenizer_, Start::kAnswer);
  EXPECT_EQ(run(stream, "a\xE4\xB8").text.answer, "a\uFFFD");
}

TEST_F(AnswerStreamTest, WithoutStopStringsNothingOfAnAnswerIsHeldBack) {
  AnswerStream stream(tokenizer_, Start::kAnswer);
  for (const char c : std::string_view("a\n<think>")) {
    EXPECT_EQ(stream.feed(c).answer, std::string(1, c));
  }
}

}  // namespace
}  // namespace r1
