// answer_reply.cpp: pieces into events, or put together into a body.
#include "serve/answer_reply.h"

#include <iterator>
#include <utility>

namespace r1 {
namespace {

constexpr std::size_t kEventBytesMax = 16 << 10;  // appended before the client must have taken them

void append(AnswerPiece& whole, AnswerPiece& piece) {
  whole.text.thinking += piece.text.thinking;
  whole.text.answer += piece.text.answer;
  for (ToolCallDelta& call : piece.calls) {
    if (call.name.empty() && !whole.calls.empty())
      whole.calls.back().arguments += call.arguments;
    else
      whole.calls.push_back(std::move(call));
  }
  const auto move_to = [](std::vector<TokenReport>& from, std::vector<TokenReport>& to) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  move_to(piece.prompt_tokens, whole.prompt_tokens);
  move_to(piece.thinking_tokens, whole.thinking_tokens);
  move_to(piece.answer_tokens, whole.answer_tokens);
  if (!piece.finish_reason.empty()) whole.finish_reason = piece.finish_reason;
  if (!piece.finish_detail.empty()) whole.finish_detail = piece.finish_detail;
  if (!piece.stop_string.empty()) whole.stop_string = piece.stop_string;
}

}  // namespace

HttpResponse engine_failure(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidInput:
      return error_response(400, error.message, "", "invalid_prompt");
    case ErrorCode::kOutOfResource:
      return retry_after(error_response(503, "the server is busy: " + error.message, "", "overloaded"), 1);
    case ErrorCode::kIo:
      return retry_after(error_response(503, error.message, "model", "model_damaged"), 5);
    case ErrorCode::kCancelled:
      return retry_after(error_response(503, error.message, "", "cancelled"), 5);
    default:
      return error_response(500, error.message, "", "engine_error");
  }
}

void AnswerEvents::begin(std::string& out) {
  if (std::exchange(has_begun_, true)) return;
  for (int i = 0; i < n_answers_; ++i) wire_->begin(out, i);
}

// An error event ends a stream without "[DONE]": that would say that the answer is complete.
HttpStream::Progress AnswerEvents::advance(std::string& out) {
  const std::size_t n_bytes_before = out.size();
  begin(out);
  while (out.size() - n_bytes_before < kEventBytesMax) {
    const std::optional<AnswerPiece> piece = generation_.next();
    if (generation_.failure()) {
      wire_->fail(out, engine_failure(*generation_.failure()));
      return Progress::kDone;
    }
    if (!piece) return Progress::kWaiting;
    const bool carries_usage = generation_.done() && !include_usage_;
    wire_->piece(out, *piece, carries_usage ? std::optional(generation_.usage()) : std::nullopt);
    if (!generation_.done()) continue;
    if (include_usage_) wire_->usage_only(out, generation_.usage());
    wire_->end(out);
    return Progress::kDone;
  }
  return Progress::kMore;
}

// What was written so far counts, so the stream ends as a complete one does, with a reason of its own and the usage.
// Even if nothing was: an answer whose model came when the drain ended.
void AnswerEvents::interrupt(std::string& out) {
  begin(out);
  const std::vector<AnswerPiece> pieces = generation_.give_up();
  for (const AnswerPiece& piece : pieces) {
    const bool carries_usage = &piece == &pieces.back() && !include_usage_;
    wire_->piece(out, piece, carries_usage ? std::optional(generation_.usage()) : std::nullopt);
  }
  if (include_usage_) wire_->usage_only(out, generation_.usage());
  wire_->end(out);
}

WholeAnswer::WholeAnswer(Generation generation, std::unique_ptr<AnswerWire> wire, const CompletionRequest& request)
    : generation_(std::move(generation)), wire_(std::move(wire)), answers_(static_cast<std::size_t>(request.n)) {
  for (std::size_t i = 0; i < answers_.size(); ++i) answers_[i].index = static_cast<int>(i);
}

HttpResponse WholeAnswer::interrupt() {
  generation_.waive("not delivered: the server stopped");
  return HttpDeferred::interrupt();
}

std::optional<HttpResponse> WholeAnswer::advance() {
  while (std::optional<AnswerPiece> piece = generation_.next())
    append(answers_[static_cast<std::size_t>(piece->index)], *piece);
  if (generation_.failure()) return engine_failure(*generation_.failure());
  if (!generation_.done()) return std::nullopt;
  HttpResponse response;
  response.body = wire_->whole(answers_, generation_.usage());
  return response;
}

}  // namespace r1
