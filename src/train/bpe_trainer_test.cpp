// bpe_trainer_test.cpp: merges against a plain implementation of the same law, and what may never be merged.
#include "train/bpe_trainer.h"

#include <algorithm>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"
#include "train/token_rules.h"

namespace r1 {
namespace {

constexpr int kNoMerges = 256 + 20;

Result<Vocabulary> train(const std::vector<std::string>& texts, int n_merges) {
  BpeTrainer trainer = BpeTrainer::make().value();
  for (const std::string& text : texts) trainer.add(text);
  return trainer.train(kNoMerges + n_merges);
}

// The law, word by word: every merge counts all pairs of all units again. Tokens are strings; their age breaks ties.
std::vector<std::string> plain_merges(const std::vector<std::string>& texts, int n_merges) {
  const Pretokenizer pretokenizer = Pretokenizer::make(PreTokenizerKind::kDeepSeekV3).value();
  std::vector<std::vector<std::string>> units;
  const auto add_unit = [&](std::string_view unit) {
    units.emplace_back();
    for (const char c : unit) units.back().emplace_back(1, c);
  };
  for (const std::string& text : texts)
    pretokenizer.split(text, [&](std::string_view piece) { split_units(piece, add_unit); });
  std::map<std::string, int> age;
  for (int byte = 0; byte < 256; ++byte) age[std::string(1, static_cast<char>(byte))] = byte;
  std::vector<std::string> merges;
  while (static_cast<int>(merges.size()) < n_merges) {
    std::map<std::pair<int, int>, std::pair<int, std::pair<std::string, std::string>>> counts;
    for (const auto& unit : units) {
      for (std::size_t i = 0; i + 1 < unit.size(); ++i) {
        const std::string joined = unit[i] + unit[i + 1];
        if (!is_within_or_whole_characters(joined) || age.contains(joined)) continue;
        auto& entry = counts[{age[unit[i]], age[unit[i + 1]]}];
        ++entry.first;
        entry.second = {unit[i], unit[i + 1]};
      }
    }
    const auto best = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
      return a.second.first < b.second.first;  // the first of equals
    });
    if (best == counts.end() || best->second.first < 2) break;
    const auto [left, right] = best->second.second;
    merges.push_back(spelling_of_bytes(left) + " " + spelling_of_bytes(right));
    age.emplace(left + right, 256 + static_cast<int>(merges.size()));
    for (auto& unit : units) {
      for (std::size_t i = 0; i + 1 < unit.size(); ++i) {
        if (unit[i] != left || unit[i + 1] != right) continue;
        unit[i] += right;
        unit.erase(unit.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
  }
  return merges;
}

std::string random_text(Rng& rng, int n) {
  static const char* const kParts[] = {"a",    "b",   "aa", "ba",   "abab", " ",  " a", "é",  "小", "明",
                                       "小明", "x小", "\n", "\n\n", "1",    "23", "+",  "，", "①"};
  std::string text;
  for (int i = 0; i < n; ++i) text += kParts[rng.below(std::size(kParts))];
  return text;
}

TEST(BpeTrainer, MergesAsAPlainImplementationDoes) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Rng rng(seed, 1);
    const std::vector<std::string> texts = {random_text(rng, 60), random_text(rng, 100), random_text(rng, 10)};
    const std::vector<std::string> expected = plain_merges(texts, 40);
    const auto vocabulary = train(texts, static_cast<int>(expected.size()));
    ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message;
    ASSERT_EQ(vocabulary->merges, expected) << "seed " << seed;
    EXPECT_EQ(train(texts, static_cast<int>(expected.size()) + 1).ok(), expected.size() == 40) << "seed " << seed;
  }
}

TEST(BpeTrainer, TheOrderOfTextsDoesNotMatter) {
  Rng rng(3, 3);
  std::vector<std::string> texts;
  for (int i = 0; i < 50; ++i) texts.push_back(random_text(rng, 50));
  const Vocabulary forwards = train(texts, 60).value();
  std::reverse(texts.begin(), texts.end());
  EXPECT_EQ(train(texts, 60).value().merges, forwards.merges);
}

TEST(BpeTrainer, TheFrequentWordIsAToken) {
  const Tokenizer tokenizer =
      Tokenizer::from_vocabulary(train({"the cat the dog the end", "的的的的小明"}, 6).value()).value();
  EXPECT_EQ(tokenizer.encode(" the").size(), 1u);
  EXPECT_EQ(tokenizer.encode("的").size(), 1u);
}

TEST(BpeTrainer, DigitsAndSignsAreNeverMerged) {
  const std::string text(50, '7');
  const auto vocabulary = train({text, "1+1=2", "1+1=2", "((((((((", "……………………", "a1a1a1a1", "x=x=x=x="}, 1);
  ASSERT_TRUE(vocabulary.ok());  // the bytes of "…"
  EXPECT_EQ(vocabulary->merges,
            (std::vector<std::string>{spelling_of_bytes("\x80") + " " + spelling_of_bytes("\xA6")}));
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(*vocabulary).value();
  EXPECT_EQ(tokenizer.encode(text).size(), 50u);
}

TEST(BpeTrainer, SpecialTokensComeFirstUnderR1sNames) {
  const Vocabulary vocabulary = train({"aaa"}, 0).value();
  ASSERT_EQ(vocabulary.tokens.size(), static_cast<std::size_t>(kNoMerges));
  EXPECT_EQ(vocabulary.tokens[static_cast<std::size_t>(vocabulary.bos_id)], "<｜begin▁of▁sentence｜>");
  EXPECT_EQ(vocabulary.tokens[static_cast<std::size_t>(vocabulary.eos_id)], "<｜end▁of▁sentence｜>");
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(vocabulary).value();
  for (std::size_t id = 0; id < r1_special_tokens().size(); ++id) {
    EXPECT_EQ(tokenizer.find(r1_special_tokens()[id]), static_cast<int>(id));
    EXPECT_EQ(tokenizer.encode_with_control_tokens(r1_special_tokens()[id]), std::vector<int>{static_cast<int>(id)});
    EXPECT_GT(tokenizer.encode(r1_special_tokens()[id]).size(), 1u) << "typed by a person";
  }
  EXPECT_EQ(tokenizer.kind(*tokenizer.find("<think>")), TokenKind::kUserDefined);
}

TEST(BpeTrainer, WhatCannotBeTrainedIsAnErrorThatSaysWhy) {
  EXPECT_NE(train({"aaa"}, -1).error().message.find("275"), std::string::npos);
  const Result<Vocabulary> few = train({"abab"}, 100);
  ASSERT_FALSE(few.ok());
  EXPECT_NE(few.error().message.find("376"), std::string::npos) << few.error().message;
  EXPECT_NE(few.error().message.find("have 1 pairs"), std::string::npos) << few.error().message;
  EXPECT_FALSE(train({"aaa"}, 1 << 30).ok());
}

TEST(BpeTrainer, BrokenTextIsPassedOver) {
  const Vocabulary vocabulary = train({"ab\xFF"
                                       "ab\xE5\xB0",
                                       "\x80\x80\x80\x80"},
                                      1)
                                    .value();
  EXPECT_EQ(vocabulary.merges, std::vector<std::string>{"a b"});
  EXPECT_FALSE(train({"ab\xFF"
                      "ab\xE5\xB0",
                      "\x80\x80\x80\x80"},
                     2)
                   .ok());
}

}  // namespace
}  // namespace r1
