// gguf_vocabulary.h: the tokenizer.ggml.* metadata of a GGUF file, read into a Vocabulary.
#pragma once

#include "base/result.h"
#include "formats/gguf.h"
#include "text/tokenizer.h"

namespace r1 {

Result<Vocabulary> vocabulary_from_gguf(const GgufMetadata& metadata);

}  // namespace r1
