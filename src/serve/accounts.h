// accounts.h: requests on behalf of accounts: whose key it is, what a request may cost at most, and what is left.
//
// The io thread never waits for the ledger: an answer that depends on it is an HttpPending, woken by the ledger's
// writer thread. What the ledger refuses becomes DeepSeek's errors here (docs/api.md).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "ledger/ledger.h"
#include "serve/http_message.h"
#include "serve/kept_answers.h"
#include "serve/meter.h"

namespace r1 {

enum class KeyRule { kRequired, kOptional };  // optional: who sends none is nobody, and nothing is charged

class Accounts {
 public:
  Accounts(std::unique_ptr<Ledger> ledger, KeyRule rule);
  Accounts(const Accounts&) = delete;
  Accounts& operator=(const Accounts&) = delete;
  ~Accounts();  // waits until what was settled is durable

  bool requires_keys() const { return rule_ == KeyRule::kRequired; }

  // 401, or what `then` answers to the caller whose key the request has: `Caller{}` for nobody.
  HttpReply authenticate(const HttpRequest& request, const HttpWaker& waker,
                         std::function<HttpReply(const Caller&)> then);

  // A refusal (401, 402, 403, 409, 422, 429, 503), or what `then` answers with the meter of the reserved request, or
  // the answer that this request has got before: `digest` names all that it depends on.
  HttpReply reserve(const Caller& caller, const ReserveRequest& request, const std::string& digest,
                    const HttpWaker& waker, std::function<HttpReply(std::shared_ptr<Meter>)> then);

  // Before a model is loaded for it: the refusal that is certain already, or the answer that the request has got
  // before, or what `then` answers. `least`: what it will reserve at the least. Nothing is reserved.
  HttpReply foresee(const Caller& caller, const ReserveRequest& least, const std::string& digest,
                    const HttpWaker& waker, std::function<HttpReply()> then);

  HttpReply balance(const Caller& caller, const HttpWaker& waker);  // as GET /user/balance has it

 private:
  HttpReply refuse(const Admission& admission, const KeptAnswers::Request& repeat) const;

  const KeyRule rule_;
  KeptAnswers kept_;
  HoldCloser closer_;
  std::unique_ptr<Ledger> ledger_;  // ends first: its callbacks use the closer
};

}  // namespace r1
