// gguf_vocabulary.cpp: key and pre-tokenizer names are llama.cpp's, which wrote nearly all GGUF files.
#include "apps/gguf_vocabulary.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "text/hf_vocabulary.h"

namespace r1 {
namespace {

struct PreTokenizerName {
  std::string_view name;
  PreTokenizerKind kind;
};

// tokenizer.ggml.pre. Other names of llama.cpp belong to tokenizers that are not ours to guess.
constexpr std::array kPreTokenizerNames = {
    PreTokenizerName{"gpt-2", PreTokenizerKind::kGpt2},
    PreTokenizerName{"gpt2", PreTokenizerKind::kGpt2},
    PreTokenizerName{"olmo", PreTokenizerKind::kGpt2},
    PreTokenizerName{"phi-2", PreTokenizerKind::kGpt2},
    PreTokenizerName{"llama3", PreTokenizerKind::kLlama3},
    PreTokenizerName{"llama-v3", PreTokenizerKind::kLlama3},
    PreTokenizerName{"llama-bpe", PreTokenizerKind::kLlama3},
    PreTokenizerName{"qwen2", PreTokenizerKind::kQwen2},
    PreTokenizerName{"deepseek-r1-qwen", PreTokenizerKind::kQwen2},
    PreTokenizerName{"deepseek-v3", PreTokenizerKind::kDeepSeekV3},
    PreTokenizerName{"deepseek-llm", PreTokenizerKind::kDeepSeekLlm},
    PreTokenizerName{"deepseek-coder", PreTokenizerKind::kDeepSeekCoder},
    PreTokenizerName{"smollm", PreTokenizerKind::kSmolLm},
    PreTokenizerName{"starcoder", PreTokenizerKind::kSmolLm},
    PreTokenizerName{"refact", PreTokenizerKind::kSmolLm},
    PreTokenizerName{"command-r", PreTokenizerKind::kSmolLm},
};

Error invalid(std::string message) { return {ErrorCode::kInvalidInput, "GGUF vocabulary: " + std::move(message)}; }

// Files from before tokenizer.ggml.pre (April 2024), and those that say "default", are judged by a token only one
// family has.
PreTokenizerKind guess_pre_tokenizer(const Vocabulary& vocabulary) {
  const auto has = [&](std::string_view token) {
    return std::find(vocabulary.tokens.begin(), vocabulary.tokens.end(), token) != vocabulary.tokens.end();
  };
  if (has("<｜tool▁sep｜>")) return PreTokenizerKind::kDeepSeekV3;
  if (has("<|start_header_id|>")) return PreTokenizerKind::kLlama3;
  if (has("<|im_start|>") && has("<|endoftext|>") && vocabulary.tokens.size() > 150'000)
    return PreTokenizerKind::kQwen2;
  if (has("<｜fim▁hole｜>")) return PreTokenizerKind::kDeepSeekCoder;
  if (has("<｜begin▁of▁sentence｜>")) return PreTokenizerKind::kDeepSeekLlm;
  if (has("<jupyter_start>")) return PreTokenizerKind::kSmolLm;
  return PreTokenizerKind::kGpt2;
}

Result<PreTokenizerKind> read_pre_tokenizer(const GgufMetadata& metadata, const Vocabulary& vocabulary) {
  R1_TRY(const std::string name, metadata.string("tokenizer.ggml.pre", "default"));
  if (name == "default" || name.empty()) return guess_pre_tokenizer(vocabulary);
  for (const PreTokenizerName& known : kPreTokenizerNames) {
    if (known.name == name) return known.kind;
  }
  return Error{ErrorCode::kUnsupported,
               fmt::format("GGUF vocabulary: pre-tokenizer '{:.60}' is not one this build knows", name)};
}

TokenKind kind_of(std::int64_t type, std::string_view token) {
  switch (type) {
    case 2:  // unknown: never text
    case 3:
      return TokenKind::kControl;
    case 4:  // some converters forget that these are control tokens
      return looks_like_control(token) ? TokenKind::kControl : TokenKind::kUserDefined;
    case 5:
      return TokenKind::kUnused;
    case 6:
      return TokenKind::kByte;
    default:
      return TokenKind::kNormal;
  }
}

Status read_kinds(const GgufMetadata& metadata, Vocabulary& vocabulary) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  if (!metadata.has(kKey)) {  // then only the spelling tells
    for (const std::string& token : vocabulary.tokens)
      vocabulary.kinds.push_back(looks_like_control(token) ? TokenKind::kControl : TokenKind::kNormal);
    return {};
  }
  R1_TRY(const std::vector<std::int64_t>* types, metadata.integers(kKey));
  if (types->size() != vocabulary.tokens.size())
    return invalid(fmt::format("{} tokens but {} token types", vocabulary.tokens.size(), types->size()));
  for (std::size_t id = 0; id < types->size(); ++id)
    vocabulary.kinds.push_back(kind_of((*types)[id], vocabulary.tokens[id]));
  return {};
}

// -1 where the key is missing; llama.cpp writes 2^32 - 1 for "none".
Result<int> read_id(const GgufMetadata& metadata, std::string_view key, const Vocabulary& vocabulary) {
  R1_TRY(const std::int64_t id, metadata.integer(key, -1));
  if (id == -1 || id == UINT32_MAX) return -1;
  if (id < 0 || id >= static_cast<std::int64_t>(vocabulary.tokens.size()))
    return invalid(fmt::format("{} is {}, there are {} tokens", key, id, vocabulary.tokens.size()));
  return static_cast<int>(id);
}

Status read_special_ids(const GgufMetadata& metadata, Vocabulary& vocabulary) {
  R1_TRY(vocabulary.bos_id, read_id(metadata, "tokenizer.ggml.bos_token_id", vocabulary));
  R1_TRY(vocabulary.eos_id, read_id(metadata, "tokenizer.ggml.eos_token_id", vocabulary));
  R1_TRY(vocabulary.pad_id, read_id(metadata, "tokenizer.ggml.padding_token_id", vocabulary));
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    R1_TRY(const int id, read_id(metadata, key, vocabulary));
    if (id >= 0) vocabulary.end_ids.push_back(id);
  }
  add_known_end_ids(vocabulary);
  return {};
}

}  // namespace

Result<Vocabulary> vocabulary_from_gguf(const GgufMetadata& metadata) {
  R1_TRY(const std::string model, metadata.string("tokenizer.ggml.model", ""));
  if (model.empty()) return Error{ErrorCode::kNotFound, "GGUF vocabulary: the file has none (no tokenizer.ggml.model)"};
  if (model != "gpt2") {
    return Error{ErrorCode::kUnsupported,
                 fmt::format("GGUF vocabulary: tokenizer '{:.60}', this build knows byte-level BPE ('gpt2')", model)};
  }
  Vocabulary vocabulary;
  R1_TRY(const std::vector<std::string>* tokens, metadata.strings("tokenizer.ggml.tokens"));
  vocabulary.tokens = *tokens;
  R1_TRY(const std::vector<std::string>* merges, metadata.strings("tokenizer.ggml.merges"));
  vocabulary.merges = *merges;
  R1_TRY_STATUS(read_kinds(metadata, vocabulary));
  R1_TRY(vocabulary.pre_tokenizer, read_pre_tokenizer(metadata, vocabulary));
  // Not in the file: the families' own tokenizer.json say so.
  vocabulary.ignore_merges = vocabulary.pre_tokenizer == PreTokenizerKind::kLlama3;
  vocabulary.nfc = vocabulary.pre_tokenizer == PreTokenizerKind::kQwen2;
  R1_TRY(vocabulary.add_bos,
         metadata.boolean("tokenizer.ggml.add_bos_token", vocabulary.pre_tokenizer == PreTokenizerKind::kLlama3));
  R1_TRY_STATUS(read_special_ids(metadata, vocabulary));
  return vocabulary;
}

}  // namespace r1
