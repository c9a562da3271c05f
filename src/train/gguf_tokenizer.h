// gguf_tokenizer.h: a Vocabulary and a chat template as the tokenizer.* metadata of a GGUF file.
#pragma once

#include <string_view>

#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace r1 {

// `pre`: llama.cpp's name of the pre-tokenizer; several may stand for one kind ("qwen2", "deepseek-r1-qwen"). The
// vocabulary must have an EOS.
void add_tokenizer(GgufMetadata& metadata, const Vocabulary& vocabulary, std::string_view pre,
                   std::string_view chat_template);

// A vocabulary of BpeTrainer, with R1's template: what reads the file takes the model for one of R1's kind.
void add_r1_tokenizer(GgufMetadata& metadata, const Vocabulary& vocabulary);

}  // namespace r1
