// ledger.h: accounts, keys, prices, holds and usage, append-only. Who serves requests does, for each:
//
//   R1_TRY(Caller caller, ledger.authenticate(secret));                  // whose key is it?
//   R1_TRY(Admission admission, ledger.reserve({caller.key_id, model, n_prompt, n_max, idempotency_key}));
//   if (admission.refusal != Refusal::kNone) ...                         // 401, 402, 403, 409, 429
//   ... generate ...
//   R1_TRY(Receipt receipt, ledger.settle(admission.hold.id, tokens));   // what was produced; or void_hold
//
// 1. What is acknowledged is durable: calls return, and callbacks come, after the commit.
// 2. An Error of kind kIo or kOutOfResource means that nothing is promised: serve nobody for free then, answer 503.
//    After an Error of settle, ask again: "not open" says that the first time has counted.
// 3. All functions may be called from any thread. Callbacks run on the ledger's writer thread and must not block.
// 4. A home (StoredLedger, in SQLite or PostgreSQL) implements submit and read; the rules above them are the same for
// every home.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/result.h"
#include "ledger/admission.h"
#include "ledger/entry.h"
#include "ledger/keys.h"
#include "ledger/ledger_state.h"

namespace r1 {

enum class AccountKind { kPrepaid, kMetered };  // metered: runs up a debt, for those who pay themselves

struct Caller {
  std::int64_t account_id = 0, key_id = 0;
  std::vector<std::string> models = {};  // that the key is for; empty: all
};

struct NewKey {
  std::int64_t id = 0;
  std::string secret;  // shown once; the ledger keeps its SHA-256
};

struct Receipt {
  std::int64_t cost_nanousd = 0, o1_nanousd = 0;
};

struct VerifyReport {
  std::int64_t n_entries = 0, n_accounts = 0, n_open_holds = 0;
  std::string head;  // hash of the last entry: noted elsewhere, it proves that nothing before it was changed since
  std::int64_t snapshot_seq = 0;  // the entry that a stored snapshot stands at, which was compared as well; 0: none
};

class Ledger {
 public:
  // Returns the entry to append (seq, time and hash are the ledger's to fill in), or none; an Error appends nothing.
  using Change = std::function<Result<std::optional<Entry>>(const LedgerState& state, std::int64_t now_unix_ms)>;
  using Done = std::function<void(const Result<std::optional<Entry>>& appended)>;
  template <typename T>
  using Callback = std::function<void(Result<T>)>;

  virtual ~Ledger() = default;

  // The one way to change the ledger. `done` is called once, after the commit; at once when the queue is full.
  virtual void submit(Change change, Done done) = 0;

  // All entries in order, then the stored sums, at one moment.
  virtual Result<StoredSums> read(FunctionRef<Status(const Entry&)> each) = 0;
  virtual Result<std::optional<LedgerSnapshot>> read_snapshot() = 0;  // where opening begins to read, if anywhere
  virtual Status check_storage() = 0;                                 // the home's own check of its bytes

  // Administration.
  Result<std::int64_t> create_account(const std::string& name, AccountKind kind);
  Status credit(std::int64_t account_id, std::int64_t amount_nanousd, const std::string& note);
  Result<NewKey> create_key(std::int64_t account_id, const std::string& name, const KeyLimits& limits);
  Status limit_key(std::int64_t key_id, const KeyLimits& limits);
  Status revoke_key(std::int64_t key_id);
  Status set_prices(const PriceVersion& version);
  Status look(FunctionRef<void(const LedgerState&)> at);  // runs on the writer thread

  // A request. The forms with a callback are for threads that may not wait for a disk.
  Result<Caller> authenticate(std::string_view secret);  // kNotFound: unknown, revoked, expired
  Result<Admission> reserve(const ReserveRequest& request);
  Result<Admission> foresee(const ReserveRequest& least);
  Result<Receipt> settle(std::int64_t hold_id, const MeteredTokens& tokens);
  Status void_hold(std::int64_t hold_id, const std::string& rule);  // releases it; `rule` is logged: why
  void authenticate(std::string_view secret, Callback<Caller> done);
  void reserve(const ReserveRequest& request, Callback<Admission> done);
  void foresee(const ReserveRequest& least, Callback<Admission> done);  // reserves nothing
  void settle(std::int64_t hold_id, const MeteredTokens& tokens, Callback<Receipt> done);
  void void_hold(std::int64_t hold_id, const std::string& rule, std::function<void(const Status&)> done);

  // Voids what a server left open that ended without settling. Nobody else may be serving. Returns how many.
  Result<std::int64_t> void_abandoned();

  // Walks the chain from the first entry, applies every rule again, and compares balances and snapshot. An Error names
  // the first entry that is wrong.
  Result<VerifyReport> verify();

 private:
  Result<std::optional<Entry>> change_and_wait(Change change);
  Result<Entry> append(Entry entry);
};

}  // namespace r1
