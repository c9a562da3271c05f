// ledger_rules_test.cpp: the rules alone (who is admitted, what a request costs, what that leaves) against a clerk who
// knows none of them. Without hashes and a disk a hundred million events take minutes; through the homes go a million
// (ledger_test.cpp).
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "base/rng.h"
#include "ledger/admission.h"
#include "ledger/money.h"

namespace r1 {
namespace {

using Big = __int128;

// As on paper, digit by digit of the second factor.
Big product(std::int64_t a, std::int64_t b) {
  Big sum = 0, shifted = a;
  for (; b > 0; b /= 10, shifted *= 10) sum += shifted * (b % 10);
  return sum;
}

Big cost_on_paper(const TokenPrices& prices, const MeteredTokens& tokens) {
  return product(prices.input_nanousd, tokens.prompt) - product(prices.input_nanousd, tokens.cached) +
         product(prices.cached_nanousd, tokens.cached) + product(prices.output_nanousd, tokens.completion);
}

int event_count() {
  const char* wanted = std::getenv("R1_LEDGER_CHARGES");
  return wanted == nullptr ? 300'000 : std::atoi(wanted);
}

class Numbers {
 public:
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(n))); }
  // Of every size up to that: most are far below it.
  std::int64_t of_any_size(std::int64_t n) { return below(1 + (n >> below(20))); }
  TokenPrices prices() {
    const std::int64_t input = of_any_size(100'000);
    return {input, below(input + 1), of_any_size(400'000)};
  }
  std::size_t one_of(std::size_t n) { return rng_.below(n); }

 private:
  Rng rng_{45, 0};
};

// A ledger without hashes and a disk.
struct Book {
  LedgerState state;
  std::int64_t now_unix_ms = 0;

  std::int64_t add(Entry entry) {
    entry.seq = state.n_entries() + 1;
    entry.unix_ms = now_unix_ms;
    const Status applied = state.apply(entry);
    EXPECT_TRUE(applied.ok()) << applied.error().message;
    return entry.seq;
  }
};

// What the clerk knows: an account's money, a model's tariff minute by minute, what was promised.
struct ClerksAccount {
  std::int64_t id = 0, key_id = 0;
  bool is_prepaid = false;
  Big balance = 0, held = 0;
};
struct Tariff {
  std::string model;
  TokenPrices day = kDeepSeekR1Prices, night;
  std::array<bool, 1440> is_night{};  // by minute of the UTC day
};
struct PromisedAnswer {
  std::int64_t hold_id;
  std::size_t account;
  TokenPrices prices;
  MeteredTokens tokens;
  Big amount;
};

class LedgerRules : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5; ++i) {
      ClerksAccount account{.is_prepaid = i > 0};
      account.id =
          book_.add({.kind = EntryKind::kAccount, .detail = (i > 0 ? "prepaid " : "metered ") + std::to_string(i)});
      const std::string key = to_json({.name = "laptop", .sha256 = std::string(64, static_cast<char>('a' + i))});
      account.key_id = book_.add({.kind = EntryKind::kKey, .account_id = account.id, .detail = key});
      accounts_.push_back(account);
    }
    for (const char* model : {"r1", "v3", "nano"}) tariffs_.push_back({.model = model});
  }

  void pass_time() {
    millisecond_ += numbers_.below(2000);
    minute_ += millisecond_ / 60'000;
    millisecond_ %= 60'000;
    book_.now_unix_ms = minute_ * 60'000 + millisecond_;
  }

  void change_prices() {
    Tariff& tariff = tariffs_[numbers_.one_of(tariffs_.size())];
    const int from = static_cast<int>(numbers_.below(1440)), until = static_cast<int>(numbers_.below(1440));
    tariff.day = numbers_.prices();
    tariff.night = numbers_.prices();
    tariff.is_night = {};
    for (int minute = from; minute != until; minute = minute == 1439 ? 0 : minute + 1)
      tariff.is_night[static_cast<std::size_t>(minute)] = true;
    const PriceVersion version{.model = tariff.model,
                               .prices = tariff.day,
                               .off_peak_prices = tariff.night,
                               .off_peak_from_minute = from,
                               .off_peak_until_minute = until};
    book_.add({.kind = EntryKind::kPrice,
               .prices = version.prices,
               .model = version.model,
               .detail = off_peak_json(version)});
  }

  void pay() {
    ClerksAccount& account = accounts_[numbers_.one_of(accounts_.size())];
    const std::int64_t amount = 1 + numbers_.of_any_size(20'000'000'000);
    account.balance += amount;
    book_.add({.kind = EntryKind::kCredit, .account_id = account.id, .amount_nanousd = amount, .detail = "test"});
  }

  void reserve() {
    const std::size_t i = numbers_.one_of(accounts_.size());
    ClerksAccount& account = accounts_[i];
    const Tariff& tariff = tariffs_[numbers_.one_of(tariffs_.size())];
    const MeteredTokens most{.prompt = numbers_.of_any_size(131'072), .completion = numbers_.of_any_size(65'536)};
    const TokenPrices& prices = tariff.is_night[static_cast<std::size_t>(minute_ % 1440)] ? tariff.night : tariff.day;
    const Big amount = cost_on_paper(prices, most);
    const bool has_enough = !account.is_prepaid || account.balance - account.held >= amount;
    Admission admission;
    auto entry = admit(book_.state, {account.key_id, tariff.model, most.prompt, most.completion, ""}, book_.now_unix_ms,
                       admission);
    ASSERT_TRUE(entry.ok()) << entry.error().message;
    ASSERT_EQ(admission.refusal, has_enough ? Refusal::kNone : Refusal::kBalance);
    ++(has_enough ? n_admitted_ : n_refused_);
    if (!has_enough) return;
    ASSERT_TRUE((*entry)->amount_nanousd == amount) << (*entry)->amount_nanousd;
    account.held += amount;
    open_.push_back({book_.add(**entry), i, prices, most, amount});
  }

  void close() {
    std::swap(open_[numbers_.one_of(open_.size())], open_.back());
    const PromisedAnswer hold = open_.back();
    open_.pop_back();
    ClerksAccount& account = accounts_[hold.account];
    account.held -= hold.amount;
    if (numbers_.below(10) == 0) {
      book_.add(voidance(book_.state, hold.hold_id, "test").value());
      return;
    }
    MeteredTokens used{.prompt = hold.tokens.prompt, .completion = numbers_.below(hold.tokens.completion + 1)};
    used.cached = numbers_.below(used.prompt + 1);
    const Big cost = cost_on_paper(hold.prices, used);
    account.balance -= cost;
    const Entry entry = settlement(book_.state, hold.hold_id, used).value();
    ASSERT_TRUE(entry.amount_nanousd == cost) << entry.amount_nanousd << " for " << used.prompt << " tokens";
    ASSERT_TRUE(entry.o1_nanousd == cost_on_paper({15'000, 7'500, 60'000}, used)) << entry.o1_nanousd;
    book_.add(entry);
  }

  void generate() {
    pass_time();
    const std::int64_t kind = numbers_.below(10'000);
    if (kind == 0) return change_prices();
    if (kind < 30) return pay();
    if (numbers_.below(1000) >= std::ssize(open_)) return reserve();  // so that some hundred are open
    close();
  }

  void compare_balances() const {
    for (const ClerksAccount& account : accounts_) {
      const Account& found = book_.state.accounts().at(account.id);
      ASSERT_TRUE(found.balance_nanousd == account.balance) << found.balance_nanousd;
      ASSERT_TRUE(found.held_nanousd == account.held) << found.held_nanousd;
    }
  }

  Numbers numbers_;
  Book book_;
  std::vector<ClerksAccount> accounts_;
  std::vector<Tariff> tariffs_;
  std::vector<PromisedAnswer> open_;
  std::int64_t minute_ = 20'000 * 1440, millisecond_ = 0;
  std::int64_t n_admitted_ = 0, n_refused_ = 0;
};

// R1_LEDGER_CHARGES=100000000 events, for 300,000: prices that change, credits, reservations, settlements, voids.
TEST_F(LedgerRules, EqualAClerksSums) {
  constexpr int kRound = 1000;
  const int n_rounds = event_count() / kRound;
  for (int round = 0; round < n_rounds && !HasFatalFailure(); ++round) {
    for (int event = 0; event < kRound; ++event) generate();
    compare_balances();
  }
  if (std::getenv("R1_LEDGER_CHARGES") != nullptr)
    std::printf("%lld requests admitted, %lld refused for want of money\n", static_cast<long long>(n_admitted_),
                static_cast<long long>(n_refused_));
  EXPECT_GT(n_admitted_, n_rounds * kRound / 10);
  EXPECT_GT(n_refused_, n_rounds * kRound / 1000);
}

// To the edge of 64 bits and of what can be metered, and beyond both.
TEST(Prices, ACostIsExactOrAnError) {
  Numbers numbers;
  int n_beyond = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::int64_t most = std::int64_t{1} << 40;
    const TokenPrices prices{numbers.of_any_size(most), numbers.of_any_size(most), numbers.of_any_size(most)};
    const MeteredTokens tokens{numbers.of_any_size(most), numbers.of_any_size(most), numbers.of_any_size(most)};
    const Big cost = cost_on_paper(prices, tokens);
    const bool fits = tokens.cached <= tokens.prompt && cost <= std::numeric_limits<std::int64_t>::max();
    const auto found = cost_nanousd(prices, tokens);
    ASSERT_EQ(found.ok(), fits) << i;
    if (fits) {
      ASSERT_TRUE(*found == cost) << i << ": " << *found;
    }
    n_beyond += tokens.cached <= tokens.prompt && !fits ? 1 : 0;
  }
  EXPECT_GT(n_beyond, 1000);
}

}  // namespace
}  // namespace r1
