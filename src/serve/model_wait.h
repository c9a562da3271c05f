// model_wait.h: a request for a model that is not in memory yet. At first nothing is sent, so that what follows has its
// own status; after a while its client gets signs of life, as in any other silence, and the model's word comes in them.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "serve/answer_wire.h"
#include "serve/http_message.h"
#include "serve/model_roster.h"

namespace r1 {

// What the model's coming leads to. The roster must outlive it.
class ModelRequest {
 public:
  using Then = std::function<HttpReply(const ServedModel&)>;
  ModelRequest(ModelRoster& roster, std::shared_ptr<ModelRoster::Waiting> waiting, Then then)
      : roster_(roster), waiting_(std::move(waiting)), then_(std::move(then)) {}

  std::optional<HttpReply> advance();  // once; empty: not yet

 private:
  ModelRoster& roster_;
  std::shared_ptr<ModelRoster::Waiting> waiting_;
  Then then_;
};

class ModelWait final : public HttpPending {
 public:
  // `fail`: how a stream says that its answer doesn't come; null: the answer is no stream.
  ModelWait(ModelRequest request, FailureEvent fail) : request_(std::move(request)), fail_(fail) {}
  std::optional<HttpReply> advance() override { return request_.advance(); }
  std::optional<HttpReply> show_life() override;

 private:
  ModelRequest request_;
  const FailureEvent fail_;
};

// How a roster's refusal is said to a client.
HttpResponse model_refusal(const Error& error);

}  // namespace r1
