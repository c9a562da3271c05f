// generation.cpp: submitting, and turning stream events into pieces.
#include "serve/generation.h"

#include <utility>

#include "serve/answer_filter.h"

namespace r1 {
namespace {

GenerateRequest engine_request(const ServedModel& model, const CompletionRequest& request, const Prompt& prompt,
                               int answer) {
  GenerateRequest engine;
  engine.prompt = prompt.ids;
  engine.sampling = request.sampling;
  engine.sampling.seed = static_cast<std::uint64_t>(request.seed.value_or(0)) + static_cast<std::uint64_t>(answer);
  engine.sampling.n_top_logprobs = request.logprobs ? request.n_top_logprobs : -1;
  engine.max_tokens = request.max_tokens;
  engine.scores_prompt = request.scores_prompt();
  const auto end_ids = model.tokenizer->end_ids();
  engine.end_ids.assign(end_ids.begin(), end_ids.end());
  return engine;
}

// The engine's view of the thought is that of the splitter, so what it counts is what clients see.
std::optional<ThoughtLimit> thought_limit(const ServedModel& model, const CompletionRequest& request,
                                          ReasoningSplitter::Start start) {
  if (start == ReasoningSplitter::Start::kAnswer) return std::nullopt;
  ThoughtLimit limit;
  limit.max_tokens = request.max_thinking_tokens;
  limit.closing = model.chat_template->closing_ids();
  auto stream = std::make_shared<AnswerStream>(*model.tokenizer, start);
  limit.begins_inside = stream->in_thinking();
  limit.is_inside = [stream = std::move(stream)](int id) {
    stream->feed(id);
    return stream->in_thinking();
  };
  return limit;
}

bool is_empty(const AnswerPiece& piece) {
  return piece.text.thinking.empty() && piece.text.answer.empty() && piece.calls.empty() &&
         piece.finish_reason.empty() && piece.prompt_tokens.empty();
}

}  // namespace

Result<Generation> Generation::start(const ServedModel& model, const CompletionRequest& request, const Prompt& prompt,
                                     const std::function<void()>& on_event, std::shared_ptr<Meter> meter,
                                     const std::shared_ptr<TokenMasks>& masks) {
  Generation generation(model, request);
  generation.on_event_ = on_event;
  generation.meter_ = std::move(meter);
  generation.first_prompt_id_ = prompt.ids.front();
  generation.answers_.reserve(static_cast<std::size_t>(request.n));
  for (int i = 0; i < request.n; ++i) {
    GenerateRequest engine = engine_request(model, request, prompt, i);
    engine.on_event = on_event;
    if (generation.meter_) {
      engine.account = static_cast<std::uint64_t>(generation.meter_->account_id());
      engine.on_over = [meter = generation.meter_, i](const Usage& usage) { meter->take(usage, i); };
    }
    engine.thought = thought_limit(model, request, prompt.answer_start);
    if (request.detect_repetition) engine.repetition = RepetitionLimit{};
    if (engine.thought) engine.thought->end_now = generation.end_thinking_;
    if (masks) engine.filter = std::make_shared<AnswerFilter>(*model.tokenizer, prompt.answer_start, masks);
    auto submitted = model.engine->submit(std::move(engine));
    if (!submitted.ok()) {
      generation.waive("the engine did not take it");
      return submitted.error();
    }
    TokenStream tokens = *std::move(submitted);
    AnswerStream text(*model.tokenizer, prompt.answer_start, request.stop);
    Usage usage;
    usage.prompt_tokens = static_cast<int>(prompt.ids.size());
    std::optional<ToolCallParser> calls;
    if (!request.tools.empty() && request.tool_choice != ToolChoice::kNone)
      calls.emplace(model.chat_template->tool_syntax());
    generation.answers_.push_back(
        {.tokens = std::move(tokens), .text = std::move(text), .calls = std::move(calls), .usage = usage});
  }
  generation.n_unfinished_ = request.n;
  return generation;
}

std::optional<AnswerPiece> Generation::next() {
  if (last_piece_) return settled_piece();
  for (std::size_t tried = 0; tried < answers_.size() && !failure_; ++tried) {
    const std::size_t index = turn_++ % answers_.size();
    auto piece = next_of(index);
    if (!piece) continue;
    if (n_unfinished_ > 0 || !meter_) return piece;
    last_piece_ = std::move(piece);
    settle();
    return settled_piece();
  }
  return std::nullopt;
}

std::optional<AnswerPiece> Generation::settled_piece() {
  const std::optional<Status> settled = meter_->settled();
  if (!settled) return std::nullopt;
  if (settled->ok()) return std::exchange(last_piece_, std::nullopt);
  failure_ = Error{ErrorCode::kOutOfResource, "the accounts can't be reached"};  // the log says why
  return std::nullopt;
}

void Generation::settle() {
  const UsageReport used = usage();
  meter_->settle({used.prompt_tokens, used.cached_tokens, used.completion_tokens}, is_stream_, on_event_);
}

void Generation::waive(std::string rule) {
  if (meter_) meter_->waive(std::move(rule));
}

std::optional<AnswerPiece> Generation::next_of(std::size_t index) {
  Answer& answer = answers_[index];
  while (!answer.finished && !failure_) {
    std::optional<StreamEvent> event = answer.tokens.try_next();
    if (!event) {
      // Not before all is taken that came behind the stop string: the Finish, with the usage, must find room.
      if (answer.text.stopped()) answer.tokens.cancel();
      break;
    }
    AnswerPiece piece;
    piece.index = static_cast<int>(index);
    if (answer.is_first_event && scores_prompt_) report_prompt(event->prompt, piece);
    answer.is_first_event = false;
    if (event->token) take_token(answer, *event->token, piece);
    if (event->finish) take_finish(answer, *event->finish, piece);
    if (!is_empty(piece)) return piece;
  }
  return std::nullopt;
}

void Generation::take_token(Answer& answer, const SampledToken& token, AnswerPiece& piece) {
  if (answer.text.stopped()) return;  // a stop string ended it; what the engine wrote before it knew
  const int n_reasoning_tokens = answer.text.reasoning_tokens();
  piece.text = answer.text.feed(token.id);
  if (logprobs_) report_token(answer, token, answer.text.reasoning_tokens() > n_reasoning_tokens);
  find_calls(answer, piece);
  // Reports travel with their text: those of held back text wait for it.
  if (!piece.text.thinking.empty()) piece.thinking_tokens = std::exchange(answer.thinking_tokens, {});
  if (!piece.text.answer.empty() || !piece.calls.empty()) piece.answer_tokens = std::exchange(answer.answer_tokens, {});
}

void Generation::find_calls(Answer& answer, AnswerPiece& piece) {
  if (answer.calls) piece.text.answer = answer.calls->feed(piece.text.answer, piece.calls);
}

void Generation::take_finish(Answer& answer, const Finish& finish, AnswerPiece& piece) {
  const bool is_end = finish.reason != FinishReason::kCancelled && finish.reason != FinishReason::kError;
  if (!is_end && !answer.text.stopped()) {
    failure_ = finish.reason == FinishReason::kError ? finish.error
                                                     : Error{ErrorCode::kCancelled, "the generation was cancelled"};
    if (!is_stream_) waive("not delivered: the engine failed");
    return;
  }
  answer.usage.cached_tokens = finish.usage.cached_tokens;
  answer.usage.completion_tokens =
      answer.text.stopped() ? answer.text.completion_tokens() : finish.usage.completion_tokens;
  take_rest(answer, piece);
  const bool stopped = answer.text.stopped();
  piece.stop_string = answer.text.stop_string();
  const bool is_cut = !stopped && finish.reason != FinishReason::kStop;
  const bool has_calls = answer.calls && answer.calls->n_calls() > 0;
  piece.finish_reason = is_cut ? "length" : has_calls ? "tool_calls" : "stop";
  if (!stopped && finish.reason == FinishReason::kRepetition) piece.finish_detail = "repetition";
}

void Generation::take_rest(Answer& answer, AnswerPiece& piece) {
  answer.finished = true;
  --n_unfinished_;
  SplitText rest = answer.text.finish();
  piece.text.thinking += rest.thinking;
  if (answer.calls) rest.answer = answer.calls->feed(rest.answer, piece.calls) + answer.calls->finish();
  piece.text.answer += rest.answer;
  if (!answer.text.stopped()) {
    for (TokenReport& token : answer.thinking_tokens) piece.thinking_tokens.push_back(std::move(token));
    for (TokenReport& token : answer.answer_tokens) piece.answer_tokens.push_back(std::move(token));
  }
}

// The reason is DeepSeek's word for an answer that was cut off for the service's sake.
std::vector<AnswerPiece> Generation::give_up() {
  std::vector<AnswerPiece> pieces;
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    Answer& answer = answers_[i];
    if (answer.finished) continue;
    answer.tokens.cancel();
    answer.usage.cached_tokens = answer.tokens.n_cached_tokens();
    answer.usage.completion_tokens = answer.text.completion_tokens();
    AnswerPiece& piece = pieces.emplace_back();
    piece.index = static_cast<int>(i);
    take_rest(answer, piece);
    piece.finish_reason = "insufficient_system_resource";
    piece.finish_detail = "server_stopping";
  }
  if (last_piece_)  // being settled already
    pieces.push_back(*std::exchange(last_piece_, std::nullopt));
  else if (meter_ && usage().completion_tokens > 0)
    settle();
  return pieces;
}

void Generation::report_token(Answer& answer, const SampledToken& token, bool is_thinking) const {
  // Only what is text: neither the token that ended the answer nor the tags between thinking and answer. Where the
  // prompt is scored too, all are told, as whoever counts tokens expects.
  TokenReport report = report_of(token);
  const bool is_tag = report.bytes == "<think>" || report.bytes == "</think>";
  if (!scores_prompt_ && (is_tag || !report.is_in_text)) return;
  (is_thinking ? answer.thinking_tokens : answer.answer_tokens).push_back(std::move(report));
}

TokenReport Generation::report_of(const SampledToken& token) const {
  TokenReport report{std::string(tokenizer_->token_bytes(token.id)), token.logprob, {}};
  for (const TokenLogprob& other : token.top)
    report.top.push_back({std::string(tokenizer_->token_bytes(other.id)), other.logprob});
  report.is_in_text = tokenizer_->kind(token.id) != TokenKind::kControl && !tokenizer_->ends_answer(token.id);
  return report;
}

void Generation::report_prompt(std::vector<SampledToken>& scores, AnswerPiece& piece) const {
  TokenReport first = report_of({.id = first_prompt_id_, .logprob = 0, .top = {}});
  first.has_logprob = false;
  piece.prompt_tokens.push_back(std::move(first));
  for (const SampledToken& token : std::exchange(scores, {})) {
    piece.prompt_tokens.push_back(report_of(token));
    piece.prompt_tokens.back().is_in_text = tokenizer_->kind(token.id) != TokenKind::kControl;
  }
}

UsageReport Generation::usage() const {
  UsageReport report;
  report.prompt_tokens = answers_[0].usage.prompt_tokens;  // sent once, however many answers are made of it
  report.cached_tokens = answers_[0].usage.cached_tokens;
  for (const Answer& answer : answers_) {
    report.completion_tokens += answer.usage.completion_tokens;
    report.reasoning_tokens += answer.text.reasoning_tokens();
  }
  return report;
}

}  // namespace r1
