// model_text.cpp: a folder is Hugging Face's, anything else a GGUF file.
#include "apps/model_text.h"

#include "apps/gguf_vocabulary.h"
#include "base/file.h"
#include "formats/gguf.h"
#include "text/hf_vocabulary.h"

namespace r1 {

Result<ModelText> load_model_text(const std::string& path) {
  if (is_directory(path)) {
    R1_TRY(std::string chat_template, chat_template_from_hf_folder(path));
    R1_TRY(Tokenizer tokenizer, Tokenizer::from_hf_folder(path));
    return ModelText{std::move(tokenizer), std::move(chat_template)};
  }
  R1_TRY(const GgufFile file, GgufFile::open(path));
  R1_TRY(std::string chat_template, file.metadata().string("tokenizer.chat_template", ""));
  Result<Vocabulary> vocabulary = vocabulary_from_gguf(file.metadata());
  if (!vocabulary.ok()) return with_context(vocabulary.error(), path);
  Result<Tokenizer> tokenizer = Tokenizer::from_vocabulary(std::move(vocabulary).value());
  if (!tokenizer.ok()) return with_context(tokenizer.error(), path);
  return ModelText{std::move(tokenizer).value(), std::move(chat_template)};
}

}  // namespace r1
