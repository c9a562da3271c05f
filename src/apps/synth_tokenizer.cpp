// synth_tokenizer.cpp: vocabularies made up, control tokens and templates in the shape their families have.
#include "apps/synth_tokenizer.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "text/byte_alphabet.h"

namespace r1 {
namespace {

constexpr std::string_view kR1Template =
    R"({{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }})"
    R"({% elif message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }})"
    R"({% elif message['role'] == 'assistant' %}{{ '<｜Assistant｜>' + message['content'].split('</think>')[-1] + )"
    R"('<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %})"
    R"({% if add_generation_prompt %}{{ '<｜Assistant｜><think>\n' }}{% endif %})";
constexpr std::string_view kChatMlTemplate =
    R"({% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }})"
    R"({% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";
constexpr std::string_view kLlama3Template =
    R"({{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + )"
    R"('<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %})"
    R"({% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})";

// Pre-tokenizer patterns as the families' tokenizer.json have them.
const std::vector<std::string> kDeepSeekV3Patterns = {
    R"(\p{N}{1,3})", "[一-龥\u3040-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
    " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"};
const std::vector<std::string> kQwen2Patterns = {
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
const std::vector<std::string> kLlama3Patterns = {
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};

const std::vector<std::string> kR1Control = {"<｜begin▁of▁sentence｜>",
                                             "<｜end▁of▁sentence｜>",
                                             "<｜▁pad▁｜>",
                                             "<｜User｜>",
                                             "<｜Assistant｜>",
                                             "<|EOT|>",
                                             "<｜tool▁calls▁begin｜>",
                                             "<｜tool▁calls▁end｜>",
                                             "<｜tool▁call▁begin｜>",
                                             "<｜tool▁call▁end｜>",
                                             "<｜tool▁outputs▁begin｜>",
                                             "<｜tool▁outputs▁end｜>",
                                             "<｜tool▁output▁begin｜>",
                                             "<｜tool▁output▁end｜>",
                                             "<｜tool▁sep｜>"};
const std::vector<std::string> kThink = {"<think>", "</think>"};

struct Family {
  std::string_view gguf_pre, bos, eos, chat_template;  // bos "": none
  const std::vector<std::string>& patterns;
  std::vector<std::string> control, plain;
  bool ignore_merges;
};

Family family_of(SynthTokens family) {
  const std::string_view bos = kR1Control[0], eos = kR1Control[1];
  switch (family) {
    case SynthTokens::kDeepSeekR1:
      return {"deepseek-v3", bos, eos, kR1Template, kDeepSeekV3Patterns, kR1Control, kThink, false};
    case SynthTokens::kDeepSeekR1Qwen:
      return {"deepseek-r1-qwen", bos, eos, kR1Template, kQwen2Patterns, kR1Control, kThink, false};
    case SynthTokens::kDeepSeekR1Llama:
      return {"llama-bpe", bos, eos, kR1Template, kLlama3Patterns, kR1Control, kThink, true};
    case SynthTokens::kLlama3:
      return {"llama-bpe",
              "<|begin_of_text|>",
              "<|eot_id|>",
              kLlama3Template,
              kLlama3Patterns,
              {"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
              {},
              true};
    case SynthTokens::kChatMl:
      break;
  }
  return {"qwen2", "",   "<|im_end|>", kChatMlTemplate, kQwen2Patterns, {"<|endoftext|>", "<|im_start|>", "<|im_end|>"},
          {},      false};
}

Json pre_tokenizer_json(const SynthTokenizer& tokenizer) {
  Json steps = Json::array();
  for (const std::string& pattern : tokenizer.split_patterns) {
    steps.push_back(
        {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
  }
  steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}});
  return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// Sorted objects: looking for the place in an ordered one of 150,000 tokens would take minutes.
std::string tokenizer_json(const SynthTokenizer& tokenizer) {
  Json added = Json::array();
  for (const SynthTokenizer::Special& token : tokenizer.specials) {
    added.push_back({{"id", token.id},
                     {"content", token.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", token.is_control}});
  }
  Json vocab = Json::object();
  for (std::size_t id = 0; id < tokenizer.tokens.size(); ++id) vocab[tokenizer.tokens[id]] = id;
  const Json model = {{"type", "BPE"},
                      {"dropout", nullptr},
                      {"unk_token", nullptr},
                      {"continuing_subword_prefix", nullptr},
                      {"end_of_word_suffix", nullptr},
                      {"fuse_unk", false},
                      {"byte_fallback", false},
                      {"ignore_merges", tokenizer.ignore_merges},
                      {"vocab", std::move(vocab)},
                      {"merges", Json::array()}};
  const Json all = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", pre_tokenizer_json(tokenizer)},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}}},
      {"model", model}};
  return all.dump(1);
}

}  // namespace

Result<SynthTokenizer> synth_tokenizer(SynthTokens which, int vocab_size) {
  const Family family = family_of(which);
  SynthTokenizer result;
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    result.tokens.push_back(spelling_of_bytes(std::string_view(&text, 1)));
  }
  const auto add_special = [&](const std::string& text, bool is_control) {
    const int id = static_cast<int>(result.tokens.size());
    if (text == family.bos) result.bos_id = id;
    if (text == family.eos) result.eos_id = id;
    result.specials.push_back({id, text, is_control});
    result.tokens.push_back(text);
  };
  for (const std::string& text : family.control) add_special(text, true);
  for (const std::string& text : family.plain) add_special(text, false);
  if (static_cast<int>(result.tokens.size()) > vocab_size) {
    return Error{ErrorCode::kInvalidInput, fmt::format("a vocabulary of {} can't hold 256 bytes and {} control tokens",
                                                       vocab_size, result.specials.size())};
  }
  for (int n = 0; static_cast<int>(result.tokens.size()) < vocab_size; ++n) {
    result.tokens.push_back(fmt::format("<filler_{}>", n));
  }
  result.ignore_merges = family.ignore_merges;
  result.gguf_pre = family.gguf_pre;
  result.split_patterns = family.patterns;
  result.chat_template = family.chat_template;
  return result;
}

void add_tokenizer(GgufMetadata& metadata, const SynthTokenizer& tokenizer) {
  constexpr std::int64_t kNormal = 1, kControl = 3, kUserDefined = 4;
  std::vector<std::int64_t> kinds(tokenizer.tokens.size(), kNormal);
  for (const SynthTokenizer::Special& token : tokenizer.specials) {
    kinds[static_cast<std::size_t>(token.id)] = token.is_control ? kControl : kUserDefined;
  }
  metadata.set("tokenizer.ggml.model", std::string("gpt2"));
  metadata.set("tokenizer.ggml.pre", tokenizer.gguf_pre);
  metadata.set("tokenizer.ggml.tokens", GgufArray{tokenizer.tokens});
  metadata.set("tokenizer.ggml.token_type", GgufArray{std::move(kinds)});
  metadata.set("tokenizer.ggml.merges", GgufArray{std::vector<std::string>{}});
  if (tokenizer.bos_id >= 0) {
    metadata.set("tokenizer.ggml.bos_token_id", static_cast<std::uint64_t>(tokenizer.bos_id));
  }
  metadata.set("tokenizer.ggml.eos_token_id", static_cast<std::uint64_t>(tokenizer.eos_id));
  metadata.set("tokenizer.ggml.padding_token_id", static_cast<std::uint64_t>(tokenizer.eos_id));
  metadata.set("tokenizer.ggml.add_bos_token", tokenizer.bos_id >= 0);
  metadata.set("tokenizer.ggml.add_eos_token", false);
  metadata.set("tokenizer.chat_template", tokenizer.chat_template);
}

Status write_tokenizer_files(const std::string& folder, const SynthTokenizer& tokenizer) {
  R1_TRY_STATUS(write_file_atomically(folder + "/tokenizer.json", tokenizer_json(tokenizer)));
  const std::string& eos = tokenizer.tokens[static_cast<std::size_t>(tokenizer.eos_id)];
  OrderedJson config = {{"add_bos_token", tokenizer.bos_id >= 0}, {"add_eos_token", false}};
  if (tokenizer.bos_id >= 0) config["bos_token"] = tokenizer.tokens[static_cast<std::size_t>(tokenizer.bos_id)];
  config["eos_token"] = eos;
  config["pad_token"] = eos;
  config["clean_up_tokenization_spaces"] = false;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  config["chat_template"] = tokenizer.chat_template;
  return write_file_atomically(folder + "/tokenizer_config.json", config.dump(2) + "\n");
}

}  // namespace r1
