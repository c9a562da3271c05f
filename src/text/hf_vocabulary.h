// hf_vocabulary.h: Hugging Face's tokenizer.json and the files beside it, read into a Vocabulary.
#pragma once

#include <string>

#include "base/result.h"
#include "text/tokenizer.h"

namespace r1 {

// Contents of the files; "" for one that is not there.
struct HfTokenizerFiles {
  std::string tokenizer;          // tokenizer.json: vocabulary, merges, added tokens, pre-tokenizer
  std::string tokenizer_config;   // tokenizer_config.json: BOS, EOS, padding, the chat template
  std::string generation_config;  // generation_config.json: what else ends an answer
  std::string config;             // config.json: ids, where the other files have none
};

Result<HfTokenizerFiles> read_hf_tokenizer_files(const std::string& folder);
Result<Vocabulary> vocabulary_from_hf_files(const HfTokenizerFiles& files);
Result<Vocabulary> vocabulary_from_hf_folder(const std::string& folder);

// chat_template.jinja, or what tokenizer_config.json says; "" when the model has none.
Result<std::string> chat_template_from_hf_folder(const std::string& folder);

// Control tokens that end an answer in every model that has them, whatever its files say: a file that forgets
// <|eot_id|> makes a model talk to itself. Adds those the vocabulary has to its end_ids, and eos_id.
void add_known_end_ids(Vocabulary& vocabulary);

// Whether a token is for the model and not for readers, judged by its spelling: "<|im_end|>", "<｜User｜>". Files mark
// some of these as ordinary added tokens.
bool looks_like_control(std::string_view token);

}  // namespace r1
