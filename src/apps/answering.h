// answering.h: one answer to a conversation, from prompt to the last word; `r1 run` and `r1 chat` differ only in how
// they show it.
#pragma once

#include <string>
#include <vector>

#include "apps/loaded_model.h"
#include "base/function_ref.h"
#include "text/answer_stream.h"

namespace r1 {

struct AnswerOptions {
  SamplingParams sampling;
  int max_tokens = 0;  // 0: until the context is full
  std::vector<std::string> stops;
};

struct Answer {
  std::string thinking, text;
  FinishReason reason = FinishReason::kStop;
  Usage usage;
  int reasoning_tokens = 0;
  double seconds_to_first_token = 0, seconds_after_first = 0;

  double tokens_per_second() const {
    return seconds_after_first > 0 ? (usage.completion_tokens - 1) / seconds_after_first : 0;
  }
};

// `on_delta` sees the text as it comes, and whether it is still thinking; returning false stops the answer. Ctrl-C
// stops it too.
Result<Answer> answer(LoadedModel& model, const Prompt& prompt, const AnswerOptions& options,
                      FunctionRef<bool(const SplitText& delta)> on_delta);

const char* to_string(FinishReason reason);  // "stop", "length", "cancelled", "error", "repetition"

}  // namespace r1
