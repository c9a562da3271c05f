// normalizer.h: Unicode normalisation form C, the only normaliser the tokenizers we know declare (Qwen2's).
//
// Hugging Face's Qwen2 tokenizer applies it, in training and since; llama.cpp does not. We do: "é" typed as e and a
// combining accent (macOS file names, some keyboards) is then the token the model has always seen. For the same reason
// decode(encode(x)) is x in its composed form, for these vocabularies only.
#pragma once

#include <string>
#include <string_view>

namespace r1 {

// `text` must be well-formed UTF-8. Returns it, or its composed form in `storage`.
std::string_view compose_nfc(std::string_view text, std::string& storage);

}  // namespace r1
