// ledger.cpp: every change as an entry, and the walk that checks them.
#include "ledger/ledger.h"

#include <future>
#include <memory>

#include <fmt/format.h>

#include "base/sha256.h"
#include "ledger/money.h"

namespace r1 {
namespace {

constexpr const char* kAbandoned = "abandoned: the server that held it ended without settling it";

Error unknown(std::string_view what, std::int64_t id) {
  return {ErrorCode::kNotFound, fmt::format("the ledger has no {} {}", what, id)};
}

// Waits for a function with a callback. The promise is the callback's as well: set_value may still be in it when we are
// gone.
template <typename T, typename Start>
Result<T> wait_for(Start start) {
  const auto promise = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> future = promise->get_future();
  start([promise](Result<T> result) { promise->set_value(std::move(result)); });
  return future.get();
}

std::optional<Entry> entry_of(Entry entry) { return {std::move(entry)}; }

Ledger::Change voiding(std::int64_t hold_id, const std::string& rule) {
  return [hold_id, rule](const LedgerState& state, std::int64_t) -> Result<std::optional<Entry>> {
    R1_TRY(Entry entry, voidance(state, hold_id, rule));
    return entry_of(std::move(entry));
  };
}

Status compare_sums(const LedgerState& state, const StoredSums& sums) {
  if (sums.head != LedgerHead{state.n_entries(), state.head()}) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("the last entry was {} with hash {}, but now it is {} with hash {}", sums.head.seq,
                             sums.head.hash, state.n_entries(), state.head())};
  }
  const std::vector<StoredBalance>& stored = sums.balances;
  if (stored.size() != state.accounts().size()) {
    return Error{ErrorCode::kInvalidInput, fmt::format("{} balances are stored, but the entries make {} accounts",
                                                       stored.size(), state.accounts().size())};
  }
  for (const StoredBalance& balance : stored) {
    const auto account = state.accounts().find(balance.account_id);
    if (account == state.accounts().end()) return unknown("account", balance.account_id);
    const Account& sum = account->second;
    if (sum.balance_nanousd == balance.balance_nanousd && sum.held_nanousd == balance.held_nanousd) continue;
    return Error{
        ErrorCode::kInvalidInput,
        fmt::format("account {}: its stored balance is {} with {} held, but its entries add up to {} with {} held",
                    balance.account_id, balance.balance_nanousd, balance.held_nanousd, sum.balance_nanousd,
                    sum.held_nanousd)};
  }
  return {};
}

Error wrong_snapshot(const LedgerSnapshot& snapshot, std::string_view why) {
  return {ErrorCode::kInvalidInput,
          fmt::format("the snapshot at entry {} is wrong: {}; without it (DELETE FROM snapshot) all entries are read, "
                      "and make a new one",
                      snapshot.at.seq, why)};
}

Status compare_snapshot(const LedgerState& state, const LedgerSnapshot& snapshot) {
  const LedgerSnapshot expected = snapshot_of(state);
  if (snapshot.at.hash != expected.at.hash) return wrong_snapshot(snapshot, "that entry has another hash");
  if (snapshot.state != expected.state)
    return wrong_snapshot(snapshot, "the entries before it add up to another state");
  if (snapshot.sha256 != expected.sha256) return wrong_snapshot(snapshot, "its digest is not that of its state");
  return {};
}

}  // namespace

Result<std::optional<Entry>> Ledger::change_and_wait(Change change) {
  return wait_for<std::optional<Entry>>([&](auto done) { submit(std::move(change), std::move(done)); });
}

Result<Entry> Ledger::append(Entry entry) {
  R1_TRY(auto appended, change_and_wait([entry = std::move(entry)](const LedgerState&, std::int64_t) {
           return Result<std::optional<Entry>>(entry);
         }));
  R1_ASSERT(appended.has_value(), "an entry was given");
  return *std::move(appended);
}

Result<std::int64_t> Ledger::create_account(const std::string& name, AccountKind kind) {
  R1_TRY_STATUS(check_name(name, "the name of an account"));
  const std::string detail = (kind == AccountKind::kPrepaid ? "prepaid " : "metered ") + name;
  R1_TRY(const Entry entry, append({.kind = EntryKind::kAccount, .detail = detail}));
  return entry.seq;
}

Status Ledger::credit(std::int64_t account_id, std::int64_t amount_nanousd, const std::string& note) {
  R1_TRY_STATUS(check_name(note, "the note of a credit"));
  const auto entry =
      append({.kind = EntryKind::kCredit, .account_id = account_id, .amount_nanousd = amount_nanousd, .detail = note});
  return entry.ok() ? Status() : Status(entry.error());
}

Result<NewKey> Ledger::create_key(std::int64_t account_id, const std::string& name, const KeyLimits& limits) {
  R1_TRY_STATUS(check_name(name, "the name of a key"));
  R1_TRY_STATUS(check_limits(limits));
  R1_TRY(std::string secret, make_secret());
  const std::string detail = to_json({.name = name, .sha256 = sha256_hex(secret), .limits = limits});
  R1_TRY(const Entry entry, append({.kind = EntryKind::kKey, .account_id = account_id, .detail = detail}));
  return NewKey{entry.seq, std::move(secret)};
}

Status Ledger::limit_key(std::int64_t key_id, const KeyLimits& limits) {
  R1_TRY_STATUS(check_limits(limits));
  const auto entry = append({.kind = EntryKind::kLimit, .key_id = key_id, .detail = to_json({.limits = limits})});
  return entry.ok() ? Status() : Status(entry.error());
}

Status Ledger::revoke_key(std::int64_t key_id) {
  const auto entry = append({.kind = EntryKind::kRevoke, .key_id = key_id});
  return entry.ok() ? Status() : Status(entry.error());
}

Status Ledger::set_prices(const PriceVersion& version) {
  R1_TRY_STATUS(check_name(version.model, "the name of a model"));
  R1_TRY_STATUS(check_prices(version));
  const auto entry = append(
      {.kind = EntryKind::kPrice, .prices = version.prices, .model = version.model, .detail = off_peak_json(version)});
  return entry.ok() ? Status() : Status(entry.error());
}

Status Ledger::look(FunctionRef<void(const LedgerState&)> at) {
  R1_TRY([[maybe_unused]] const auto none,
         change_and_wait([at](const LedgerState& state, std::int64_t) -> Result<std::optional<Entry>> {
           at(state);
           return std::optional<Entry>();
         }));
  return {};
}

void Ledger::authenticate(std::string_view secret, Callback<Caller> done) {
  const auto caller = std::make_shared<Caller>();
  const Change find = [caller, sha256 = sha256_hex(secret)](const LedgerState& state,
                                                            std::int64_t now) -> Result<std::optional<Entry>> {
    // Found by its hash: how long that takes says nothing about the key.
    const Key* key = state.find_key(sha256);
    const std::int64_t expires = key == nullptr ? 0 : key->detail.limits.expires_unix_ms;
    if (key == nullptr || key->revoked || (expires > 0 && now >= expires)) {
      return Error{ErrorCode::kNotFound, "the API key is unknown, revoked or expired"};
    }
    *caller = {key->account_id, key->id, key->detail.limits.models};
    return std::optional<Entry>();
  };
  submit(find, [caller, done = std::move(done)](const Result<std::optional<Entry>>& result) {
    done(result.ok() ? Result<Caller>(*caller) : Result<Caller>(result.error()));
  });
}

void Ledger::reserve(const ReserveRequest& request, Callback<Admission> done) {
  const auto admission = std::make_shared<Admission>();
  const Change change = [admission, request](const LedgerState& state, std::int64_t now) {
    return admit(state, request, now, *admission);
  };
  submit(change, [admission, done = std::move(done)](const Result<std::optional<Entry>>& result) {
    if (!result.ok()) return done(result.error());
    if (const std::optional<Entry>& entry = *result) {
      admission->hold = {entry->seq, entry->amount_nanousd, entry->prices};
    }
    done(*admission);
  });
}

void Ledger::foresee(const ReserveRequest& least, Callback<Admission> done) {
  const auto admission = std::make_shared<Admission>();
  const Change look = [admission, least](const LedgerState& state, std::int64_t now) -> Result<std::optional<Entry>> {
    R1_TRY(*admission, r1::foresee(state, least, now));
    return std::optional<Entry>();
  };
  submit(look, [admission, done = std::move(done)](const Result<std::optional<Entry>>& result) {
    done(result.ok() ? Result<Admission>(*admission) : Result<Admission>(result.error()));
  });
}

void Ledger::settle(std::int64_t hold_id, const MeteredTokens& tokens, Callback<Receipt> done) {
  const Change change = [=](const LedgerState& state, std::int64_t) -> Result<std::optional<Entry>> {
    R1_TRY(Entry entry, settlement(state, hold_id, tokens));
    return entry_of(std::move(entry));
  };
  submit(change, [done = std::move(done)](const Result<std::optional<Entry>>& result) {
    if (!result.ok()) return done(result.error());
    done(Receipt{(*result)->amount_nanousd, (*result)->o1_nanousd});
  });
}

void Ledger::void_hold(std::int64_t hold_id, const std::string& rule, std::function<void(const Status&)> done) {
  if (const Status named = check_name(rule, "the reason of a void"); !named.ok()) return done(named);
  submit(voiding(hold_id, rule), [done = std::move(done)](const Result<std::optional<Entry>>& result) {
    done(result.ok() ? Status() : Status(result.error()));
  });
}

Result<Caller> Ledger::authenticate(std::string_view secret) {
  return wait_for<Caller>([&](auto done) { authenticate(secret, std::move(done)); });
}

Result<Admission> Ledger::reserve(const ReserveRequest& request) {
  return wait_for<Admission>([&](auto done) { reserve(request, std::move(done)); });
}

Result<Admission> Ledger::foresee(const ReserveRequest& least) {
  return wait_for<Admission>([&](auto done) { foresee(least, std::move(done)); });
}

Result<Receipt> Ledger::settle(std::int64_t hold_id, const MeteredTokens& tokens) {
  return wait_for<Receipt>([&](auto done) { settle(hold_id, tokens, std::move(done)); });
}

Status Ledger::void_hold(std::int64_t hold_id, const std::string& rule) {
  const auto promise = std::make_shared<std::promise<Status>>();  // shared, as in wait_for
  std::future<Status> future = promise->get_future();
  void_hold(hold_id, rule, [promise](const Status& status) { promise->set_value(status); });
  return future.get();
}

Result<std::int64_t> Ledger::void_abandoned() {
  std::vector<std::int64_t> holds;
  R1_TRY_STATUS(look([&](const LedgerState& state) {
    for (const auto& [id, hold] : state.open_holds()) holds.push_back(id);
  }));
  std::vector<std::future<Status>> voids;  // all in the queue before the first is waited for: they share commits
  for (const std::int64_t hold : holds) {
    const auto promise = std::make_shared<std::promise<Status>>();
    voids.push_back(promise->get_future());
    submit(voiding(hold, kAbandoned), [promise](const Result<std::optional<Entry>>& result) {
      promise->set_value(result.ok() ? Status() : Status(result.error()));
    });
  }
  Status all;
  for (std::future<Status>& one : voids) {
    Status status = one.get();
    if (!status.ok()) all = std::move(status);
  }
  if (!all.ok()) return all.error();
  return std::ssize(holds);
}

Result<VerifyReport> Ledger::verify() {
  R1_TRY_STATUS(check_storage());
  R1_TRY(const std::optional<LedgerSnapshot> snapshot, read_snapshot());
  std::int64_t snapshot_seq = 0;
  LedgerState state;
  R1_TRY(const StoredSums sums, read([&](const Entry& entry) -> Status {
           R1_TRY_STATUS(state.follows(entry));
           R1_TRY_STATUS(state.apply(entry));
           if (!snapshot || snapshot->at.seq != entry.seq) return {};
           snapshot_seq = entry.seq;
           return compare_snapshot(state, *snapshot);
         }));
  R1_TRY_STATUS(compare_sums(state, sums));
  if (snapshot && snapshot_seq == 0) return wrong_snapshot(*snapshot, "there is no such entry");
  return VerifyReport{state.n_entries(), std::ssize(state.accounts()), std::ssize(state.open_holds()), state.head(),
                      snapshot_seq};
}

}  // namespace r1
