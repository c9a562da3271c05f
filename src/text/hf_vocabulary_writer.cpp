// hf_vocabulary_writer.cpp: the fields as transformers' "fast" tokenizers of DeepSeek, Qwen2 and Llama 3 have them.
#include "text/hf_vocabulary_writer.h"

#include <vector>

#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "base/file.h"
#include "base/json.h"

namespace r1 {
namespace {

// Patterns as the families' tokenizer.json have them; none: a kind we do not write.
std::vector<std::string> split_patterns(PreTokenizerKind kind) {
  switch (kind) {
    case PreTokenizerKind::kDeepSeekV3:
      return {R"(\p{N}{1,3})", "[一-龥\u3040-ゟ゠-ヿ]+",
              "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
              " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"};
    case PreTokenizerKind::kQwen2:
      return {
          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
    case PreTokenizerKind::kLlama3:
      return {
          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
    default:
      return {};
  }
}

Json pre_tokenizer_json(const std::vector<std::string>& patterns) {
  Json steps = Json::array();
  for (const std::string& pattern : patterns) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

Json added_tokens_json(const Vocabulary& vocabulary) {
  Json added = Json::array();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const TokenKind kind = vocabulary.kinds[id];
    if (kind != TokenKind::kControl && kind != TokenKind::kUserDefined) continue;
    added.push_back({{"id", id},
                     {"content", vocabulary.tokens[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", kind == TokenKind::kControl}});
  }
  return added;
}

// Sorted objects: looking for the place in an ordered one of 150,000 tokens would take minutes.
Json model_json(const Vocabulary& vocabulary) {
  Json vocab = Json::object();
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) vocab[vocabulary.tokens[id]] = id;
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", vocabulary.ignore_merges},
          {"vocab", std::move(vocab)},
          {"merges", vocabulary.merges}};
}

std::string tokenizer_config_json(const Vocabulary& vocabulary, std::string_view chat_template) {
  const auto name = [&](int id) { return vocabulary.tokens[static_cast<std::size_t>(id)]; };
  OrderedJson config = {{"add_bos_token", vocabulary.add_bos}, {"add_eos_token", false}};
  if (vocabulary.bos_id >= 0) config["bos_token"] = name(vocabulary.bos_id);
  config["eos_token"] = name(vocabulary.eos_id);
  if (vocabulary.pad_id >= 0) config["pad_token"] = name(vocabulary.pad_id);
  config["clean_up_tokenization_spaces"] = false;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["chat_template"] = chat_template;
  return config.dump(2) + "\n";
}

}  // namespace

Result<std::string> tokenizer_json(const Vocabulary& vocabulary) {
  R1_ASSERT(vocabulary.eos_id >= 0, "a vocabulary that is written has an EOS");
  const std::vector<std::string> patterns = split_patterns(vocabulary.pre_tokenizer);
  if (patterns.empty()) {
    return Error{ErrorCode::kUnsupported,
                 "writing tokenizer.json: the pre-tokenizers written are those of DeepSeek-V3, Qwen2 and Llama 3"};
  }
  const Json all = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added_tokens_json(vocabulary)},
      {"normalizer", vocabulary.nfc ? Json{{"type", "NFC"}} : Json()},
      {"pre_tokenizer", pre_tokenizer_json(patterns)},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model", model_json(vocabulary)}};
  return all.dump(1);
}

Status write_tokenizer_files(const std::string& folder, const Vocabulary& vocabulary, std::string_view chat_template) {
  R1_TRY(const std::string tokenizer, tokenizer_json(vocabulary));
  R1_TRY_STATUS(write_file_atomically(folder + "/tokenizer.json", tokenizer));
  return write_file_atomically(folder + "/tokenizer_config.json", tokenizer_config_json(vocabulary, chat_template));
}

}  // namespace r1
