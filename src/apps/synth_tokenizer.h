// synth_tokenizer.h: a byte-level vocabulary for a synthetic model: 256 bytes, the family's control tokens, fillers up
// to the size of the model's output. Any text can be encoded, any token decoded; no merges.
#pragma once

#include <string>
#include <vector>

#include "apps/synth_shapes.h"
#include "formats/gguf.h"

namespace r1 {

struct SynthTokenizer {
  struct Special {
    int id;
    std::string text;
    bool is_control;  // false: stands for its own text, as <think> does
  };
  std::vector<std::string> tokens;  // [vocab_size], bytes in GPT-2's alphabet
  std::vector<Special> specials;
  int bos_id = -1, eos_id = 0;  // -1: none
  bool ignore_merges = false;
  std::string gguf_pre;                     // tokenizer.ggml.pre
  std::vector<std::string> split_patterns;  // of tokenizer.json's pre-tokenizer
  std::string chat_template;
};

// vocab_size: at least 256 and the control tokens; an Error otherwise.
Result<SynthTokenizer> synth_tokenizer(SynthTokens which, int vocab_size);

void add_tokenizer(GgufMetadata& metadata, const SynthTokenizer& tokenizer);
// tokenizer.json and tokenizer_config.json.
Status write_tokenizer_files(const std::string& folder, const SynthTokenizer& tokenizer);

}  // namespace r1
