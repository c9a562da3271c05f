// admission.cpp: the rules in the order a client should hear of them: the key, the model, a repeat, limits, money.
#include "ledger/admission.h"

#include <algorithm>

#include <fmt/format.h>

#include "ledger/money.h"

namespace r1 {
namespace {

void refuse(Admission& admission, Refusal refusal, std::string reason) {
  admission.refusal = refusal;
  admission.reason = std::move(reason);
}

void check_key(const Key* key, const std::string& model, std::int64_t now, Admission& admission) {
  if (key == nullptr) return refuse(admission, Refusal::kKey, "no such key");
  const KeyLimits& limits = key->detail.limits;
  if (key->revoked) return refuse(admission, Refusal::kKey, "the key was revoked");
  if (limits.expires_unix_ms > 0 && now >= limits.expires_unix_ms) {
    return refuse(admission, Refusal::kKey, "the key has expired");
  }
  const bool allowed =
      limits.models.empty() || std::find(limits.models.begin(), limits.models.end(), model) != limits.models.end();
  if (!allowed) refuse(admission, Refusal::kModel, fmt::format("the key is not for the model '{}'", model));
}

void check_repeat(const KnownRequest& known, const Entry& wanted, Admission& admission) {
  const bool same = known.model == wanted.model && known.key_id == wanted.key_id &&
                    (known.settled ? known.tokens.prompt == wanted.tokens.prompt : known.tokens == wanted.tokens);
  if (!same) return refuse(admission, Refusal::kMismatch, "the Idempotency-Key was used for another request");
  if (!known.settled) return refuse(admission, Refusal::kInProgress, "a request with this Idempotency-Key is running");
  admission.hold = {known.hold_id, known.amount_nanousd, known.prices};
  admission.settled_before = known.tokens;
}

void check_rates(const Key& key, const Entry& wanted, std::int64_t now, Admission& admission) {
  const KeyLimits& limits = key.detail.limits;
  std::int64_t n_requests = 0, tokens = 0, oldest = now;
  for (const RecentRequest& recent : key.recent) {
    // Not those of the future either: the clock may have been put back.
    if (recent.unix_ms <= now - kRateWindowMs || recent.unix_ms > now) continue;
    n_requests += 1;
    tokens += recent.tokens;
    oldest = std::min(oldest, recent.unix_ms);
  }
  admission.retry_after_s = static_cast<int>((oldest + kRateWindowMs - now + 999) / 1000);
  if (limits.requests_per_minute > 0 && n_requests >= limits.requests_per_minute) {
    return refuse(admission, Refusal::kRequestRate,
                  fmt::format("the key may send {} requests a minute", limits.requests_per_minute));
  }
  const std::int64_t asked = wanted.tokens.prompt + wanted.tokens.completion;
  if (limits.tokens_per_minute > 0 && tokens + asked > limits.tokens_per_minute) {
    return refuse(admission, Refusal::kTokenRate,
                  fmt::format("the key has {} tokens a minute, {} of them used; this request may take {}",
                              limits.tokens_per_minute, tokens, asked));
  }
  admission.retry_after_s = 0;
}

Status check_money(const Account& account, const Key& key, std::int64_t amount, Admission& admission) {
  const KeyLimits& limits = key.detail.limits;
  R1_TRY(const std::int64_t key_used, add_nanousd(key.settled_nanousd, key.held_nanousd));
  if (limits.budget_nanousd > 0 && amount > limits.budget_nanousd - key_used) {
    refuse(admission, Refusal::kBudget,
           fmt::format("this request may cost ${}, the key's budget of ${} has ${} left", format_usd(amount),
                       format_usd(limits.budget_nanousd), format_usd(limits.budget_nanousd - key_used)));
    return {};
  }
  R1_TRY(const std::int64_t free, add_nanousd(account.balance_nanousd, -account.held_nanousd));
  if (account.prepaid && amount > free) {
    refuse(admission, Refusal::kBalance,
           fmt::format("this request may cost ${}, the balance has ${} left", format_usd(amount), format_usd(free)));
  }
  return {};
}

const Key* find_key(const LedgerState& state, std::int64_t key_id) {
  const auto found = state.keys().find(key_id);
  return found == state.keys().end() ? nullptr : &found->second;
}

Status check_names(const ReserveRequest& request) {
  R1_TRY_STATUS(check_name(request.model, "the name of a model"));
  return request.idempotency_key.empty() ? Status() : check_name(request.idempotency_key, "an Idempotency-Key");
}

Entry reservation_of(const Key& key, const ReserveRequest& request) {
  Entry entry{.kind = EntryKind::kReserve,
              .account_id = key.account_id,
              .key_id = key.id,
              .model = request.model,
              .request = request.idempotency_key};
  entry.tokens = {.prompt = request.prompt_tokens, .completion = request.completion_tokens_max};
  return entry;
}

// What the key and its account still have for a new request; fills in the entry's prices and amount.
Status check_means(const LedgerState& state, const Key& key, std::int64_t now, Entry& entry, Admission& admission) {
  entry.prices = prices_at(state.prices_of(entry.model), now);
  R1_TRY(entry.amount_nanousd, cost_nanousd(entry.prices, entry.tokens));
  const std::int64_t most_open = key.detail.limits.max_concurrent;
  if (most_open > 0 && key.n_open >= most_open) {
    refuse(admission, Refusal::kConcurrency, fmt::format("the key may have {} requests at a time", most_open));
  }
  if (admission.refusal == Refusal::kNone) check_rates(key, entry, now, admission);
  if (admission.refusal != Refusal::kNone) return {};
  return check_money(state.accounts().at(key.account_id), key, entry.amount_nanousd, admission);
}

}  // namespace

Result<std::optional<Entry>> admit(const LedgerState& state, const ReserveRequest& request, std::int64_t now,
                                   Admission& admission) {
  R1_TRY_STATUS(check_names(request));
  const Key* key = find_key(state, request.key_id);
  check_key(key, request.model, now, admission);
  if (admission.refusal != Refusal::kNone) return std::optional<Entry>();
  Entry entry = reservation_of(*key, request);
  if (const KnownRequest* known = state.find_request(key->account_id, request.idempotency_key, now)) {
    check_repeat(*known, entry, admission);
    return std::optional<Entry>();
  }
  R1_TRY_STATUS(check_means(state, *key, now, entry, admission));
  if (admission.refusal != Refusal::kNone) return std::optional<Entry>();
  return std::optional<Entry>(std::move(entry));
}

Result<Admission> foresee(const LedgerState& state, const ReserveRequest& least, std::int64_t now) {
  R1_TRY_STATUS(check_names(least));
  Admission admission;
  const Key* key = find_key(state, least.key_id);
  check_key(key, least.model, now, admission);
  if (admission.refusal != Refusal::kNone) return admission;
  Entry entry = reservation_of(*key, least);
  if (const KnownRequest* known = state.find_request(key->account_id, least.idempotency_key, now)) {
    entry.tokens = known->tokens;  // whether it had these, is not known yet
    check_repeat(*known, entry, admission);
    return admission;
  }
  R1_TRY_STATUS(check_means(state, *key, now, entry, admission));
  return admission;
}

Result<Entry> settlement(const LedgerState& state, std::int64_t hold_id, const MeteredTokens& tokens) {
  const auto found = state.open_holds().find(hold_id);
  if (found == state.open_holds().end()) {
    return Error{ErrorCode::kNotFound,
                 fmt::format("hold {} is not open: it was settled or voided, or never made", hold_id)};
  }
  const OpenHold& hold = found->second;
  Entry entry{.kind = EntryKind::kSettle,
              .account_id = hold.account_id,
              .key_id = hold.key_id,
              .hold_id = hold.id,
              .tokens = tokens,
              .prices = hold.prices,
              .model = hold.model,
              .request = hold.request};
  R1_TRY(entry.amount_nanousd, cost_nanousd(hold.prices, tokens));
  R1_TRY(entry.o1_nanousd, cost_nanousd(kOpenAiO1Prices, tokens));
  if (entry.amount_nanousd <= hold.amount_nanousd) return entry;
  return Error{ErrorCode::kInvalidInput,
               fmt::format("{} prompt and {} completion tokens cost {} nano-dollars, but hold {} reserved {}",
                           tokens.prompt, tokens.completion, entry.amount_nanousd, hold_id, hold.amount_nanousd)};
}

Result<Entry> voidance(const LedgerState& state, std::int64_t hold_id, const std::string& rule) {
  R1_TRY(Entry entry, settlement(state, hold_id, {}));
  entry.kind = EntryKind::kVoid;
  entry.detail = rule;
  return entry;
}

}  // namespace r1
