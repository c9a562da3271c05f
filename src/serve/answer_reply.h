// answer_reply.h: a generation on its way to a client, as a stream of events or as one body.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/answer_wire.h"
#include "serve/generation.h"
#include "serve/http_message.h"

namespace r1 {

class AnswerEvents final : public HttpStream {
 public:
  AnswerEvents(Generation generation, std::unique_ptr<AnswerWire> wire, const CompletionRequest& request)
      : generation_(std::move(generation)),
        wire_(std::move(wire)),
        n_answers_(request.n),
        include_usage_(request.include_usage) {}

  Progress advance(std::string& out) override;
  void interrupt(std::string& out) override;

 private:
  void begin(std::string& out);

  Generation generation_;
  std::unique_ptr<AnswerWire> wire_;
  const int n_answers_;
  const bool include_usage_;
  bool has_begun_ = false;
};

class WholeAnswer final : public HttpDeferred {
 public:
  WholeAnswer(Generation generation, std::unique_ptr<AnswerWire> wire, const CompletionRequest& request);

  std::optional<HttpResponse> advance() override;
  HttpResponse interrupt() override;

 private:
  Generation generation_;
  std::unique_ptr<AnswerWire> wire_;
  std::vector<AnswerPiece> answers_;  // [n] everything so far
};

// How an engine's refusal or failure is said to a client.
HttpResponse engine_failure(const Error& error);

}  // namespace r1
