// accounts.cpp: asking the ledger, and its refusals as responses.
#include "serve/accounts.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/log.h"
#include "serve/access.h"

namespace r1 {
namespace {

constexpr std::int64_t kNanoPerCent = 10'000'000;
constexpr int kShortestMaskedSecret = 16;  // shorter ones are not shown in part either

// The ledger's word, waited for.
template <typename T>
class LedgerWord final : public HttpPending {
 public:
  using Then = std::function<HttpReply(Result<T>)>;
  using Mailbox = std::shared_ptr<BoundedQueue<Result<T>>>;
  LedgerWord(Mailbox mailbox, Then then) : mailbox_(std::move(mailbox)), then_(std::move(then)) {}

  std::optional<HttpReply> advance() override {
    std::optional<Result<T>> word = mailbox_->try_pop();
    if (!word) return std::nullopt;
    return then_(*std::move(word));
  }

 private:
  Mailbox mailbox_;
  Then then_;
};

// `start` is called with the callback for the ledger. If the client leaves before that comes, the mailbox and what is
// in it end with the callback: a Meter then voids its hold.
template <typename T, typename Start>
HttpReply ask(const HttpWaker& waker, Start start, typename LedgerWord<T>::Then then) {
  const auto mailbox = std::make_shared<BoundedQueue<Result<T>>>(1);
  start([mailbox, waker](Result<T> word) {
    mailbox->try_push(std::move(word));
    waker.wake();
  });
  return std::make_unique<LedgerWord<T>>(mailbox, std::move(then));
}

// Why is for the operator: it names files.
HttpResponse ledger_failure(const Error& error) {
  log_error(fmt::format("the ledger: {}", error.message));
  return retry_after(error_response(503, "the accounts can't be reached; nothing was charged", "", "overloaded"), 5);
}

// DeepSeek's words, with its code.
HttpResponse unauthorized(std::string_view why) {
  HttpResponse response =
      error_response(401, fmt::format("Authentication Fails, {}", why), "", "invalid_request_error");
  response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

// As OpenAI's and DeepSeek's clients send it, or as Anthropic's do.
std::string_view key_of(const HttpRequest& request) {
  return request.header("Authorization").empty() ? request.header("x-api-key") : bearer_token(request);
}

std::string masked(std::string_view secret) {
  if (std::ssize(secret) < kShortestMaskedSecret) return "****";
  std::string last(secret.substr(secret.size() - 4));
  for (char& c : last) c = c > ' ' && c < 127 ? c : '*';
  return "****" + last;
}

HttpResponse refusal_response(const Admission& admission) {
  const std::string& why = admission.reason;
  switch (admission.refusal) {
    case Refusal::kNone:
      break;
    case Refusal::kKey:
      return unauthorized(why);
    case Refusal::kModel:
      return error_response(403, why, "model", "model_not_allowed");
    case Refusal::kBalance:
    case Refusal::kBudget:
      return error_response(402, "Insufficient Balance: " + why, "", "invalid_request_error");
    case Refusal::kConcurrency:
      return retry_after(error_response(429, why, "", "rate_limit_reached"), 1);
    case Refusal::kRequestRate:
    case Refusal::kTokenRate:
      return retry_after(error_response(429, why, "", "rate_limit_reached"), std::max(1, admission.retry_after_s));
    case Refusal::kInProgress:
      return retry_after(error_response(409, why, "Idempotency-Key", "idempotency_key_in_use"), 1);
    case Refusal::kMismatch:
      return error_response(422, why, "Idempotency-Key", "idempotency_key_reused");
  }
  const MeteredTokens used = admission.settled_before.value_or(MeteredTokens{});
  HttpResponse response = error_response(
      409,
      fmt::format("the request with this Idempotency-Key was answered, and charged once: {} prompt tokens, {} of them "
                  "cached, and {} completion tokens",
                  used.prompt, used.cached, used.completion),
      "Idempotency-Key", "already_answered");
  response.headers.push_back({"x-should-retry", "false"});  // OpenAI's clients repeat a 409 otherwise
  return response;
}

// Cents, rounded down: who is told of them can spend them.
std::string format_cents(std::int64_t nanousd) {
  const std::int64_t cents = nanousd / kNanoPerCent - (nanousd % kNanoPerCent < 0 ? 1 : 0);
  const std::int64_t magnitude = cents < 0 ? -cents : cents;
  return fmt::format("{}{}.{:02}", cents < 0 ? "-" : "", magnitude / 100, magnitude % 100);
}

HttpResponse balance_response(const Account& account) {
  const bool is_available = !account.prepaid || account.balance_nanousd > account.held_nanousd;
  const std::string total = format_cents(account.balance_nanousd);
  HttpResponse response;
  response.headers.push_back({"Cache-Control", "no-store"});
  response.body = OrderedJson({{"is_available", is_available},
                               {"balance_infos", OrderedJson::array({OrderedJson({{"currency", "USD"},
                                                                                  {"total_balance", total},
                                                                                  {"granted_balance", "0.00"},
                                                                                  {"topped_up_balance", total}})})}})
                      .dump();
  return response;
}

std::optional<HttpResponse> check_idempotency_key(const ReserveRequest& request) {
  if (request.idempotency_key.empty()) return std::nullopt;
  const Status named = check_name(request.idempotency_key, "an Idempotency-Key");
  if (named.ok()) return std::nullopt;
  return error_response(400, named.error().message, "Idempotency-Key", "invalid_value");
}

// What reserve() gave, with the meter that will close its hold.
struct Admitted {
  Admission admission;
  std::shared_ptr<Meter> meter;
};

}  // namespace

Accounts::Accounts(std::unique_ptr<Ledger> ledger, KeyRule rule)
    : rule_(rule), closer_(*ledger), ledger_(std::move(ledger)) {}

Accounts::~Accounts() { closer_.retry(); }

HttpReply Accounts::authenticate(const HttpRequest& request, const HttpWaker& waker,
                                 std::function<HttpReply(const Caller&)> then) {
  const std::string secret(key_of(request));
  if (secret.empty()) {
    if (rule_ == KeyRule::kOptional && request.header("Authorization").empty()) return then({});
    return unauthorized("no api key was sent: Authorization: Bearer <key>");
  }
  return ask<Caller>(
      waker, [&](auto done) { ledger_->authenticate(secret, std::move(done)); },
      [mask = masked(secret), then = std::move(then)](const Result<Caller>& caller) -> HttpReply {
        if (caller.ok()) return then(*caller);
        if (caller.error().code != ErrorCode::kNotFound) return ledger_failure(caller.error());
        return unauthorized(fmt::format("Your api key: {} is invalid", mask));
      });
}

HttpReply Accounts::reserve(const Caller& caller, const ReserveRequest& request, const std::string& digest,
                            const HttpWaker& waker, std::function<HttpReply(std::shared_ptr<Meter>)> then) {
  if (auto wrong = check_idempotency_key(request)) return *std::move(wrong);
  closer_.retry();
  const auto start = [&](auto done) {
    ledger_->reserve(request, [this, caller, done](const Result<Admission>& admission) {
      if (!admission.ok()) return done(admission.error());
      Admitted admitted{*admission, nullptr};
      if (admission->refusal == Refusal::kNone && !admission->settled_before)
        admitted.meter = std::make_shared<Meter>(closer_, admission->hold.id, caller.account_id);
      done(std::move(admitted));
    });
  };
  KeptAnswers::Request repeat{caller.account_id, request.idempotency_key, digest};
  return ask<Admitted>(
      waker, start, [this, repeat = std::move(repeat), then = std::move(then)](Result<Admitted> admitted) {
        if (!admitted.ok()) return HttpReply(ledger_failure(admitted.error()));
        if (admitted->meter) {
          HttpReply reply = then(std::move(admitted->meter));
          return repeat.idempotency_key.empty() ? std::move(reply) : kept_.keep(repeat, std::move(reply));
        }
        return refuse(admitted->admission, repeat);
      });
}

// Or the answer that it has got before.
HttpReply Accounts::refuse(const Admission& admission, const KeptAnswers::Request& repeat) const {
  std::optional<HttpReply> before;
  if (admission.settled_before) before = kept_.find(repeat);
  return before ? *std::move(before) : HttpReply(refusal_response(admission));
}

HttpReply Accounts::foresee(const Caller& caller, const ReserveRequest& least, const std::string& digest,
                            const HttpWaker& waker, std::function<HttpReply()> then) {
  if (auto wrong = check_idempotency_key(least)) return *std::move(wrong);
  return ask<Admission>(
      waker, [&](auto done) { ledger_->foresee(least, std::move(done)); },
      [this, repeat = KeptAnswers::Request{caller.account_id, least.idempotency_key, digest},
       then = std::move(then)](const Result<Admission>& admission) -> HttpReply {
        if (!admission.ok()) return ledger_failure(admission.error());
        const bool may_run = admission->refusal == Refusal::kNone && !admission->settled_before;
        return may_run ? then() : refuse(*admission, repeat);
      });
}

HttpReply Accounts::balance(const Caller& caller, const HttpWaker& waker) {
  if (caller.key_id == 0) return unauthorized("a balance is that of a key: Authorization: Bearer <key>");
  const auto start = [&](auto done) {
    const auto account = std::make_shared<Account>();
    const auto copy = [account, id = caller.account_id](const LedgerState& state,
                                                        std::int64_t) -> Result<std::optional<Entry>> {
      *account = state.accounts().at(id);
      return std::optional<Entry>();
    };
    ledger_->submit(copy, [account, done](const Result<std::optional<Entry>>& result) {
      done(result.ok() ? Result<Account>(*account) : Result<Account>(result.error()));
    });
  };
  return ask<Account>(waker, start, [](const Result<Account>& account) -> HttpReply {
    return account.ok() ? balance_response(*account) : ledger_failure(account.error());
  });
}

}  // namespace r1
