// answering.cpp: submit, decode, split, count, stop.
#include "apps/answering.h"

#include <chrono>

#include "apps/interrupt.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

const char* to_string(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kError:
      return "error";
    case FinishReason::kRepetition:
      return "repetition";
  }
  return "";
}

Result<Answer> answer(LoadedModel& model, const Prompt& prompt, const AnswerOptions& options,
                      FunctionRef<bool(const SplitText& delta)> on_delta) {
  const InterruptScope interrupt;
  const std::span<const int> end_ids = model.tokenizer().end_ids();
  const Clock::time_point submitted = Clock::now();
  R1_TRY(TokenStream tokens, model.engine().submit({.prompt = prompt.ids,
                                                    .sampling = options.sampling,
                                                    .max_tokens = options.max_tokens,
                                                    .end_ids = {end_ids.begin(), end_ids.end()}}));
  AnswerStream stream(model.tokenizer(), prompt.answer_start, options.stops);
  Answer result;
  bool stopping = false;
  const auto take = [&](const SplitText& delta) {
    result.thinking += delta.thinking;
    result.text += delta.answer;
    if (!on_delta(delta) && !stopping) {
      stopping = true;
      tokens.cancel();
    }
  };
  Clock::time_point first_token = submitted;
  std::optional<Finish> finish;
  while (!finish) {
    StreamEvent event = tokens.next();
    if (event.token && !stopping) {
      if (stream.completion_tokens() == 0) first_token = Clock::now();
      take(stream.feed(event.token->id));
    }
    finish = std::move(event.finish);
    if (!stopping && (stream.stopped() || interrupt.pressed())) {
      stopping = true;
      tokens.cancel();
    }
  }
  take(stream.finish());
  if (finish->reason == FinishReason::kError) return finish->error;
  result.reason = stream.stopped() ? FinishReason::kStop : finish->reason;
  result.usage = finish->usage;
  result.usage.completion_tokens = stream.completion_tokens();
  result.reasoning_tokens = stream.reasoning_tokens();
  result.seconds_to_first_token = seconds_between(submitted, first_token);
  result.seconds_after_first = seconds_between(first_token, Clock::now());
  return result;
}

}  // namespace r1
