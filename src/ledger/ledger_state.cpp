// ledger_state.cpp: what each kind of entry does to the state, checked first.
#include "ledger/ledger_state.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "ledger/money.h"

namespace r1 {
namespace {

Error broken(const Entry& entry, std::string_view why) {
  return {ErrorCode::kInvalidInput, fmt::format("entry {} ({}): {}", entry.seq, to_string(entry.kind), why)};
}

Result<PriceVersion> read_prices(const Entry& entry) {
  R1_TRY(const Json json, parse_json(entry.detail, "off-peak prices", {.max_depth = 2, .max_bytes = 4096}));
  PriceVersion version{.model = entry.model, .prices = entry.prices};
  R1_TRY(version.off_peak_prices.input_nanousd, json_int(json, "input_nanousd", 0));
  R1_TRY(version.off_peak_prices.cached_nanousd, json_int(json, "cached_nanousd", 0));
  R1_TRY(version.off_peak_prices.output_nanousd, json_int(json, "output_nanousd", 0));
  R1_TRY(const std::int64_t from, json_int(json, "from_minute", 0));
  R1_TRY(const std::int64_t until, json_int(json, "until_minute", 0));
  if (from < 0 || from > 1440 || until < 0 || until > 1440) return broken(entry, "a minute beyond the day");
  version.off_peak_from_minute = static_cast<int>(from);
  version.off_peak_until_minute = static_cast<int>(until);
  return version;
}

}  // namespace

std::string off_peak_json(const PriceVersion& version) {
  return OrderedJson({{"from_minute", version.off_peak_from_minute},
                      {"until_minute", version.off_peak_until_minute},
                      {"input_nanousd", version.off_peak_prices.input_nanousd},
                      {"cached_nanousd", version.off_peak_prices.cached_nanousd},
                      {"output_nanousd", version.off_peak_prices.output_nanousd}})
      .dump();
}

Status LedgerState::follows(const Entry& entry) const {
  if (entry.seq != n_entries_ + 1) {
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("entry {} is missing: after {} comes {}", n_entries_ + 1, n_entries_, entry.seq)};
  }
  const std::string expected = hash_of(entry, head_);
  if (entry.hash == expected) return {};
  return broken(entry, fmt::format("its hash is {}, but it and the entries before it give {}", entry.hash, expected));
}

Status LedgerState::apply(const Entry& entry) {
  const auto apply_kind = [&]() -> Status {
    switch (entry.kind) {
      case EntryKind::kAccount:
        return apply_account(entry);
      case EntryKind::kKey:
        return apply_key(entry);
      case EntryKind::kLimit:
      case EntryKind::kRevoke:
        return apply_key_change(entry);
      case EntryKind::kPrice:
        return apply_price(entry);
      case EntryKind::kCredit:
        return apply_credit(entry);
      case EntryKind::kReserve:
        return apply_reserve(entry);
      case EntryKind::kSettle:
      case EntryKind::kVoid:
        return apply_close(entry);
    }
    return broken(entry, "unknown kind");
  };
  R1_TRY_STATUS(apply_kind());
  n_entries_ = entry.seq;
  head_ = entry.hash;
  return {};
}

// `detail` is "prepaid NAME" or "metered NAME".
Status LedgerState::apply_account(const Entry& entry) {
  const std::size_t space = entry.detail.find(' ');
  const std::string kind = entry.detail.substr(0, space);
  if (space == std::string::npos || (kind != "prepaid" && kind != "metered"))
    return broken(entry, "no kind of account");
  const std::string name = entry.detail.substr(space + 1);
  if (account_ids_.contains(name)) return broken(entry, fmt::format("there is an account '{}' already", name));
  accounts_[entry.seq] = {.id = entry.seq, .name = name, .prepaid = kind == "prepaid"};
  account_ids_[name] = entry.seq;
  return {};
}

Status LedgerState::apply_key(const Entry& entry) {
  R1_TRY(KeyDetail detail, parse_key_detail(entry.detail));
  if (!accounts_.contains(entry.account_id)) return broken(entry, fmt::format("no account {}", entry.account_id));
  if (key_ids_.contains(detail.sha256)) return broken(entry, "the same key twice");
  key_ids_[detail.sha256] = entry.seq;
  keys_[entry.seq] = {
      .id = entry.seq, .account_id = entry.account_id, .created_unix_ms = entry.unix_ms, .detail = std::move(detail)};
  return {};
}

Status LedgerState::apply_key_change(const Entry& entry) {
  const auto key = keys_.find(entry.key_id);
  if (key == keys_.end()) return broken(entry, fmt::format("no key {}", entry.key_id));
  if (entry.kind == EntryKind::kRevoke) {
    key->second.revoked = true;
    return {};
  }
  R1_TRY(KeyDetail detail, parse_key_detail(entry.detail));
  key->second.detail.limits = std::move(detail.limits);
  return {};
}

Status LedgerState::apply_price(const Entry& entry) {
  R1_TRY(PriceVersion version, read_prices(entry));
  R1_TRY_STATUS(check_prices(version));
  prices_[entry.model] = std::move(version);
  return {};
}

Status LedgerState::apply_credit(const Entry& entry) {
  const auto account = accounts_.find(entry.account_id);
  if (account == accounts_.end()) return broken(entry, fmt::format("no account {}", entry.account_id));
  if (entry.amount_nanousd <= 0) return broken(entry, "a credit is more than nothing");
  R1_TRY(account->second.balance_nanousd, add_nanousd(account->second.balance_nanousd, entry.amount_nanousd));
  return {};
}

Status LedgerState::apply_reserve(const Entry& entry) {
  const auto account = accounts_.find(entry.account_id);
  const auto key = keys_.find(entry.key_id);
  if (account == accounts_.end() || key == keys_.end() || key->second.account_id != entry.account_id) {
    return broken(entry, fmt::format("key {} is none of account {}", entry.key_id, entry.account_id));
  }
  R1_TRY(const std::int64_t cost, cost_nanousd(entry.prices, entry.tokens));
  if (cost != entry.amount_nanousd || cost < 0) {
    return broken(entry, fmt::format("holds {}, but its tokens cost {}", entry.amount_nanousd, cost));
  }
  R1_TRY(const std::int64_t held, add_nanousd(account->second.held_nanousd, cost));
  R1_TRY(const std::int64_t key_held, add_nanousd(key->second.held_nanousd, cost));
  // Held amounts are settled later: then this sum must fit as well.
  R1_TRY(const std::int64_t after, add_nanousd(account->second.balance_nanousd, -held));
  R1_TRY([[maybe_unused]] const std::int64_t key_after, add_nanousd(key->second.settled_nanousd, key_held));
  if (account->second.prepaid && after < 0) return broken(entry, "holds more than the balance");
  account->second.held_nanousd = held;
  key->second.held_nanousd = key_held;
  key->second.n_open += 1;
  open_holds_[entry.seq] = {.id = entry.seq,
                            .account_id = entry.account_id,
                            .key_id = entry.key_id,
                            .amount_nanousd = cost,
                            .tokens_max = entry.tokens,
                            .prices = entry.prices,
                            .model = entry.model,
                            .request = entry.request};
  remember(entry, key->second);
  return {};
}

void LedgerState::remember(const Entry& entry, Key& key) {
  while (!key.recent.empty() && key.recent.front().unix_ms <= entry.unix_ms - kRateWindowMs) key.recent.pop_front();
  if (key.detail.limits.requests_per_minute > 0 || key.detail.limits.tokens_per_minute > 0) {
    key.recent.push_back({entry.seq, entry.unix_ms, entry.tokens.prompt + entry.tokens.completion});
  }
  while (!request_order_.empty()) {
    const auto oldest = requests_.find(request_order_.front());
    if (oldest != requests_.end() && oldest->second.unix_ms > entry.unix_ms - kIdempotencyMs) break;
    if (oldest != requests_.end() && !oldest->second.settled) break;  // still open: a repeat must find it
    if (oldest != requests_.end()) requests_.erase(oldest);
    request_order_.pop_front();
  }
  if (entry.request.empty()) return;
  const std::pair name(entry.account_id, entry.request);
  requests_[name] = {.hold_id = entry.seq,
                     .unix_ms = entry.unix_ms,
                     .key_id = entry.key_id,
                     .amount_nanousd = entry.amount_nanousd,
                     .model = entry.model,
                     .tokens = entry.tokens,
                     .prices = entry.prices};
  request_order_.push_back(name);
}

Status LedgerState::apply_close(const Entry& entry) {
  const auto hold = open_holds_.find(entry.hold_id);
  if (hold == open_holds_.end()) return broken(entry, fmt::format("hold {} is not open", entry.hold_id));
  const bool settles = entry.kind == EntryKind::kSettle;
  std::int64_t cost = 0;
  if (settles) {
    R1_TRY(cost, cost_nanousd(hold->second.prices, entry.tokens));
  }
  if (cost != entry.amount_nanousd) {
    return broken(entry, fmt::format("settles {}, but its tokens cost {}", entry.amount_nanousd, cost));
  }
  if (cost > hold->second.amount_nanousd) {
    return broken(entry, fmt::format("costs {} nano-dollars, but hold {} reserved {}", cost, hold->second.id,
                                     hold->second.amount_nanousd));
  }
  Account& account = accounts_.at(hold->second.account_id);
  Key& key = keys_.at(hold->second.key_id);
  account.held_nanousd -= hold->second.amount_nanousd;
  account.balance_nanousd -= cost;  // fits: apply_reserve has seen to it
  key.held_nanousd -= hold->second.amount_nanousd;
  key.settled_nanousd += cost;
  key.n_open -= 1;
  for (RecentRequest& request : key.recent) {
    if (request.hold_id == entry.hold_id) request.tokens = entry.tokens.prompt + entry.tokens.completion;
  }
  const auto known = requests_.find({hold->second.account_id, hold->second.request});
  if (known != requests_.end() && known->second.hold_id == entry.hold_id) {
    known->second.settled = settles;
    known->second.tokens = entry.tokens;
    if (!settles) requests_.erase(known);  // nothing was charged: the request may come again
  }
  open_holds_.erase(hold);
  return {};
}

const Account* LedgerState::find_account(std::string_view name) const {
  const auto id = account_ids_.find(name);
  return id == account_ids_.end() ? nullptr : &accounts_.at(id->second);
}

const Key* LedgerState::find_key(std::string_view sha256) const {
  const auto id = key_ids_.find(sha256);
  return id == key_ids_.end() ? nullptr : &keys_.at(id->second);
}

const KnownRequest* LedgerState::find_request(std::int64_t account_id, const std::string& request,
                                              std::int64_t now_unix_ms) const {
  const auto known = requests_.find({account_id, request});
  if (request.empty() || known == requests_.end()) return nullptr;
  const bool forgotten = known->second.settled && known->second.unix_ms <= now_unix_ms - kIdempotencyMs;
  return forgotten ? nullptr : &known->second;
}

PriceVersion LedgerState::prices_of(std::string_view model) const {
  for (const std::string_view name : {model, std::string_view("*")}) {
    if (const auto version = prices_.find(name); version != prices_.end()) return version->second;
  }
  return {.model = "*"};
}

}  // namespace r1
