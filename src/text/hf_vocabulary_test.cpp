// hf_vocabulary_test.cpp: what tokenizer.json and its companions say, and what they may get wrong.
#include "text/hf_vocabulary.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/rng.h"
#include "tests/vocabularies.h"

namespace r1 {
namespace {

HfTokenizerFiles small_files() {
  HfTokenizerFiles files;
  files.tokenizer = small_tokenizer_json().dump();
  files.tokenizer_config =
      R"({"bos_token": {"content": "<｜begin▁of▁sentence｜>"}, "eos_token": "<｜end▁of▁sentence｜>",
                               "pad_token": null, "add_bos_token": true})";
  return files;
}

std::string error_of(const HfTokenizerFiles& files) {
  Result<Vocabulary> vocabulary = vocabulary_from_hf_files(files);
  if (!vocabulary.ok()) return vocabulary.error().message;
  const Result<Tokenizer> tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary).value());
  return tokenizer.ok() ? "no error" : tokenizer.error().message;
}

std::string error_with(const Json& patch) {
  Json json = small_tokenizer_json();
  json.merge_patch(patch);
  HfTokenizerFiles files = small_files();
  files.tokenizer = json.dump();
  return error_of(files);
}

TEST(HfVocabulary, ReadsWhatTheFilesSay) {
  const Vocabulary vocabulary = vocabulary_from_hf_files(small_files()).value(), expected = small_vocabulary();
  EXPECT_EQ(vocabulary.tokens, expected.tokens);
  EXPECT_EQ(vocabulary.kinds, expected.kinds);
  EXPECT_EQ(vocabulary.merges, expected.merges);
  EXPECT_EQ(vocabulary.bos_id, expected.bos_id);
  EXPECT_EQ(vocabulary.eos_id, expected.eos_id);
  EXPECT_EQ(vocabulary.pad_id, -1);
  EXPECT_TRUE(vocabulary.add_bos);
  EXPECT_FALSE(vocabulary.nfc);
}

TEST(HfVocabulary, MergesMayBePairs) {
  Json json = small_tokenizer_json();
  for (Json& merge : json["model"]["merges"]) {
    const std::string text = merge;
    merge = {text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1)};
  }
  HfTokenizerFiles files = small_files();
  files.tokenizer = json.dump();
  EXPECT_EQ(vocabulary_from_hf_files(files).value().merges, small_vocabulary().merges);
}

TEST(HfVocabulary, RecognisesPreTokenizersByWhatTheyContain) {
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  Json json = small_tokenizer_json();
  json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {digits, json["pre_tokenizer"]}}};
  HfTokenizerFiles files = small_files();
  EXPECT_EQ(vocabulary_from_hf_files(files).value().pre_tokenizer, PreTokenizerKind::kGpt2);
  files.tokenizer = json.dump();
  EXPECT_EQ(vocabulary_from_hf_files(files).value().pre_tokenizer, PreTokenizerKind::kSmolLm);
}

TEST(HfVocabulary, EndIdsComeFromGenerationConfigToo) {
  HfTokenizerFiles files = small_files();
  files.generation_config = R"({"eos_token_id": [65, 66, 100000000000]})";
  files.config = R"({"bos_token_id": 3, "eos_token_id": 67})";
  const Vocabulary vocabulary = vocabulary_from_hf_files(files).value();
  const Tokenizer tokenizer = Tokenizer::from_vocabulary(vocabulary).value();
  EXPECT_TRUE(tokenizer.ends_answer(65) && tokenizer.ends_answer(66) && tokenizer.ends_answer(vocabulary.eos_id));
  EXPECT_FALSE(tokenizer.ends_answer(67)) << "config.json of a distill names its parent's ids; the tokenizer decides";
  EXPECT_EQ(tokenizer.bos_id(), small_vocabulary().bos_id);
  files.tokenizer_config.clear();
  files.generation_config.clear();
  EXPECT_EQ(vocabulary_from_hf_files(files).value().eos_id, 67) << "no other file says anything";
  EXPECT_EQ(vocabulary_from_hf_files(files).value().bos_id, 3);
}

TEST(HfVocabulary, ThePostProcessorMayAddTheBos) {
  HfTokenizerFiles files = small_files();
  files.tokenizer_config = R"({"bos_token": "<|begin_of_text|>"})";
  EXPECT_FALSE(vocabulary_from_hf_files(files).value().add_bos);
  Json json = small_tokenizer_json();
  json["post_processor"] = {{"type", "Sequence"},
                            {"processors",
                             {{{"type", "ByteLevel"}},
                              {{"type", "TemplateProcessing"},
                               {"single", {{{"SpecialToken", {{"id", "<|begin_of_text|>"}, {"type_id", 0}}}}}}}}}};
  files.tokenizer = json.dump();
  EXPECT_TRUE(vocabulary_from_hf_files(files).value().add_bos);
}

TEST(HfVocabulary, WhatThisBuildCannotDoIsNamed) {
  EXPECT_NE(error_with({{"model", {{"type", "Unigram"}}}}).find("'Unigram'"), std::string::npos);
  EXPECT_NE(error_with({{"model", {{"byte_fallback", true}}}}).find("byte fallback"), std::string::npos);
  EXPECT_NE(error_with({{"normalizer", {{"type", "Lowercase"}}}}).find("'Lowercase'"), std::string::npos);
  EXPECT_NE(error_with({{"pre_tokenizer", {{"type", "Metaspace"}}}}).find("Metaspace"), std::string::npos);
  EXPECT_NE(error_with({{"pre_tokenizer", {{"add_prefix_space", true}}}}).find("add_prefix_space"), std::string::npos);
  EXPECT_NE(error_with({{"pre_tokenizer", {{"use_regex", false}}}}).find("does not know: ByteLevel"),
            std::string::npos);
  EXPECT_NE(error_with({{"pre_tokenizer", nullptr}}).find("no pre-tokenizer"), std::string::npos);
}

TEST(HfVocabulary, WhatDoesNotFitIsOneErrorNeverACrash) {
  EXPECT_NE(error_with({{"model", {{"vocab", {{"x!", 1 << 30}}}}}}).find("id 1073741824"), std::string::npos);
  EXPECT_NE(error_with({{"model", {{"vocab", {{"x!", 18446744073709551615u}}}}}}).find("at most"), std::string::npos);
  EXPECT_NE(error_with({{"model", {{"vocab", {{"x!", -1}}}}}}).find("id -1"), std::string::npos);
  EXPECT_NE(error_with({{"model", {{"vocab", {{"x!", 3}}}}}}).find("both have id 3"), std::string::npos);
  EXPECT_NE(error_with({{"model", {{"vocab", {{"x!", "3"}}}}}}).find("has no id"), std::string::npos);
  EXPECT_NE(error_with({{"model", {{"merges", {"a b", 3}}}}}).find("merge 1"), std::string::npos);
  EXPECT_NE(error_with({{"model", {{"merges", {"zzz b"}}}}}).find("unknown token 'zzz'"), std::string::npos);
  EXPECT_NE(error_with({{"added_tokens", 3}}).find("added_tokens"), std::string::npos);
  EXPECT_NE(error_with({{"added_tokens", {3}}}), "no error");
  EXPECT_NE(error_with({{"model", 3}}), "no error");
}

// Bytes of the files are cut and changed at random. Whatever comes of it either loads, and then encodes and decodes,
// or is an error.
TEST(HfVocabulary, CutAndChangedFilesNeverCrash) {
  const std::string text = small_tokenizer_json().dump();
  for (std::size_t length = 0; length < text.size(); length += 7) {
    HfTokenizerFiles files = small_files();
    files.tokenizer.resize(length);
    EXPECT_NE(error_of(files), "no error");
  }
  Rng rng(1, 2);
  for (int round = 0; round < 600; ++round) {
    HfTokenizerFiles files = small_files();
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) {
      std::string& file = rng.below(4) == 0 ? files.tokenizer_config : files.tokenizer;
      const std::size_t at = rng.below(file.size());
      if (rng.below(2) == 0)
        file[at] = "0123456789\",:{}[]a-"[rng.below(19)];
      else
        file.erase(at, 1 + rng.below(20));
    }
    Result<Vocabulary> vocabulary = vocabulary_from_hf_files(files);
    if (!vocabulary.ok()) continue;
    const Result<Tokenizer> tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary).value());
    if (!tokenizer.ok()) continue;
    const std::vector<int> ids = tokenizer.value().encode_with_control_tokens("hello the <｜User｜> 42\xFF");
    EXPECT_LE(tokenizer.value().decode(ids).size(), 100u);
  }
}

}  // namespace
}  // namespace r1
