// model_wait.cpp: the wait as a stream and as a body; when the model is there, its answer goes on in the same.
#include "serve/model_wait.h"

#include <utility>

namespace r1 {
namespace {

// The reply in the end: the request's answer may have to ask the ledger first.
class Decision {
 public:
  explicit Decision(ModelRequest request) : request_(std::move(request)) {}

  std::optional<HttpReply> advance() {
    std::optional<HttpReply> reply = pending_ ? pending_->advance() : request_.advance();
    if (reply && std::holds_alternative<std::unique_ptr<HttpPending>>(*reply)) {
      pending_ = std::get<std::unique_ptr<HttpPending>>(*std::move(reply));
      return advance();
    }
    return reply;
  }

 private:
  ModelRequest request_;
  std::unique_ptr<HttpPending> pending_;
};

// The status was sent long ago: a refusal is an event.
class WaitingStream final : public HttpStream {
 public:
  WaitingStream(ModelRequest request, FailureEvent fail) : decision_(std::move(request)), fail_(fail) {}

  Progress advance(std::string& out) override {
    if (stream_) return stream_->advance(out);
    std::optional<HttpReply> reply = decision_.advance();
    if (!reply) return Progress::kWaiting;
    if (auto* stream = std::get_if<std::unique_ptr<HttpStream>>(&*reply)) {
      stream_ = std::move(*stream);
      return Progress::kMore;
    }
    if (const auto* refusal = std::get_if<HttpResponse>(&*reply)) fail_(out, *refusal);
    return Progress::kDone;
  }

  void interrupt(std::string& out) override {
    if (stream_) return stream_->interrupt(out);
    fail_(out, stopping_response());
  }

 private:
  Decision decision_;
  const FailureEvent fail_;
  std::unique_ptr<HttpStream> stream_;
};

class WaitingAnswer final : public HttpDeferred {
 public:
  explicit WaitingAnswer(ModelRequest request) : decision_(std::move(request)) {}

  std::optional<HttpResponse> advance() override {
    if (answer_) return answer_->advance();
    std::optional<HttpReply> reply = decision_.advance();
    if (!reply) return std::nullopt;
    if (auto* response = std::get_if<HttpResponse>(&*reply)) return std::move(*response);
    answer_ = std::get<std::unique_ptr<HttpDeferred>>(*std::move(reply));
    return answer_->advance();
  }

  HttpResponse interrupt() override { return answer_ ? answer_->interrupt() : HttpDeferred::interrupt(); }

 private:
  Decision decision_;
  std::unique_ptr<HttpDeferred> answer_;
};

}  // namespace

HttpResponse model_refusal(const Error& error) {
  if (error.code == ErrorCode::kInvalidInput) return error_response(400, error.message, "model", "model_too_large");
  const bool is_full = error.code == ErrorCode::kOutOfResource;
  return retry_after(error_response(503, error.message, "model", is_full ? "no_room_for_model" : "model_not_loaded"),
                     5);
}

std::optional<HttpReply> ModelRequest::advance() {
  roster_.advance();
  if (!waiting_->word) return std::nullopt;
  const Result<ServedModel> word = *std::exchange(waiting_->word, std::nullopt);
  return word.ok() ? then_(*word) : HttpReply(model_refusal(word.error()));
}

std::optional<HttpReply> ModelWait::show_life() {
  if (fail_ != nullptr) return std::make_unique<WaitingStream>(std::move(request_), fail_);
  return std::make_unique<WaitingAnswer>(std::move(request_));
}

}  // namespace r1
