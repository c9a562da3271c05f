// served_model.h: a model as the API sees it: a name, an engine, and how text becomes its tokens.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace r1 {

struct ServedModel {
  std::string name;
  Engine* engine = nullptr;
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat_template = nullptr;
  // Holds what the pointers point to, for as long as a copy lives. Null: it outlives the server.
  std::shared_ptr<const void> keeps = nullptr;
  SamplingParams sampling;  // what a request that says nothing gets: R1's 0.6 and 0.95, or the neutral ones
};

}  // namespace r1
