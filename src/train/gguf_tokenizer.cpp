// gguf_tokenizer.cpp: keys and token types are llama.cpp's.
#include "train/gguf_tokenizer.h"

#include <string>
#include <vector>

#include "base/assert.h"
#include "text/r1_chat_template.h"

namespace r1 {
namespace {

std::int64_t type_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kNormal:
      return 1;
    case TokenKind::kControl:
      return 3;
    case TokenKind::kUserDefined:
      return 4;
    case TokenKind::kUnused:
      return 5;
    case TokenKind::kByte:
      return 6;
  }
  return 1;
}

void set_id(GgufMetadata& metadata, std::string_view key, int id) {
  if (id >= 0) metadata.set(std::string(key), static_cast<std::uint64_t>(id));
}

}  // namespace

void add_tokenizer(GgufMetadata& metadata, const Vocabulary& vocabulary, std::string_view pre,
                   std::string_view chat_template) {
  R1_ASSERT(vocabulary.eos_id >= 0, "a vocabulary that is written has an EOS");
  std::vector<std::int64_t> types;
  for (const TokenKind kind : vocabulary.kinds) types.push_back(type_of(kind));
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", std::string(pre));
  metadata.set("tokenizer.ggml.tokens", GgufArray{vocabulary.tokens});
  metadata.set("tokenizer.ggml.token_type", GgufArray{std::move(types)});
  metadata.set("tokenizer.ggml.merges", GgufArray{vocabulary.merges});
  set_id(metadata, "tokenizer.ggml.bos_token_id", vocabulary.bos_id);
  set_id(metadata, "tokenizer.ggml.eos_token_id", vocabulary.eos_id);
  set_id(metadata, "tokenizer.ggml.padding_token_id", vocabulary.pad_id);
  metadata.set("tokenizer.ggml.add_bos_token", vocabulary.add_bos);
  metadata.set("tokenizer.ggml.add_eos_token", false);
  metadata.set("tokenizer.chat_template", std::string(chat_template));
}

void add_r1_tokenizer(GgufMetadata& metadata, const Vocabulary& vocabulary) {
  R1_ASSERT(vocabulary.pre_tokenizer == PreTokenizerKind::kDeepSeekV3, "not a vocabulary of BpeTrainer");
  add_tokenizer(metadata, vocabulary, "deepseek-v3", kR1ChatTemplate);
}

}  // namespace r1
