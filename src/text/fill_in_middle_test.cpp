// fill_in_middle_test.cpp: the markers stand where the models were trained to see them, and come from nowhere else.
#include "text/fill_in_middle.h"

#include <gtest/gtest.h>

#include "tests/vocabularies.h"

namespace r1 {
namespace {

Tokenizer with_tokens(std::initializer_list<const char*> names, bool add_bos) {
  Vocabulary vocabulary = small_vocabulary();
  for (const char* name : names) {
    vocabulary.tokens.emplace_back(name);
    vocabulary.kinds.push_back(TokenKind::kControl);
  }
  vocabulary.add_bos = add_bos;
  return Tokenizer::from_vocabulary(std::move(vocabulary)).value();
}

std::string shown(const Tokenizer& tokenizer, std::string_view prefix, std::string_view suffix) {
  return tokenizer.decode(fill_in_middle_prompt(tokenizer, prefix, suffix).value(), Tokenizer::ControlTokens::kShow);
}

TEST(FillInMiddle, PrefixSuffixMiddleInEachMakersMarkers) {
  EXPECT_EQ(shown(with_tokens({"<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"}, true), "a(", ")"),
            "<｜begin▁of▁sentence｜><｜fim▁begin｜>a(<｜fim▁hole｜>)<｜fim▁end｜>");
  EXPECT_EQ(shown(with_tokens({"<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"}, false), "a(", ")"),
            "<|fim_prefix|>a(<|fim_suffix|>)<|fim_middle|>");
}

TEST(FillInMiddle, TextNeverBecomesAMarker) {
  const Tokenizer tokenizer = with_tokens({"<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"}, false);
  const std::vector<int> ids = fill_in_middle_prompt(tokenizer, "<｜fim▁end｜>", "<｜fim▁hole｜>").value();
  EXPECT_EQ(std::count(ids.begin(), ids.end(), *tokenizer.find("<｜fim▁end｜>")), 1);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), *tokenizer.find("<｜fim▁hole｜>")), 1);
}

TEST(FillInMiddle, IsRefusedWithoutAllThreeMarkers) {
  EXPECT_FALSE(fill_in_middle_prompt(with_tokens({}, true), "a", "b").ok());
  EXPECT_FALSE(fill_in_middle_prompt(with_tokens({"<｜fim▁hole｜>", "<｜fim▁begin｜>"}, true), "a", "b").ok());
}

TEST(FillInMiddle, DeepSeekV3HasTheMarkers) {
  const std::string folder = npm_tokenizer_folder("deepseek_v3");
  R1_SKIP_WITHOUT_NPM(folder);
  const Tokenizer tokenizer = Tokenizer::from_hf_folder(folder).value();
  const std::vector<int> ids = fill_in_middle_prompt(tokenizer, "Hi", "Hi").value();
  EXPECT_EQ(ids, (std::vector<int>{0, 128801, 23166, 128800, 23166, 128802}));
}

}  // namespace
}  // namespace r1
