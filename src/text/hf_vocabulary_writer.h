// hf_vocabulary_writer.h: a Vocabulary as Hugging Face's tokenizer.json and tokenizer_config.json.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer.h"

namespace r1 {

// The merges by Hugging Face's tokenizers library; an Error for a pre-tokenizer no model of ours is written with, that
// is, other than DeepSeek-V3's, Qwen2's and Llama 3's. The vocabulary must have an EOS.
Result<std::string> tokenizer_json(const Vocabulary& vocabulary);

// Both files, into a folder that exists.
Status write_tokenizer_files(const std::string& folder, const Vocabulary& vocabulary, std::string_view chat_template);

}  // namespace r1
