// tokenizer_vectors_test.cpp: real vocabularies give the ids their makers' own tokenizers give.
//
// golden/tokenizer/*.jsonl: {"text", "ids", "cat"}, ids by @lenml/tokenizers, confirmed by an independent BPE.
// golden/tokenizer/ggml-vocab*: llama.cpp's vectors (MIT), made by Hugging Face tokenizers: texts between lines
// "__ggml_vocab_test__", one line of ids a text.
#include <sstream>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/model_text.h"
#include "base/json.h"
#include "base/rng.h"
#include "tests/vocabularies.h"
#include "text/normalizer.h"

namespace r1 {
namespace {

struct Vector {
  std::string text;
  std::vector<int> ids;
  bool has_control_tokens = false;
};

std::string read_golden(const std::string& name) {
  return *read_file(R1_SOURCE_DIR "/tests/golden/tokenizer/" + name, std::int64_t{1} << 24);
}

std::vector<Vector> read_jsonl(const std::string& name) {
  std::vector<Vector> vectors;
  std::istringstream lines(read_golden(name));
  for (std::string line; std::getline(lines, line);) {
    const Json row = *parse_json(line, name);
    vectors.push_back({row["text"], row["ids"], row["cat"] == "special"});
  }
  return vectors;
}

std::vector<Vector> read_ggml(const std::string& model) {
  const std::string separator = "\n__ggml_vocab_test__\n", texts = read_golden("ggml-vocab.inp");
  std::istringstream lines(read_golden("ggml-vocab-" + model + ".out"));
  std::vector<Vector> vectors;
  std::size_t begin = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t end = std::min(texts.find(separator, begin), texts.size());
    Vector vector{texts.substr(begin, end - begin), {}};
    std::istringstream ids(line);
    for (int id; ids >> id;) vector.ids.push_back(id);
    vectors.push_back(std::move(vector));
    begin = std::min(end + separator.size(), texts.size());
  }
  return vectors;
}

void expect_vectors(const Tokenizer& tokenizer, const std::vector<Vector>& vectors, std::size_t n_expected) {
  EXPECT_EQ(vectors.size(), n_expected);
  for (const Vector& vector : vectors) {
    const std::vector<int> ids =
        vector.has_control_tokens ? tokenizer.encode_with_control_tokens(vector.text) : tokenizer.encode(vector.text);
    EXPECT_EQ(ids, vector.ids) << "text: " << vector.text;
    EXPECT_EQ(tokenizer.decode(ids, Tokenizer::ControlTokens::kShow), vector.text);
  }
}

// Any text comes back, and any bytes but those that occur in no text, which the older DeepSeek vocabularies lack: their
// makers' tokenizers drop them too.
void expect_random_texts_come_back(const Tokenizer& tokenizer) {
  const auto is_lacking = [&](char byte) { return tokenizer.encode({&byte, 1}).empty(); };
  for (int byte = 0; byte < 256; ++byte) {
    const bool is_in_texts = byte != 0xC0 && byte != 0xC1 && byte < 0xF5;
    EXPECT_FALSE(is_in_texts && is_lacking(static_cast<char>(byte))) << byte;
  }
  Rng rng(3, 0);
  for (int round = 0; round < 100; ++round) {
    std::string bytes = random_bytes(rng, 60);
    std::erase_if(bytes, is_lacking);
    for (const std::string& text : {random_unicode(rng, 40), bytes}) {
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
      EXPECT_EQ(tokenizer.decode(tokenizer.encode_with_control_tokens(text), Tokenizer::ControlTokens::kShow), text);
    }
  }
}

TEST(TokenizerVectors, DeepSeekV3) {
  const std::string folder = npm_tokenizer_folder("deepseek_v3");
  R1_SKIP_WITHOUT_NPM(folder);
  const Tokenizer tokenizer = Tokenizer::from_hf_folder(folder).value();
  expect_vectors(tokenizer, read_jsonl("deepseek_v3_tokenizer_vectors.jsonl"), 126);
  expect_random_texts_come_back(tokenizer);
  EXPECT_EQ(tokenizer.vocab_size(), 128815);
  EXPECT_EQ(tokenizer.bos_id(), 0);
  EXPECT_EQ(tokenizer.eos_id(), 1);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.find("<｜User｜>"), 128803);
  EXPECT_EQ(tokenizer.kind(128803), TokenKind::kControl) << "the file calls it ordinary";
}

TEST(TokenizerVectors, Llama3) {
  const std::string folder = npm_tokenizer_folder("llama3");
  R1_SKIP_WITHOUT_NPM(folder);
  const Tokenizer tokenizer = Tokenizer::from_hf_folder(folder).value();
  expect_vectors(tokenizer, read_jsonl("llama3_tokenizer_vectors.jsonl"), 126);
  expect_vectors(tokenizer, read_ggml("llama-bpe"), 46);
  expect_random_texts_come_back(tokenizer);
  EXPECT_EQ(tokenizer.bos_id(), 128000);
  EXPECT_TRUE(tokenizer.ends_answer(128001) && tokenizer.ends_answer(128009)) << "<|end_of_text|>, <|eot_id|>";
}

TEST(TokenizerVectors, Qwen2AndTheDistillsThatShareItsVocabulary) {
  const std::string folder = npm_tokenizer_folder("qwen2_5");
  R1_SKIP_WITHOUT_NPM(folder);
  const Tokenizer tokenizer = Tokenizer::from_hf_folder(folder).value();
  expect_vectors(tokenizer, read_ggml("qwen2"), 46);  // llama.cpp's vectors of the distills are these, byte for byte
  EXPECT_EQ(tokenizer.bos_id(), -1);
  EXPECT_FALSE(tokenizer.adds_bos());
  Rng rng(3, 0);
  for (int round = 0; round < 100; ++round) {
    const std::string text = random_unicode(rng, 40);
    std::string storage;
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), compose_nfc(text, storage));
  }
  EXPECT_TRUE(tokenizer.ends_answer(151643) && tokenizer.ends_answer(151645)) << "<|endoftext|>, <|im_end|>";
}

TEST(TokenizerVectors, Gpt2) {
  const std::string folder = npm_tokenizer_folder("gpt2");
  R1_SKIP_WITHOUT_NPM(folder);
  const Tokenizer tokenizer = Tokenizer::from_hf_folder(folder).value();
  expect_vectors(tokenizer, read_ggml("gpt-2"), 46);
  expect_random_texts_come_back(tokenizer);
}

TEST(TokenizerVectors, GgufVocabularies) {
  R1_SKIP_WITHOUT_FILE(shared_data("vocab/ggml-vocab-gpt-2.gguf"));
  for (const char* model : {"gpt-2", "deepseek-llm", "deepseek-coder"}) {
    const ModelText text = load_model_text(shared_data(std::string("vocab/ggml-vocab-") + model + ".gguf")).value();
    expect_vectors(text.tokenizer, read_ggml(model), 46);
    expect_random_texts_come_back(text.tokenizer);
    EXPECT_GE(text.tokenizer.eos_id(), 0);
  }
}

}  // namespace
}  // namespace r1
