// graders_test.cpp: what answers are read as: fractions, expressions, formats, languages.
#include <gtest/gtest.h>

#include "tasks/expression.h"
#include "tasks/rational.h"
#include "tasks/reward.h"

namespace r1 {
namespace {

TEST(Rational, ReadsNumbersAndNothingElse) {
  EXPECT_EQ(parse_rational("57390"), (Rational{57390, 1}));
  EXPECT_EQ(parse_rational("-0"), (Rational{0, 1}));
  EXPECT_EQ(parse_rational("9.90"), (Rational{99, 10}));
  EXPECT_EQ(parse_rational("-6/4"), (Rational{-3, 2}));
  for (const char* text : {"",
                           "-",
                           "--1",
                           "+1",
                           "007",
                           "1.",
                           ".5",
                           "1/0",
                           "1/-2",
                           "1/2/3",
                           "1e3",
                           "0x10",
                           "1 2",
                           " 1",
                           "1,000",
                           "nan",
                           "inf",
                           "１",
                           "1234567890123456",
                           "12345678.12345678"})
    EXPECT_FALSE(parse_rational(text).has_value()) << text;
}

TEST(Rational, OverflowIsNoValue) {
  const Rational large{INT64_MAX, 1}, small{1, INT64_MAX};
  EXPECT_FALSE(apply('+', large, large).has_value());
  EXPECT_FALSE(apply('*', large, large).has_value());
  EXPECT_FALSE(apply('/', large, small).has_value());
  EXPECT_FALSE(apply('+', small, Rational{1, INT64_MAX - 1}).has_value());
  EXPECT_FALSE(make_rational(INT64_MIN, 1).has_value());
  EXPECT_FALSE(make_rational(1, INT64_MIN).has_value());
  EXPECT_FALSE(make_rational(1, 0).has_value());
  EXPECT_FALSE(apply('/', {1, 1}, {0, 1}).has_value());
  EXPECT_EQ(apply('-', {1, 2}, {1, 3}), (Rational{1, 6}));
  EXPECT_EQ(apply('/', {1, 2}, {-1, 3}), (Rational{-3, 2}));
}

TEST(Expression, FollowsPrecedenceAndKeepsFractionsExact) {
  const auto value = [](const char* text) { return parse_expression(text).value().value; };
  EXPECT_EQ(value("2+3*4"), (Rational{14, 1}));
  EXPECT_EQ(value("(2+3)*4"), (Rational{20, 1}));
  EXPECT_EQ(value("20-3-4"), (Rational{13, 1}));
  EXPECT_EQ(value("8 ÷ (3 - 8/3)"), (Rational{24, 1})) << "the 24 game's famous 3 3 8 8";
  EXPECT_EQ(value("2×3"), (Rational{6, 1}));
  EXPECT_EQ(parse_expression("(3*8)+21").value().numbers, (std::vector<std::int64_t>{3, 8, 21}));
}

TEST(Expression, RefusesWhatIsNotOneOrTooLarge) {
  for (const char* text :
       {"",   " ",  "+",   "1+",  "*2",  "1 2",        "1..2", "-1",      "1--1",   "2**3", "2^3", "(1",
        "1)", "()", "007", "1.5", "1e9", "1234567890", "1/0",  "1/(2-2)", "abs(1)", "１+1", "3!",  "1\n+1"})
    EXPECT_FALSE(parse_expression(text).has_value()) << text;
  std::string deep = "1";
  for (int i = 0; i < kMaxExpressionDepth; ++i) deep.assign("(" + deep).append(")");
  EXPECT_TRUE(parse_expression(deep).has_value());
  EXPECT_FALSE(parse_expression("(" + deep + ")").has_value());
  EXPECT_FALSE(parse_expression(std::string(kMaxExpressionBytes + 1, ' ').append("1")).has_value());
  EXPECT_FALSE(parse_expression("999999999*999999999*999999999").has_value()) << "overflow";
}

TEST(RewardFormat, OneThinkingFirstThenAnAnswer) {
  EXPECT_TRUE(read_answered("<think>\na\n</think>\n\n5").well_formed);
  EXPECT_TRUE(read_answered("\n<think></think>5").well_formed);
  for (const char* text : {"a<think></think>5", "</think>5", "<think></think></think>5", "<think><think></think>5",
                           "<think></think>5<think></think>6"}) {
    EXPECT_TRUE(read_answered(text).has_answer) << text;
    EXPECT_FALSE(read_answered(text).well_formed) << text;
  }
  for (const char* text : {"", "5", "<think>5", "<think></think>", "<think></think>\n "})
    EXPECT_FALSE(read_answered(text).has_answer) << text;
  EXPECT_EQ(read_answered("<think></think>5</think> 6 ").answer, "6");
}

TEST(RewardFormat, AnswersMayBeDressed) {
  for (const char* text : {"45", " 45.", "45。", "\\boxed{45}", "So \\boxed{ 45 }.", "Answer: 45", "The answer is 45.",
                           "The answer is: 45", "答案：45。", "答案是45", "答案是：45"})
    EXPECT_EQ(final_answer(text), "45") << text;
  EXPECT_EQ(final_answer("44 or 45"), "44 or 45");
}

TEST(RewardLanguage, CountsWordsAndChineseCharacters) {
  EXPECT_EQ(language_share("<think>12+3=15 x?y</think>15", Language::kChinese), 1) << "no words";
  EXPECT_EQ(language_share("<think>yes no</think>done", Language::kEnglish), 1);
  EXPECT_EQ(language_share("<think>yes no</think>done", Language::kChinese), 0);
  EXPECT_DOUBLE_EQ(language_share("对 yes 不对", Language::kChinese), 0.75);
  EXPECT_EQ(language_share("\xFF\xFE", Language::kEnglish), 1);
}

TEST(RewardTotal, WeighsItsParts) {
  EXPECT_DOUBLE_EQ(total({1, 1, 1}), 1.1);
  EXPECT_DOUBLE_EQ(total({1, 1, 0.5}, {1, 0.1, 0.2}), 1.2);
}

}  // namespace
}  // namespace r1
