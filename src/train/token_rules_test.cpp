// token_rules_test.cpp: where units end, and which bytes may be a token.
#include "train/token_rules.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace r1 {
namespace {

std::vector<std::string> units_of(std::string_view text) {
  std::vector<std::string> units;
  split_units(text, [&](std::string_view unit) { units.emplace_back(unit); });
  return units;
}

using Units = std::vector<std::string>;

TEST(TokenRules, ADigitOrASignIsAUnit) {
  EXPECT_EQ(units_of("12+3=15"), (Units{"1", "2", "+", "3", "=", "1", "5"}));
  EXPECT_EQ(units_of("26?45 no"), (Units{"2", "6", "?", "4", "5", " no"}));
  EXPECT_EQ(units_of("(x)"), (Units{"(", "x", ")"}));
  EXPECT_EQ(units_of("×÷½٣"), (Units{"×", "÷", "½", "٣"}));
}

TEST(TokenRules, AWordHasAtMostOneSpaceBeforeIt) {
  EXPECT_EQ(units_of("  two words"), (Units{" ", " two", " words"}));
  EXPECT_EQ(units_of(" | 8 "), (Units{" ", "|", " ", "8", " "}));
  EXPECT_EQ(units_of("\tcafé"), (Units{"\t", "café"}));
}

TEST(TokenRules, ChineseAndLatinDoNotJoin) {
  EXPECT_EQ(units_of("小明有x个，かな"), (Units{"小明有", "x", "个", "，", "かな"}));
  EXPECT_EQ(units_of(" 小"), (Units{" ", "小"}));
}

TEST(TokenRules, LineFeedsJoin) { EXPECT_EQ(units_of(".\n\nA"), (Units{".", "\n\n", "A"})); }

TEST(TokenRules, ATokenIsWholeCharactersOrWithinOne) {
  for (const char* good : {"a", "ab", "\xE5", "\xE5\xB0", "\xB0\x8F", "小", "小明", "\xF0\x9F\x98"})
    EXPECT_TRUE(is_within_or_whole_characters(good)) << good;
  for (const char* bad : {"a\xE5", "\xB0\x8F\xE5", "小\xE6", "\x8F明", "\xE5\xE5"})
    EXPECT_FALSE(is_within_or_whole_characters(bad)) << bad;
}

}  // namespace
}  // namespace r1
