// token_masks_test.cpp: each mask against every token of the vocabulary, tried one by one.
#include "grammar/token_masks.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/rng.h"
#include "grammar/json_schema.h"
#include "tests/vocabularies.h"

namespace r1 {
namespace {

std::shared_ptr<TokenMasks> masks_of(const Tokenizer& tokenizer, std::string_view schema) {
  return std::make_shared<TokenMasks>(*json_schema_grammar(OrderedJson::parse(schema), "schema"),
                                      std::make_shared<TokenTrie>(tokenizer));
}

bool allows(const TokenMasks::Mask& mask, int id) {
  return (mask.bits[static_cast<std::size_t>(id) / 64] >> (id % 64) & 1) != 0;
}

// Tokens drawn from the masks until an end token: the text, and that each mask was right.
std::string draw(const Tokenizer& tokenizer, const std::shared_ptr<TokenMasks>& masks, Rng& rng, int n_checked) {
  GrammarMatcher matcher(masks);
  std::string text;
  for (int step = 0; step < 3000; ++step) {
    const TokenMasks::Mask mask = matcher.mask();
    EXPECT_TRUE(mask.any);
    std::vector<int> allowed;
    for (int id = 0; id < tokenizer.vocab_size(); ++id) {
      if (allows(mask, id)) allowed.push_back(id);
      if (step >= n_checked || tokenizer.ends_answer(id)) continue;
      const std::string bytes = masks->trie().bytes_of(id);
      GrammarMatcher tried = matcher;
      EXPECT_EQ(allows(mask, id), !bytes.empty() && tried.take(bytes)) << text << " + " << bytes;
    }
    for (const int id : tokenizer.end_ids()) EXPECT_EQ(allows(mask, id), matcher.is_complete()) << text;
    int id = allowed[rng.below(allowed.size())];
    for (const char wanted : std::string_view("}]\"")) {
      const bool closes = step > 60 && allows(mask, static_cast<unsigned char>(wanted));
      if (closes) id = static_cast<unsigned char>(wanted);
      if (closes) break;
    }
    if (matcher.is_complete() && step > 60) return text;
    if (tokenizer.ends_answer(id)) return text;
    EXPECT_TRUE(matcher.take(masks->trie().bytes_of(id)));
    text += tokenizer.token_bytes(id);
  }
  ADD_FAILURE() << "no end: " << text;
  return text;
}

TEST(TokenMasks, AreThoseOfEveryTokenTriedAlone) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_vocabulary());
  ASSERT_TRUE(tokenizer.ok());
  const auto masks = masks_of(*tokenizer, R"({"properties": {"hello": {"type": "string", "maxLength": 9},
      "n": {"type": "array", "items": {"type": "number"}}}, "required": ["hello"]})");
  Rng rng(3, 0);
  for (int round = 0; round < 40; ++round) {
    const std::string text = draw(*tokenizer, masks, rng, round < 5 ? 20 : 0);
    const Json value = Json::parse(text, nullptr, false);
    ASSERT_FALSE(value.is_discarded()) << text;
    EXPECT_TRUE(value["hello"].is_string()) << text;
  }
}

// Other texts' states were forgotten in between: a matcher finds its place again.
TEST(TokenMasks, AMatcherSurvivesANewEpoch) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_vocabulary());
  const auto masks =
      masks_of(*tokenizer, R"({"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#"}}]})");
  GrammarMatcher matcher(masks), other(masks);
  ASSERT_TRUE(matcher.take(R"(["hello", "he)"));
  const TokenMasks::Mask before = matcher.mask();
  // Lists in lists: every depth is a state of its own.
  for (int depth = 0; masks->epoch() == 0 && depth < 100'000; ++depth) {
    ASSERT_TRUE(other.take("["));
    masks->tidy();
  }
  ASSERT_EQ(masks->epoch(), 1);
  EXPECT_EQ(matcher.mask().bits, before.bits);
  EXPECT_TRUE(matcher.take("llo\"]"));
  EXPECT_TRUE(matcher.is_complete());
}

// <think> and the tags of tools are no text: only a grammar that names them lets them in, as tokens.
TEST(TokenMasks, MarkersAreNotText) {
  const auto tokenizer = Tokenizer::from_vocabulary(small_vocabulary());
  const auto masks = masks_of(*tokenizer, R"({"type": "string"})");
  GrammarMatcher matcher(masks);
  ASSERT_TRUE(matcher.take("\""));
  const TokenMasks::Mask& mask = matcher.mask();
  EXPECT_TRUE(allows(mask, '<'));
  EXPECT_FALSE(allows(mask, *tokenizer->find("<think>")));
  EXPECT_FALSE(allows(mask, 0xFF));
  EXPECT_EQ(marker_bytes("<think>", *tokenizer), "\xFF<think>");
  EXPECT_EQ(marker_bytes("<no such tag>", *tokenizer), "<no such tag>");
}

}  // namespace
}  // namespace r1
