// admission.h: may this request run, and what does it reserve? The rules of reserve and settle, without a database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ledger/entry.h"
#include "ledger/ledger_state.h"

namespace r1 {

struct ReserveRequest {
  std::int64_t key_id = 0;
  std::string model;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens_max = 0;  // what max_tokens allows
  std::string idempotency_key;             // empty: none
};

// What was reserved at admission. Goes back to the ledger once: Ledger::settle or Ledger::void_hold.
struct Hold {
  std::int64_t id = 0, amount_nanousd = 0;
  TokenPrices prices;
};

enum class Refusal {
  kNone,
  kKey,          // unknown, revoked or expired: HTTP 401
  kModel,        // not for this key: 403
  kBalance,      // the account's balance pays for less: 402
  kBudget,       // the key's budget pays for less: 402
  kConcurrency,  // 429, and so the next two
  kRequestRate,
  kTokenRate,
  kInProgress,  // the same Idempotency-Key is being answered: 409
  kMismatch,    // the same Idempotency-Key, another request: 422
};

struct Admission {
  Refusal refusal = Refusal::kNone;
  std::string reason;     // of a refusal, for the client
  int retry_after_s = 0;  // kRequestRate, kTokenRate: when the window has room again
  Hold hold;
  // The request was settled before, under the same Idempotency-Key: nothing is reserved, nothing is to be settled.
  std::optional<MeteredTokens> settled_before;
};

// The entry of kind "reserve", or none and why in `admission`. An Error: the request can't be metered at all.
Result<std::optional<Entry>> admit(const LedgerState& state, const ReserveRequest& request, std::int64_t now_unix_ms,
                                   Admission& admission);

// What admit() will say of a request of which only the least is known that it may need, as the model must be loaded to
// count its tokens. A refusal is certain; that there is none promises nothing. Of a request that was answered before,
// under the same Idempotency-Key: `settled_before`.
Result<Admission> foresee(const LedgerState& state, const ReserveRequest& least, std::int64_t now_unix_ms);

// An Error when the hold isn't open or the tokens cost more than it reserved.
Result<Entry> settlement(const LedgerState& state, std::int64_t hold_id, const MeteredTokens& tokens);
Result<Entry> voidance(const LedgerState& state, std::int64_t hold_id, const std::string& rule);

}  // namespace r1
