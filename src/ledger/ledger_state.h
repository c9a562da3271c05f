// ledger_state.h: what the entries add up to: balances, keys, prices, open holds. No database, no thread, no clock.
//
// 1. The state is a function of the entries alone: whoever applies them in order has the same state.
// 2. apply() checks before it changes: an entry that breaks a rule is an Error and leaves the state as it was.
// 3. A prepaid account's balance less what is held is never negative. reserved = settled + released, at any time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ledger/entry.h"
#include "ledger/keys.h"
#include "ledger/prices.h"

namespace r1 {

inline constexpr std::int64_t kRateWindowMs = 60'000;
inline constexpr std::int64_t kIdempotencyMs = std::int64_t{24} * 3600 * 1000;

struct Account {
  std::int64_t id = 0;
  std::string name;
  bool prepaid = false;              // else it may owe: its balance is what it has used, negative
  std::int64_t balance_nanousd = 0;  // credits less settlements
  std::int64_t held_nanousd = 0;     // sum of its open holds
  bool operator==(const Account&) const = default;
};

struct RecentRequest {
  std::int64_t hold_id, unix_ms, tokens;  // tokens: the most there can be; once settled, those that were
};

struct Key {
  std::int64_t id = 0, account_id = 0, created_unix_ms = 0;
  KeyDetail detail;
  bool revoked = false;
  std::int64_t settled_nanousd = 0, held_nanousd = 0;
  std::int64_t n_open = 0;
  std::deque<RecentRequest> recent;  // of the last kRateWindowMs, when a limit needs them
};

struct OpenHold {
  std::int64_t id = 0, account_id = 0, key_id = 0, amount_nanousd = 0;
  MeteredTokens tokens_max;
  TokenPrices prices;
  std::string model, request;
};

// A request that came with an Idempotency-Key, and what became of it.
struct KnownRequest {
  std::int64_t hold_id = 0, unix_ms = 0, key_id = 0, amount_nanousd = 0;
  std::string model;
  MeteredTokens tokens;  // those asked for; once settled, those that were
  TokenPrices prices;
  bool settled = false;
};

// The last entry, and so all before it.
struct LedgerHead {
  std::int64_t seq = 0;
  std::string hash;
  bool operator==(const LedgerHead&) const = default;
};

// What a home has stored beside the entries, for verify() to compare with them.
struct StoredBalance {
  std::int64_t account_id, balance_nanousd, held_nanousd;
};
struct StoredSums {
  std::vector<StoredBalance> balances;
  LedgerHead head;  // without it, nobody would miss an entry cut off at the end
};

class LedgerState {
 public:
  Status apply(const Entry& entry);          // the entry's hash is the ledger's business: see follows()
  Status follows(const Entry& entry) const;  // is it the next one, with the right hash?

  std::int64_t n_entries() const { return n_entries_; }
  const std::string& head() const { return head_; }  // hash of the last entry
  std::int64_t n_parts() const;                      // accounts, keys, holds and requests: what a text of it grows with
  const std::map<std::int64_t, Account>& accounts() const { return accounts_; }
  const std::map<std::int64_t, Key>& keys() const { return keys_; }
  const std::map<std::int64_t, OpenHold>& open_holds() const { return open_holds_; }
  const std::map<std::string, PriceVersion, std::less<>>& prices() const { return prices_; }

  const Account* find_account(std::string_view name) const;
  const Key* find_key(std::string_view sha256) const;
  const KnownRequest* find_request(std::int64_t account_id, const std::string& request, std::int64_t now_unix_ms) const;
  PriceVersion prices_of(std::string_view model) const;  // its own, else those of "*", else R1's at launch

  // The whole state as text, and back: two states are the same when their texts are. An Error when the text is none, or
  // when its sums contradict each other.
  std::string to_text() const;
  static Result<LedgerState> from_text(std::string_view text);

 private:
  template <typename Fields, typename State>
  static void visit(Fields& fields, State& state);
  Status index_and_check();

  Status apply_account(const Entry& entry);
  Status apply_key(const Entry& entry);
  Status apply_key_change(const Entry& entry);
  Status apply_price(const Entry& entry);
  Status apply_credit(const Entry& entry);
  Status apply_reserve(const Entry& entry);
  Status apply_close(const Entry& entry);  // settle and void
  void remember(const Entry& entry, Key& key);

  std::int64_t n_entries_ = 0;
  std::string head_;
  std::map<std::int64_t, Account> accounts_;
  std::map<std::int64_t, Key> keys_;
  std::map<std::string, std::int64_t, std::less<>> key_ids_, account_ids_;  // by SHA-256, by name
  std::map<std::int64_t, OpenHold> open_holds_;
  std::map<std::string, PriceVersion, std::less<>> prices_;
  std::map<std::pair<std::int64_t, std::string>, KnownRequest> requests_;  // (account, Idempotency-Key)
  std::deque<std::pair<std::int64_t, std::string>> request_order_;         // oldest first
};

// What the entries up to `at` add up to, so that opening need not read them. Whoever uses it checks the digest, and
// that the ledger has that very entry.
struct LedgerSnapshot {
  LedgerHead at;
  std::string state;   // LedgerState::to_text
  std::string sha256;  // of all of the above
};
LedgerSnapshot snapshot_of(const LedgerState& state);
Result<LedgerState> restore(const LedgerSnapshot& snapshot);

// A price's entry holds its off-peak window as JSON in `detail`.
std::string off_peak_json(const PriceVersion& version);

}  // namespace r1
