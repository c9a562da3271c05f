// kept_answers.cpp: recording replies as they go out, and playing them again.
#include "serve/kept_answers.h"

#include <algorithm>
#include <memory>

namespace r1 {
namespace {

constexpr std::size_t kPieceBytes = 16 << 10;

// How each dialect ends a stream that is complete; "incomplete" is what Responses call one that came to its limit. (One
// that the stopping server cut short ends the same, but in interrupt(), which keeps nothing.)
bool is_complete(std::string_view stream) {
  if (stream.ends_with("data: [DONE]\n\n")) return true;
  const std::size_t last = stream.rfind("\n\nevent: ");
  if (last == std::string_view::npos) return false;
  const std::string_view event = stream.substr(last + 9);
  return event.starts_with("message_stop\n") || event.starts_with("response.completed\n") ||
         event.starts_with("response.incomplete\n");
}

class RecordedWhole final : public HttpDeferred {
 public:
  RecordedWhole(KeptAnswers& kept, KeptAnswers::Request request, std::unique_ptr<HttpDeferred> inner)
      : kept_(kept), request_(std::move(request)), inner_(std::move(inner)) {
    headers = std::move(inner_->headers);
  }
  std::optional<HttpResponse> advance() override {
    std::optional<HttpResponse> response = inner_->advance();
    if (response && response->status == 200) kept_.store(request_, /*is_stream=*/false, response->body);
    return response;
  }
  HttpResponse interrupt() override { return inner_->interrupt(); }

 private:
  KeptAnswers& kept_;
  const KeptAnswers::Request request_;
  std::unique_ptr<HttpDeferred> inner_;
};

class RecordedStream final : public HttpStream {
 public:
  RecordedStream(KeptAnswers& kept, KeptAnswers::Request request, std::unique_ptr<HttpStream> inner)
      : kept_(kept), request_(std::move(request)), inner_(std::move(inner)) {
    headers = std::move(inner_->headers);
  }
  Progress advance(std::string& out) override {
    const std::size_t n_before = out.size();
    const Progress progress = inner_->advance(out);
    // One byte too many is enough for store() to refuse it.
    if (record_.size() <= KeptAnswers::kAnswerBytesMax) record_.append(out, n_before);
    if (progress == Progress::kDone && is_complete(record_))
      kept_.store(request_, /*is_stream=*/true, std::move(record_));
    return progress;
  }
  void interrupt(std::string& out) override { inner_->interrupt(out); }

 private:
  KeptAnswers& kept_;
  const KeptAnswers::Request request_;
  std::unique_ptr<HttpStream> inner_;
  std::string record_;
};

class ReplayedStream final : public HttpStream {
 public:
  explicit ReplayedStream(std::string body) : body_(std::move(body)) {}
  Progress advance(std::string& out) override {
    const std::size_t n_bytes = std::min(kPieceBytes, body_.size() - n_sent_);
    out.append(body_, n_sent_, n_bytes);
    n_sent_ += n_bytes;
    return n_sent_ == body_.size() ? Progress::kDone : Progress::kMore;
  }
  void interrupt(std::string& out) override { out += ": cut short\n\n"; }

 private:
  const std::string body_;
  std::size_t n_sent_ = 0;
};

}  // namespace

HttpReply KeptAnswers::keep(const Request& request, HttpReply reply) {
  if (auto* whole = std::get_if<std::unique_ptr<HttpDeferred>>(&reply))
    return std::make_unique<RecordedWhole>(*this, request, std::move(*whole));
  if (auto* stream = std::get_if<std::unique_ptr<HttpStream>>(&reply))
    return std::make_unique<RecordedStream>(*this, request, std::move(*stream));
  return reply;
}

std::optional<HttpReply> KeptAnswers::find(const Request& request) const {
  const auto found = answers_.find({request.account_id, request.idempotency_key});
  if (found == answers_.end()) return std::nullopt;
  const Answer& answer = found->second;
  if (answer.digest != request.digest) {
    return error_response(422, "the Idempotency-Key was used for another request", "Idempotency-Key",
                          "idempotency_key_reused");
  }
  HttpReply reply;
  if (answer.is_stream) {
    reply = std::make_unique<ReplayedStream>(answer.body);
  } else {
    HttpResponse response;
    response.body = answer.body;
    reply = std::move(response);
  }
  append_headers(reply, {{"Idempotent-Replayed", "true"}});
  return reply;
}

void KeptAnswers::store(const Request& request, bool is_stream, std::string body) {
  if (body.size() > kAnswerBytesMax) return;
  Name name{request.account_id, request.idempotency_key};
  Answer answer{request.digest, is_stream, std::move(body)};
  n_bytes_ += answer.body.size();
  const auto [place, is_new] = answers_.try_emplace(name, std::move(answer));
  if (!is_new) {  // the ledger has forgotten the first
    n_bytes_ -= place->second.body.size();
    place->second = std::move(answer);  // NOLINT(bugprone-use-after-move): try_emplace took nothing
  } else {
    order_.push_back(std::move(name));
  }
  while (n_bytes_ > kBytesMax) {
    const auto oldest = answers_.find(order_.front());
    n_bytes_ -= oldest->second.body.size();
    answers_.erase(oldest);
    order_.pop_front();
  }
}

}  // namespace r1
