// completion_request.h: what a request asks for, after its JSON was checked: of /chat/completions and of /completions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "text/chat_template.h"

namespace r1 {

enum class ResponseFormat { kText, kJsonObject, kJsonSchema };
enum class ToolChoice { kAuto, kNone, kRequired };

struct CompletionRequest {
  std::string model;                  // "": the first that is served
  std::vector<ChatMessage> messages;  // of a chat
  std::string prompt;                 // of a completion: text,
  std::vector<int> prompt_ids;        // or tokens
  std::string suffix;                 // "": none; else what follows the completion, after a prompt of text
  SamplingParams sampling;
  std::optional<std::int64_t> seed;
  std::vector<std::string> stop;
  int max_tokens = 0;  // 0: what the context leaves
  int n = 1;
  bool stream = false, include_usage = false;
  bool logprobs = false;
  int n_top_logprobs = 0;
  bool echo = false;
  bool scores_prompt() const { return echo && logprobs; }
  bool detect_repetition = true;
  ThinkingMode thinking = ThinkingMode::kModelsOwn;
  int max_thinking_tokens = -1;  // -1: no limit but max_tokens
  ResponseFormat response_format = ResponseFormat::kText;
  std::string response_schema;  // of kJsonSchema: JSON text, its members in the order they were sent
  std::vector<ToolDefinition> tools;
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::string tool_name;  // with kRequired: "" or the one to call
  bool parallel_tool_calls = true;
};

// A refusal, as its JSON body will say it.
struct ApiError {
  int status = 400;
  std::string message, param, code;
};

}  // namespace r1
