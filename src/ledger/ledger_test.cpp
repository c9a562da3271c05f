// ledger_test.cpp: what every home of the ledger must do: the conformance suite, and an independent oracle.
#include "ledger/ledger.h"

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/temp_folder_for_tests.h"
#include "ledger/money.h"
#include "ledger/postgres_cluster_for_tests.h"
#include "ledger/postgres_ledger.h"
#include "ledger/sqlite_ledger.h"

namespace r1 {
namespace {

// The rules without a disk: what a home is, in its shortest form.
class MemoryLedger final : public Ledger {
 public:
  void submit(Change change, Done done) override {
    std::lock_guard lock(mutex_);
    Result<std::optional<Entry>> entry = change(state_, now_unix_ms);
    if (entry.ok() && entry.value()) {
      Entry& sealed = **entry;
      sealed.seq = state_.n_entries() + 1;
      sealed.unix_ms = now_unix_ms;
      sealed.hash = hash_of(sealed, state_.head());
      if (Status status = state_.apply(sealed); !status.ok()) return done(status.error());
      entries_.push_back(sealed);
    }
    done(entry);
  }
  Result<StoredSums> read(FunctionRef<Status(const Entry&)> each) override {
    std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) R1_TRY_STATUS(each(entry));
    std::vector<StoredBalance> balances;
    for (const auto& [id, account] : state_.accounts())
      balances.push_back({id, account.balance_nanousd, account.held_nanousd});
    return StoredSums{balances, {state_.n_entries(), state_.head()}};
  }
  Result<std::optional<LedgerSnapshot>> read_snapshot() override {
    std::lock_guard lock(mutex_);
    return std::optional(snapshot_of(state_));
  }
  Status check_storage() override { return {}; }

  std::int64_t now_unix_ms = 1'000;

 private:
  std::mutex mutex_;
  LedgerState state_;
  std::vector<Entry> entries_;
};

enum class Home { kMemory, kSqlite, kPostgres };

class LedgerConformance : public testing::TestWithParam<Home> {
 protected:
  void SetUp() override {
    auto opened = open();
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    ledger_ = *std::move(opened);
    account_ = ledger_->create_account("acme", AccountKind::kPrepaid).value();
    key_ = ledger_->create_key(account_, "laptop", {}).value();
  }
  Result<std::unique_ptr<Ledger>> open() {
    switch (GetParam()) {
      case Home::kMemory:
        return std::unique_ptr<Ledger>(std::make_unique<MemoryLedger>());
      case Home::kSqlite:
        return open_sqlite_ledger(folder_.path_of("ledger.db"), {.role = LedgerRole::kServes});
      case Home::kPostgres:
        return open_postgres_ledger(PostgresCluster::instance().new_database(), {.role = LedgerRole::kServes});
    }
    return Error{ErrorCode::kInternal, "no such home"};
  }
  Ledger& ledger() { return *ledger_; }
  void give(std::int64_t nanousd) { ASSERT_TRUE(ledger().credit(account_, nanousd, "test").ok()); }
  // One prompt token and `n` tokens to come, at R1's launch prices.
  Admission reserve(std::int64_t n, const std::string& idempotency_key = "") {
    auto admission = ledger().reserve({key_.id, "r1", 1, n, idempotency_key});
    EXPECT_TRUE(admission.ok()) << admission.error().message;
    return admission.ok() ? *admission : Admission{.refusal = Refusal::kKey};
  }
  Account account() {
    Account found;
    EXPECT_TRUE(ledger().look([&](const LedgerState& state) { found = state.accounts().at(account_); }).ok());
    return found;
  }
  void limit(const KeyLimits& limits) { ASSERT_TRUE(ledger().limit_key(key_.id, limits).ok()); }
  void TearDown() override {
    if (!ledger_) return;
    const auto report = ledger().verify();
    EXPECT_TRUE(report.ok()) << report.error().message;
  }

  TempFolder folder_;
  std::unique_ptr<Ledger> ledger_;
  std::int64_t account_ = 0;
  NewKey key_;
};

TEST_P(LedgerConformance, ReserveHoldsAndSettleTakesWhatWasUsed) {
  give(1'000'000);
  const Admission admission = reserve(100);
  ASSERT_EQ(admission.refusal, Refusal::kNone);
  EXPECT_EQ(admission.hold.amount_nanousd, 550 + 100 * 2190);
  EXPECT_EQ(account().held_nanousd, 550 + 100 * 2190);
  const auto receipt = ledger().settle(admission.hold.id, {.prompt = 1, .cached = 1, .completion = 7});
  ASSERT_TRUE(receipt.ok()) << receipt.error().message;
  EXPECT_EQ(receipt->cost_nanousd, 140 + 7 * 2190);
  EXPECT_EQ(receipt->o1_nanousd, 7'500 + 7 * 60'000);
  EXPECT_EQ(account().held_nanousd, 0);
  EXPECT_EQ(account().balance_nanousd, 1'000'000 - 140 - 7 * 2190);
}

TEST_P(LedgerConformance, AHoldIsClosedOnce) {
  give(1'000'000);
  const Admission settled = reserve(10), voided = reserve(10);
  ASSERT_TRUE(ledger().settle(settled.hold.id, {.prompt = 1, .completion = 1}).ok());
  ASSERT_TRUE(ledger().void_hold(voided.hold.id, "cancelled before it began").ok());
  for (const std::int64_t id : {settled.hold.id, voided.hold.id, std::int64_t{999'999}}) {
    EXPECT_EQ(ledger().settle(id, {.prompt = 1}).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(ledger().void_hold(id, "twice").error().code, ErrorCode::kNotFound);
  }
  EXPECT_EQ(account().balance_nanousd, 1'000'000 - 550 - 2190);
}

TEST_P(LedgerConformance, MoreThanWasReservedIsRefusedAndTheHoldStaysOpen) {
  give(1'000'000);
  const Admission admission = reserve(10);
  const auto receipt = ledger().settle(admission.hold.id, {.prompt = 1, .completion = 11});
  ASSERT_FALSE(receipt.ok());
  EXPECT_NE(receipt.error().message.find("reserved 22450"), std::string::npos) << receipt.error().message;
  EXPECT_TRUE(ledger().settle(admission.hold.id, {.prompt = 1, .completion = 10}).ok());
}

TEST_P(LedgerConformance, AThousandParallelReservesOnABalanceForSevenAdmitSeven) {
  give(7 * (550 + 10 * 2190) + 550);
  std::atomic<int> n_admitted = 0, n_refused = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 20; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        ledger().reserve({key_.id, "r1", 1, 10, ""}, [&](const Result<Admission>& admission) {
          if (admission.ok()) ++(admission->refusal == Refusal::kNone ? n_admitted : n_refused);
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(account().held_nanousd, 7 * (550 + 10 * 2190));  // waits for all of them as well
  EXPECT_EQ(n_admitted, 7);
  EXPECT_EQ(n_refused, 993);
}

TEST_P(LedgerConformance, PriceAtAdmissionCounts) {
  give(1'000'000'000);
  const Admission before = reserve(10);
  ASSERT_TRUE(ledger().set_prices({.model = "r1", .prices = {1000, 100, 5000}}).ok());
  const Admission after = reserve(10);
  EXPECT_EQ(ledger().settle(before.hold.id, {.prompt = 1, .completion = 1})->cost_nanousd, 550 + 2190);
  EXPECT_EQ(ledger().settle(after.hold.id, {.prompt = 1, .completion = 1})->cost_nanousd, 6000);
}

TEST_P(LedgerConformance, AKeyIsKnownByItsSecretOnlyUntilItIsRevoked) {
  EXPECT_EQ(key_.secret.substr(0, 6), "sk-r1-");
  EXPECT_EQ(ledger().authenticate(key_.secret)->key_id, key_.id);
  for (const std::string& wrong :
       {std::string(), key_.secret + "0", std::string("' OR 1=1--"), std::string(1 << 20, 'k')}) {
    EXPECT_EQ(ledger().authenticate(wrong).error().code, ErrorCode::kNotFound);
  }
  ASSERT_TRUE(ledger().revoke_key(key_.id).ok());
  EXPECT_FALSE(ledger().authenticate(key_.secret).ok());
  EXPECT_EQ(reserve(1).refusal, Refusal::kKey);
}

TEST_P(LedgerConformance, EachLimitOfAKeyRefusesByItsName) {
  give(1'000'000'000);
  limit({.models = {"other"}});
  EXPECT_EQ(reserve(1).refusal, Refusal::kModel);
  limit({.expires_unix_ms = 1});
  EXPECT_EQ(reserve(1).refusal, Refusal::kKey);
  limit({.budget_nanousd = 550 + 2 * 2190});
  EXPECT_EQ(reserve(3).refusal, Refusal::kBudget);
  EXPECT_EQ(reserve(2).refusal, Refusal::kNone);
  EXPECT_EQ(reserve(0).refusal, Refusal::kBudget);  // all of it is held
  limit({.max_concurrent = 2});
  EXPECT_EQ(reserve(1).refusal, Refusal::kNone);
  EXPECT_EQ(reserve(1).refusal, Refusal::kConcurrency);
  limit({.requests_per_minute = 1});
  EXPECT_EQ(reserve(1).refusal, Refusal::kNone);
  EXPECT_EQ(reserve(1).refusal, Refusal::kRequestRate);
  EXPECT_GT(reserve(1).retry_after_s, 0);
}

TEST_P(LedgerConformance, WhatIsForeseenReservesNothingAndRefusesAsAReservationWould) {
  const auto foresee = [&](std::int64_t n, const std::string& idempotency_key = "") {
    return ledger().foresee({key_.id, "r1", 1, n, idempotency_key}).value();
  };
  EXPECT_EQ(foresee(1).refusal, Refusal::kBalance);
  give(550 + 2 * 2190);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(foresee(2).refusal, Refusal::kNone);
  EXPECT_EQ(foresee(3).refusal, Refusal::kBalance);
  EXPECT_EQ(account().held_nanousd, 0);
  limit({.models = {"other"}});
  EXPECT_EQ(foresee(1).refusal, Refusal::kModel);
  limit({.budget_nanousd = 1});
  EXPECT_EQ(foresee(1).refusal, Refusal::kBudget);
  limit({.max_concurrent = 1});
  const Admission admission = reserve(1, "once");
  EXPECT_EQ(foresee(1).refusal, Refusal::kConcurrency);
  EXPECT_EQ(foresee(1, "once").refusal, Refusal::kInProgress);
  EXPECT_TRUE(ledger().settle(admission.hold.id, {1, 0, 1}).ok());
  EXPECT_EQ(foresee(7, "once").settled_before, (MeteredTokens{1, 0, 1})) << "whatever it asks for";
}

TEST_P(LedgerConformance, TheTokenRateCountsWhatWasUsedOnceThatIsKnown) {
  give(1'000'000'000);
  limit({.tokens_per_minute = 100});
  const Admission first = reserve(99);
  EXPECT_EQ(first.refusal, Refusal::kNone);
  EXPECT_EQ(reserve(1).refusal, Refusal::kTokenRate);
  ASSERT_TRUE(ledger().settle(first.hold.id, {.prompt = 1, .completion = 9}).ok());
  EXPECT_EQ(reserve(89).refusal, Refusal::kNone);
}

TEST_P(LedgerConformance, OneIdempotencyKeyIsChargedOnce) {
  give(1'000'000);
  const Admission first = reserve(10, "order-1");
  EXPECT_EQ(reserve(10, "order-1").refusal, Refusal::kInProgress);
  EXPECT_EQ(reserve(11, "order-1").refusal, Refusal::kMismatch);
  ASSERT_TRUE(ledger().settle(first.hold.id, {.prompt = 1, .completion = 3}).ok());
  const Admission again = reserve(10, "order-1");
  ASSERT_TRUE(again.settled_before.has_value());
  EXPECT_EQ(again.settled_before->completion, 3);
  EXPECT_EQ(account().balance_nanousd, 1'000'000 - 550 - 3 * 2190);
  EXPECT_EQ(account().held_nanousd, 0);
}

TEST_P(LedgerConformance, AVoidedRequestMayComeAgain) {
  give(1'000'000);
  ASSERT_TRUE(ledger().void_hold(reserve(10, "order-1").hold.id, "the engine failed").ok());
  const Admission again = reserve(10, "order-1");
  EXPECT_EQ(again.refusal, Refusal::kNone);
  EXPECT_FALSE(again.settled_before.has_value());
}

TEST_P(LedgerConformance, WhatDoesNotFitIntoMoneyIsAnError) {
  give(std::numeric_limits<std::int64_t>::max());
  EXPECT_FALSE(ledger().credit(account_, 1, "one too many").ok());
  EXPECT_FALSE(ledger().credit(account_, -5, "negative").ok());
  EXPECT_FALSE(ledger().credit(12'345, 5, "no such account").ok());
  ASSERT_TRUE(ledger().set_prices({.model = "r1", .prices = {1, 1, std::int64_t{1} << 62}}).ok());
  EXPECT_FALSE(ledger().reserve({key_.id, "r1", 1, 4, ""}).ok());
  EXPECT_FALSE(ledger().reserve({key_.id, "r1", -1, 4, ""}).ok());
  EXPECT_FALSE(ledger().reserve({key_.id, "r1", 1, std::numeric_limits<std::int64_t>::max(), ""}).ok());
  EXPECT_FALSE(ledger().reserve({key_.id, "a\nb", 1, 1, ""}).ok());
  EXPECT_FALSE(ledger().create_account("acme", AccountKind::kMetered).ok());
}

// 100,000 events (R1_LEDGER_EVENTS=1000000 for more), against sums that know nothing of entries, prices at a moment, or
// states.
TEST_P(LedgerConformance, GeneratedEventsEqualAnIndependentOracle) {
  struct Promise {
    std::int64_t id, tokens;
  };
  Rng rng(7, 0);
  __int128 balance = 0, held = 0, o1 = 0, got_o1 = 0;
  std::vector<Promise> open, next;
  int n_wrong = 0;
  constexpr int kEvents = 500;
  const char* wanted = std::getenv("R1_LEDGER_EVENTS");
  const int n_rounds = (wanted == nullptr ? 100'000 : std::atoi(wanted)) / kEvents;
  for (int round = 0; round < n_rounds; ++round) {
    const auto paid = static_cast<std::int64_t>(1 + rng.below(300'000'000));
    give(paid);
    balance += paid;
    for (int event = 1; event < kEvents; ++event) {
      if (open.empty() || rng.below(2) == 0) {
        const auto tokens = static_cast<std::int64_t>(rng.below(2000));
        const __int128 cost = 550 + static_cast<__int128>(tokens) * 2190;
        const bool fits = balance - held >= cost;
        held += fits ? cost : 0;
        ledger().reserve({key_.id, "r1", 1, tokens, ""}, [&, fits, tokens](const Result<Admission>& admission) {
          if ((admission->refusal == Refusal::kNone) != fits) ++n_wrong;
          if (admission->refusal == Refusal::kNone) next.push_back({admission->hold.id, tokens});
        });
        continue;
      }
      const Promise hold = open.back();
      open.pop_back();
      const auto used = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(hold.tokens) + 1));
      const bool cached = rng.below(2) == 0;
      held -= 550 + static_cast<__int128>(hold.tokens) * 2190;
      balance -= (cached ? 140 : 550) + static_cast<__int128>(used) * 2190;
      o1 += (cached ? 7'500 : 15'000) + static_cast<__int128>(used) * 60'000;
      ledger().settle(
          hold.id, {.prompt = 1, .cached = cached ? 1 : 0, .completion = used},
          [&](const Result<Receipt>& receipt) { receipt.ok() ? got_o1 += receipt->o1_nanousd : ++n_wrong; });
    }
    const Account now = account();  // after all of the round
    ASSERT_EQ(now.balance_nanousd, static_cast<std::int64_t>(balance)) << "round " << round;
    ASSERT_EQ(now.held_nanousd, static_cast<std::int64_t>(held)) << "round " << round;
    open.insert(open.end(), next.begin(), next.end());
    next.clear();
  }
  EXPECT_EQ(n_wrong, 0);
  EXPECT_TRUE(o1 == got_o1);
}

std::string name_of_home(const testing::TestParamInfo<Home>& home) {
  constexpr std::array kNames = {"Memory", "Sqlite", "Postgres"};
  return kNames.at(static_cast<std::size_t>(home.param));
}

INSTANTIATE_TEST_SUITE_P(Homes, LedgerConformance, testing::Values(Home::kMemory, Home::kSqlite, Home::kPostgres),
                         name_of_home);

// A clock that is set, a day forward or back, by an hour for daylight saving, by a second that was inserted: entries
// stay in the order they were made, sums stay what they are, no limit is escaped for longer than its own minute, and no
// Idempotency-Key is charged twice.
TEST(LedgerClock, ThatIsSetChangesNoSumAndNoOrder) {
  constexpr std::int64_t kDay = 86'400'000, kStart = 100 * kDay;
  MemoryLedger ledger;
  ledger.now_unix_ms = kStart;
  const std::int64_t account = ledger.create_account("acme", AccountKind::kPrepaid).value();
  const std::int64_t key = ledger.create_key(account, "laptop", {.requests_per_minute = 3}).value().id;
  ASSERT_TRUE(ledger.credit(account, 1'000'000, "test").ok());
  const auto reserve = [&](const std::string& request) { return ledger.reserve({key, "r1", 1, 10, request}).value(); };
  std::int64_t n_settled = 0;
  const auto settle = [&](const Admission& admission) {
    ASSERT_EQ(admission.refusal, Refusal::kNone) << admission.reason;
    ASSERT_TRUE(ledger.settle(admission.hold.id, {.prompt = 1, .completion = 10}).ok());
    ++n_settled;
  };
  for (const std::int64_t jump :
       {std::int64_t{0}, kDay, -kDay, std::int64_t{3'600'000}, std::int64_t{-3'600'000}, std::int64_t{-1'000}}) {
    const Admission held = reserve("");  // is closed at another time
    ledger.now_unix_ms += jump;
    settle(held);
    ledger.now_unix_ms += 60'000;
  }
  ledger.now_unix_ms += 60'000;
  for (int i = 0; i < 3; ++i) settle(reserve("order " + std::to_string(i)));
  EXPECT_EQ(reserve("").refusal, Refusal::kRequestRate);
  ledger.now_unix_ms -= kDay;
  EXPECT_TRUE(reserve("order 1").settled_before.has_value()) << "put back, it is remembered";
  ledger.now_unix_ms += kDay + kDay / 2;
  EXPECT_TRUE(reserve("order 2").settled_before.has_value()) << "within its day";
  std::int64_t seq = 0, balance = 0;
  ASSERT_TRUE(ledger
                  .read([&](const Entry& entry) -> Status {
                    EXPECT_EQ(entry.seq, ++seq);
                    if (entry.kind == EntryKind::kCredit) balance += entry.amount_nanousd;
                    if (entry.kind == EntryKind::kSettle) balance -= entry.amount_nanousd;
                    return {};
                  })
                  .ok());
  EXPECT_EQ(balance, 1'000'000 - n_settled * (550 + 10 * 2190));
  EXPECT_TRUE(ledger.verify().ok());
}

TEST(Money, DollarsAreExactText) {
  EXPECT_EQ(format_usd(0), "0.00");
  EXPECT_EQ(format_usd(550), "0.00000055");
  EXPECT_EQ(format_usd(-1'500'000'000), "-1.50");
  EXPECT_EQ(format_usd(std::numeric_limits<std::int64_t>::min()), "-9223372036.854775808");
  for (const std::int64_t amount : {std::int64_t{1}, std::int64_t{2190}, std::int64_t{12'345'678'901}}) {
    EXPECT_EQ(parse_usd(format_usd(amount), "x").value(), amount);
  }
  EXPECT_EQ(parse_usd("12", "x").value(), 12'000'000'000);
  for (const char* wrong : {"", "-1", "1e3", "1.", ".5", "1.0000000001", "9000000000", "1 ", "99999999999", "nan"}) {
    EXPECT_FALSE(parse_usd(wrong, "x").ok()) << wrong;
  }
}

TEST(Prices, TheWindowIsInUtcAndMayPassMidnight) {
  // DeepSeek's: 16:30 to 00:30.
  const PriceVersion version{.model = "r1",
                             .off_peak_prices = {135, 35, 550},
                             .off_peak_from_minute = 16 * 60 + 30,
                             .off_peak_until_minute = 30};
  const auto off_peak = [&](int hour, int minute) {
    return prices_at(version, (std::int64_t{20'000} * 1440 + hour * 60 + minute) * 60'000) == version.off_peak_prices;
  };
  EXPECT_FALSE(off_peak(16, 29));
  EXPECT_TRUE(off_peak(16, 30));
  EXPECT_TRUE(off_peak(0, 29));
  EXPECT_FALSE(off_peak(0, 30));
  EXPECT_FALSE(check_prices({.model = "r1", .prices = {1, 2, 3}}).ok());
}

}  // namespace
}  // namespace r1
