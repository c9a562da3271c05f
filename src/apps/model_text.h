// model_text.h: what a model needs to read and write text, from whichever kind of file it is.
#pragma once

#include <string>

#include "base/result.h"
#include "text/tokenizer.h"

namespace r1 {

struct ModelText {
  Tokenizer tokenizer;
  std::string chat_template;  // the template's text, "" where the model has none: for ChatTemplate::detect
};

// `path`: a GGUF file (or a shard), or a folder with tokenizer.json.
Result<ModelText> load_model_text(const std::string& path);

}  // namespace r1
