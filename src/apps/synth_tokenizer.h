// synth_tokenizer.h: a byte-level vocabulary for a synthetic model: 256 bytes, the family's control tokens, fillers up
// to the size of the model's output. Any text can be encoded, any token decoded; no merges.
#pragma once

#include <string>

#include "apps/synth_shapes.h"
#include "text/tokenizer.h"

namespace r1 {

struct SynthTokenizer {
  Vocabulary vocabulary;
  std::string gguf_pre;  // tokenizer.ggml.pre
  std::string chat_template;
};

// vocab_size: at least 256 and the control tokens; an Error otherwise.
Result<SynthTokenizer> synth_tokenizer(SynthTokens which, int vocab_size);

}  // namespace r1
