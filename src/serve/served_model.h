// served_model.h: a model as the API sees it: a name, an engine, and how text becomes its tokens.
#pragma once

#include <string>

#include "engine/engine.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace r1 {

// What the pointers point to outlives the server.
struct ServedModel {
  std::string name;
  Engine* engine = nullptr;
  const Tokenizer* tokenizer = nullptr;
  const ChatTemplate* chat_template = nullptr;
  SamplingParams sampling;  // what a request that says nothing gets: R1's 0.6 and 0.95, or the neutral ones
};

}  // namespace r1
