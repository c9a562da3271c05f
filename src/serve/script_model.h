// script_model.h: a script served as a model: its engine, the tokenizer of its vocabulary, DeepSeek-R1's template.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "engine/script_engine.h"
#include "serve/served_model.h"

namespace r1 {

class ScriptModel {
 public:
  static Result<std::unique_ptr<ScriptModel>> load(const std::string& path);
  static Result<std::unique_ptr<ScriptModel>> from_script(Script script);

  ServedModel served();  // points into this
  const ScriptEngine& engine() const { return engine_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  ScriptModel(Script script, Tokenizer tokenizer) : engine_(std::move(script)), tokenizer_(std::move(tokenizer)) {}

  ScriptEngine engine_;
  Tokenizer tokenizer_;
  std::unique_ptr<ChatTemplate> chat_template_;
};

}  // namespace r1
