// script_model.cpp: the script's vocabulary spelt the way tokenizers expect it.
#include "serve/script_model.h"

#include "text/byte_alphabet.h"

namespace r1 {
namespace {

TokenKind kind_of(ScriptToken::Kind kind) {
  switch (kind) {
    case ScriptToken::Kind::kText:
      return TokenKind::kNormal;
    case ScriptToken::Kind::kAdded:
      return TokenKind::kUserDefined;
    case ScriptToken::Kind::kControl:
      return TokenKind::kControl;
  }
  return TokenKind::kUnused;
}

// No merges: text is encoded a byte a token. The words of the answers are there to be decoded.
Vocabulary vocabulary_of(const Script& script) {
  Vocabulary vocabulary;
  for (const ScriptToken& token : script.vocabulary) {
    const bool is_text = token.kind == ScriptToken::Kind::kText;
    vocabulary.tokens.push_back(is_text ? spelling_of_bytes(token.bytes) : token.bytes);
    vocabulary.kinds.push_back(kind_of(token.kind));
  }
  vocabulary.add_bos = true;
  vocabulary.bos_id = script.find("<｜begin▁of▁sentence｜>");
  vocabulary.eos_id = Script::kEndId;
  vocabulary.end_ids = {Script::kEndId};
  return vocabulary;
}

}  // namespace

Result<std::unique_ptr<ScriptModel>> ScriptModel::load(const std::string& path) {
  R1_TRY(Script script, Script::load(path));
  return from_script(std::move(script));
}

Result<std::unique_ptr<ScriptModel>> ScriptModel::from_script(Script script) {
  R1_TRY(Tokenizer tokenizer, Tokenizer::from_vocabulary(vocabulary_of(script)));
  // "" is R1's, by its control tokens; the other is DeepSeek-V3's, which opens no thought.
  const std::string_view source = script.thinks ? "" : "{{'<｜User｜>'}}{{'<｜Assistant｜>'}}";
  std::unique_ptr<ScriptModel> model(new ScriptModel(std::move(script), std::move(tokenizer)));
  R1_TRY(ChatTemplate chat_template, ChatTemplate::detect(source, model->tokenizer_));
  model->chat_template_ = std::make_unique<ChatTemplate>(std::move(chat_template));
  return model;
}

ServedModel ScriptModel::served() {
  ServedModel served;
  served.name = engine_.script().model;
  served.engine = &engine_;
  served.tokenizer = &tokenizer_;
  served.chat_template = chat_template_.get();
  served.sampling.temperature = 0.6f;  // R1's recommendation
  served.sampling.top_p = 0.95f;
  return served;
}

}  // namespace r1
