// synth_tokenizer.cpp: vocabularies made up, control tokens and templates in the shape their families have.
#include "apps/synth_tokenizer.h"

#include <vector>

#include <fmt/format.h>

#include "text/byte_alphabet.h"
#include "text/r1_chat_template.h"

namespace r1 {
namespace {

constexpr std::string_view kChatMlTemplate =
    R"({% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }})"
    R"({% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %})";
constexpr std::string_view kLlama3Template =
    R"({{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + )"
    R"('<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %})"
    R"({% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %})";

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
  PreTokenizerKind pre_tokenizer;
  std::vector<std::string> control, plain;
  bool ignore_merges;
};

Family family_of(SynthTokens family) {
  const std::string_view bos = kR1Control[0], eos = kR1Control[1];
  switch (family) {
    case SynthTokens::kDeepSeekR1:
      return {"deepseek-v3", bos, eos, kR1ChatTemplate, PreTokenizerKind::kDeepSeekV3, kR1Control, kThink, false};
    case SynthTokens::kDeepSeekR1Qwen:
      return {"deepseek-r1-qwen", bos, eos, kR1ChatTemplate, PreTokenizerKind::kQwen2, kR1Control, kThink, false};
    case SynthTokens::kDeepSeekR1Llama:
      return {"llama-bpe", bos, eos, kR1ChatTemplate, PreTokenizerKind::kLlama3, kR1Control, kThink, true};
    case SynthTokens::kLlama3:
      return {"llama-bpe",
              "<|begin_of_text|>",
              "<|eot_id|>",
              kLlama3Template,
              PreTokenizerKind::kLlama3,
              {"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
              {},
              true};
    case SynthTokens::kChatMl:
      break;
  }
  return {"qwen2",
          "",
          "<|im_end|>",
          kChatMlTemplate,
          PreTokenizerKind::kQwen2,
          {"<|endoftext|>", "<|im_start|>", "<|im_end|>"},
          {},
          false};
}

}  // namespace

Result<SynthTokenizer> synth_tokenizer(SynthTokens which, int vocab_size) {
  const Family family = family_of(which);
  SynthTokenizer result;
  Vocabulary& vocabulary = result.vocabulary;
  const auto add = [&](const std::string& text, TokenKind kind) {
    const int id = static_cast<int>(vocabulary.tokens.size());
    if (text == family.bos) vocabulary.bos_id = id;
    if (text == family.eos) vocabulary.eos_id = id;
    vocabulary.tokens.push_back(text);
    vocabulary.kinds.push_back(kind);
  };
  for (int byte = 0; byte < 256; ++byte) {
    const char text = static_cast<char>(byte);
    add(spelling_of_bytes(std::string_view(&text, 1)), TokenKind::kNormal);
  }
  for (const std::string& text : family.control) add(text, TokenKind::kControl);
  for (const std::string& text : family.plain) add(text, TokenKind::kUserDefined);
  if (static_cast<int>(vocabulary.tokens.size()) > vocab_size) {
    return Error{ErrorCode::kInvalidInput, fmt::format("a vocabulary of {} can't hold 256 bytes and {} control tokens",
                                                       vocab_size, family.control.size() + family.plain.size())};
  }
  for (int n = 0; static_cast<int>(vocabulary.tokens.size()) < vocab_size; ++n) {
    add(fmt::format("<filler_{}>", n), TokenKind::kNormal);
  }
  vocabulary.pre_tokenizer = family.pre_tokenizer;
  vocabulary.ignore_merges = family.ignore_merges;
  vocabulary.pad_id = vocabulary.eos_id;
  vocabulary.add_bos = vocabulary.bos_id >= 0;
  result.gguf_pre = family.gguf_pre;
  result.chat_template = family.chat_template;
  return result;
}

}  // namespace r1
