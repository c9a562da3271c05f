// ledger_snapshot.cpp: a LedgerState as text and back, and the digest that shows whether the text was damaged.
//
// The text is a sequence of fields, each ended by a comma: numbers as digits, texts as LENGTH:text, lists as their
// length and then their items. visit() names the fields once, for both directions.
#include <charconv>
#include <concepts>
#include <utility>

#include <fmt/format.h>

#include "base/sha256.h"
#include "ledger/ledger_state.h"

namespace r1 {
namespace {

constexpr std::string_view kFormat = "r1 ledger state 1";

class FieldWriter {
 public:
  void operator()(const std::integral auto& number) { text_ += fmt::format("{},", static_cast<std::int64_t>(number)); }
  void operator()(const std::string& text) { text_ += fmt::format("{}:{},", text.size(), text); }
  void items(const auto& list, auto visit) {
    (*this)(std::ssize(list));
    for (const auto& item : list) visit(item);
  }
  void entries(const auto& map, auto visit) {
    (*this)(std::ssize(map));
    for (const auto& [key, value] : map) visit(key, value);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// After the first field that is none, all others are left as they are.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : rest_(text) {}

  template <std::integral Number>
  void operator()(Number& number) {
    std::int64_t wide = 0;
    if (!take_digits(',', wide)) return;
    number = static_cast<Number>(wide);
    if (static_cast<std::int64_t>(number) != wide) failed_ = true;
  }
  void operator()(std::string& text) {
    std::int64_t size = 0;
    if (!take_digits(':', size)) return;
    if (size < 0 || size >= std::ssize(rest_) || rest_[static_cast<std::size_t>(size)] != ',') {
      failed_ = true;
      return;
    }
    text = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(static_cast<std::size_t>(size) + 1);
  }
  template <typename List>
  void items(List& list, auto visit) {
    for (std::int64_t left = size(); left > 0 && !failed_; --left) visit(list.emplace_back());
  }
  template <typename Map>
  void entries(Map& map, auto visit) {
    for (std::int64_t left = size(); left > 0 && !failed_; --left) {
      typename Map::key_type key{};
      typename Map::mapped_type value{};
      visit(key, value);
      failed_ = failed_ || !map.emplace(std::move(key), std::move(value)).second;
    }
  }
  bool has_read_all() const { return !failed_ && rest_.empty(); }

 private:
  std::int64_t size() {
    std::int64_t n = 0;
    (*this)(n);
    if (n >= 0 && n <= std::ssize(rest_)) return n;  // each takes a byte at least
    failed_ = true;
    return 0;
  }

  bool take_digits(char end, std::int64_t& number) {
    if (failed_) return false;
    const auto [at, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    failed_ = problem != std::errc() || at == rest_.data() + rest_.size() || *at != end;
    if (!failed_) rest_.remove_prefix(static_cast<std::size_t>(at - rest_.data()) + 1);
    return !failed_;
  }

  std::string_view rest_;
  bool failed_ = false;
};

template <typename T, typename Wanted>
concept Is = std::same_as<std::remove_const_t<T>, Wanted>;

template <typename Fields>
void fields_of(Fields& f, Is<MeteredTokens> auto& tokens) {
  f(tokens.prompt), f(tokens.cached), f(tokens.completion);
}
template <typename Fields>
void fields_of(Fields& f, Is<TokenPrices> auto& prices) {
  f(prices.input_nanousd), f(prices.cached_nanousd), f(prices.output_nanousd);
}
template <typename Fields>
void fields_of(Fields& f, Is<PriceVersion> auto& version) {
  f(version.model);
  fields_of(f, version.prices);
  fields_of(f, version.off_peak_prices);
  f(version.off_peak_from_minute), f(version.off_peak_until_minute);
}
template <typename Fields>
void fields_of(Fields& f, Is<Account> auto& account) {
  f(account.id), f(account.name), f(account.prepaid), f(account.balance_nanousd), f(account.held_nanousd);
}
template <typename Fields>
void fields_of(Fields& f, Is<RecentRequest> auto& recent) {
  f(recent.hold_id), f(recent.unix_ms), f(recent.tokens);
}
template <typename Fields>
void fields_of(Fields& f, Is<OpenHold> auto& hold) {
  f(hold.id), f(hold.account_id), f(hold.key_id), f(hold.amount_nanousd), f(hold.model), f(hold.request);
  fields_of(f, hold.tokens_max);
  fields_of(f, hold.prices);
}
template <typename Fields>
void fields_of(Fields& f, Is<KnownRequest> auto& known) {
  f(known.hold_id), f(known.unix_ms), f(known.key_id), f(known.amount_nanousd), f(known.model), f(known.settled);
  fields_of(f, known.tokens);
  fields_of(f, known.prices);
}
template <typename Fields>
void fields_of(Fields& f, Is<KeyLimits> auto& limits) {
  f(limits.budget_nanousd), f(limits.requests_per_minute), f(limits.tokens_per_minute);
  f(limits.max_concurrent), f(limits.expires_unix_ms);
}

template <typename Fields>
void fields_of(Fields& f, Is<Key> auto& key) {
  f(key.id), f(key.account_id), f(key.created_unix_ms), f(key.revoked);
  f(key.settled_nanousd), f(key.held_nanousd), f(key.n_open);
  f(key.detail.name), f(key.detail.sha256);
  fields_of(f, key.detail.limits);
  f.items(key.detail.limits.models, [&](auto& model) { f(model); });
  f.items(key.recent, [&](auto& recent) { fields_of(f, recent); });
}

Error contradiction(std::string_view what, std::int64_t id, std::string_view why) {
  return {ErrorCode::kInvalidInput, fmt::format("a state of the ledger contradicts itself: {} {} {}", what, id, why)};
}

std::string digest_of(const LedgerSnapshot& snapshot) {
  return sha256_hex(fmt::format("{}:{},{}", snapshot.at.seq, snapshot.at.hash, snapshot.state));
}

}  // namespace

template <typename Fields, typename State>
void LedgerState::visit(Fields& f, State& state) {
  const auto by_key = [&](auto& key, auto& value) {
    f(key);
    fields_of(f, value);
  };
  f(state.n_entries_), f(state.head_);
  f.entries(state.accounts_, by_key);
  f.entries(state.keys_, by_key);
  f.entries(state.open_holds_, by_key);
  f.entries(state.prices_, by_key);
  f.entries(state.requests_, [&](auto& key, auto& known) {
    f(key.first), f(key.second);
    fields_of(f, known);
  });
  f.items(state.request_order_, [&](auto& key) { f(key.first), f(key.second); });
}

std::int64_t LedgerState::n_parts() const {
  return std::ssize(accounts_) + std::ssize(keys_) + std::ssize(open_holds_) + std::ssize(requests_);
}

std::string LedgerState::to_text() const {
  FieldWriter writer;
  writer(std::string(kFormat));
  visit(writer, *this);
  return writer.take();
}

Result<LedgerState> LedgerState::from_text(std::string_view text) {
  FieldReader reader(text);
  std::string format;
  reader(format);
  if (format != kFormat) {
    return Error{ErrorCode::kUnsupported, fmt::format("the text is no '{}'", kFormat)};
  }
  LedgerState state;
  visit(reader, state);
  if (!reader.has_read_all()) {
    return Error{ErrorCode::kInvalidInput, "the text of a state of the ledger breaks off, or goes on beyond its end"};
  }
  R1_TRY_STATUS(state.index_and_check());
  return state;
}

// What can be looked up by name; and the sums that must agree whatever the entries were.
Status LedgerState::index_and_check() {
  std::map<std::int64_t, std::int64_t> account_held, key_held, key_open;
  for (const auto& [id, account] : accounts_) {
    if (account.id != id || !account_ids_.emplace(account.name, id).second)
      return contradiction("account", id, "is there twice");
  }
  for (const auto& [id, key] : keys_) {
    if (key.id != id || !key_ids_.emplace(key.detail.sha256, id).second)
      return contradiction("key", id, "is there twice");
    if (!accounts_.contains(key.account_id)) return contradiction("key", id, "is of no account");
  }
  for (const auto& [id, hold] : open_holds_) {
    const auto key = keys_.find(hold.key_id);
    if (hold.id != id || key == keys_.end() || key->second.account_id != hold.account_id)
      return contradiction("hold", id, "is of no key");
    account_held[hold.account_id] += hold.amount_nanousd;
    key_held[hold.key_id] += hold.amount_nanousd;
    key_open[hold.key_id] += 1;
  }
  for (const auto& [id, account] : accounts_) {
    if (account.held_nanousd != account_held[id]) return contradiction("account", id, "holds another sum");
  }
  for (const auto& [id, key] : keys_) {
    if (key.held_nanousd != key_held[id] || key.n_open != key_open[id])
      return contradiction("key", id, "holds another sum");
  }
  return {};
}

LedgerSnapshot snapshot_of(const LedgerState& state) {
  LedgerSnapshot snapshot{{state.n_entries(), state.head()}, state.to_text(), {}};
  snapshot.sha256 = digest_of(snapshot);
  return snapshot;
}

Result<LedgerState> restore(const LedgerSnapshot& snapshot) {
  if (snapshot.sha256 != digest_of(snapshot)) {
    return Error{ErrorCode::kInvalidInput, fmt::format("the snapshot at entry {} is damaged: its digest is {}, not {}",
                                                       snapshot.at.seq, digest_of(snapshot), snapshot.sha256)};
  }
  R1_TRY(LedgerState state, LedgerState::from_text(snapshot.state));
  if (state.n_entries() == snapshot.at.seq && state.head() == snapshot.at.hash) return state;
  return Error{ErrorCode::kInvalidInput,
               fmt::format("the snapshot at entry {} holds the state of entry {}", snapshot.at.seq, state.n_entries())};
}

}  // namespace r1
