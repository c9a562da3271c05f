// gguf_vocabulary_test.cpp: what GGUF metadata says, and what it may get wrong.
#include "apps/gguf_vocabulary.h"

#include <gtest/gtest.h>

#include "tests/vocabularies.h"

namespace r1 {
namespace {

std::int64_t type_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kControl:
      return 3;
    case TokenKind::kUserDefined:
      return 4;
    case TokenKind::kUnused:
      return 5;
    case TokenKind::kByte:
      return 6;
    case TokenKind::kNormal:
      break;
  }
  return 1;
}

GgufMetadata small_metadata() {
  const Vocabulary vocabulary = small_vocabulary();
  std::vector<std::int64_t> types;
  for (const TokenKind kind : vocabulary.kinds) types.push_back(type_of(kind));
  GgufMetadata metadata;
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", std::string("qwen2"));
  metadata.set("tokenizer.ggml.tokens", GgufArray{vocabulary.tokens});
  metadata.set("tokenizer.ggml.token_type", GgufArray{types});
  metadata.set("tokenizer.ggml.merges", GgufArray{vocabulary.merges});
  metadata.set("tokenizer.ggml.bos_token_id", static_cast<std::uint64_t>(vocabulary.bos_id));
  metadata.set("tokenizer.ggml.eos_token_id", static_cast<std::uint64_t>(vocabulary.eos_id));
  metadata.set("tokenizer.ggml.add_bos_token", true);
  return metadata;
}

std::string error_of(const GgufMetadata& metadata) {
  const Result<Vocabulary> vocabulary = vocabulary_from_gguf(metadata);
  return vocabulary.ok() ? "no error" : vocabulary.error().message;
}

TEST(GgufVocabulary, ReadsWhatTheKeysSay) {
  const Vocabulary vocabulary = vocabulary_from_gguf(small_metadata()).value(), expected = small_vocabulary();
  EXPECT_EQ(vocabulary.tokens, expected.tokens);
  EXPECT_EQ(vocabulary.kinds, expected.kinds);
  EXPECT_EQ(vocabulary.merges, expected.merges);
  EXPECT_EQ(vocabulary.bos_id, expected.bos_id);
  EXPECT_EQ(vocabulary.pad_id, -1);
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_TRUE(vocabulary.nfc) << "Qwen2's own tokenizer.json";
  EXPECT_EQ(vocabulary.pre_tokenizer, PreTokenizerKind::kQwen2);
}

TEST(GgufVocabulary, TokensThatEndAnswersInAnyModelEndThemHere) {
  const Vocabulary vocabulary = vocabulary_from_gguf(small_metadata()).value();
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(vocabulary).value();
  for (const char* name : {"<｜end▁of▁sentence｜>", "<|im_end|>", "<|eot_id|>"}) {
    EXPECT_TRUE(tokenizer.ends_answer(*tokenizer.find(name))) << name;
  }
  EXPECT_FALSE(tokenizer.ends_answer(*tokenizer.find("</think>")));
}

TEST(GgufVocabulary, ControlTokensMarkedAsOrdinaryAddedTokensAreControlTokens) {
  GgufMetadata metadata = small_metadata();
  std::vector<std::int64_t> types(small_vocabulary().tokens.size(), 4);
  metadata.set("tokenizer.ggml.token_type", GgufArray{types});
  const Vocabulary vocabulary = vocabulary_from_gguf(metadata).value();
  EXPECT_EQ(vocabulary.kinds[static_cast<std::size_t>(vocabulary.bos_id)], TokenKind::kControl);
}

TEST(GgufVocabulary, AnUnknownPreTokenizerIsAnErrorThatNamesIt) {
  GgufMetadata metadata = small_metadata();
  metadata.set("tokenizer.ggml.pre", std::string("tekken"));
  EXPECT_NE(error_of(metadata).find("'tekken'"), std::string::npos);
  metadata.set("tokenizer.ggml.model", std::string("llama"));
  EXPECT_NE(error_of(metadata).find("'llama'"), std::string::npos);
}

TEST(GgufVocabulary, WithoutAPreTokenizerItsTokensTell) {
  GgufMetadata metadata = small_metadata();
  metadata.set("tokenizer.ggml.pre", std::string("default"));
  EXPECT_EQ(vocabulary_from_gguf(metadata).value().pre_tokenizer, PreTokenizerKind::kDeepSeekV3) << "<｜tool▁sep｜>";
}

TEST(GgufVocabulary, WhatDoesNotFitIsOneErrorNeverACrash) {
  EXPECT_NE(error_of(GgufMetadata()).find("the file has none"), std::string::npos);
  const auto with = [](const char* key, GgufValue value) {
    GgufMetadata metadata = small_metadata();
    metadata.set(key, std::move(value));
    return error_of(metadata);
  };
  EXPECT_NE(with("tokenizer.ggml.token_type", GgufArray{std::vector<std::int64_t>{1}}), "no error");
  EXPECT_NE(with("tokenizer.ggml.token_type", std::string("x")), "no error");
  EXPECT_NE(with("tokenizer.ggml.tokens", std::uint64_t{7}), "no error");
  EXPECT_NE(with("tokenizer.ggml.bos_token_id", std::uint64_t{1} << 40), "no error");
  EXPECT_NE(with("tokenizer.ggml.eos_token_id", std::int64_t{-7}), "no error");
  EXPECT_EQ(with("tokenizer.ggml.padding_token_id", std::uint64_t{UINT32_MAX}), "no error") << "llama.cpp's none";
}

}  // namespace
}  // namespace r1
