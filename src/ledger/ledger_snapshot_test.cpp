// ledger_snapshot_test.cpp: a state as text and back; and a ledger that is opened from its snapshot, or rather not.
#include <sqlite3.h>

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/temp_folder_for_tests.h"
#include "ledger/sqlite_ledger.h"

namespace r1 {
namespace {

constexpr std::int64_t kEvery = 8;

class LedgerSnapshotTest : public testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kOff);  // warnings are what is expected here
    fill(*open());
  }
  void TearDown() override { set_log_level(LogLevel::kInfo); }

  std::unique_ptr<Ledger> open() {
    auto opened = open_sqlite_ledger(path_, {.snapshot_every = kEvery});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return *std::move(opened);
  }

  // Something of everything that a state holds.
  static void fill(Ledger& ledger) {
    const std::int64_t account = ledger.create_account("acme, Inc. 深", AccountKind::kPrepaid).value();
    ASSERT_TRUE(ledger.credit(account, 1'000'000'000, "test").ok());
    const std::int64_t key = ledger.create_key(account, "laptop", {}).value().id;
    ASSERT_TRUE(ledger.limit_key(key, {.requests_per_minute = 1000, .models = {"r1", "a:b,"}}).ok());
    ASSERT_TRUE(ledger
                    .set_prices({.model = "r1",
                                 .prices = {550, 140, 2190},
                                 .off_peak_prices = {1, 1, 1},
                                 .off_peak_from_minute = 1,
                                 .off_peak_until_minute = 2})
                    .ok());
    const std::int64_t settled = ledger.reserve({key, "r1", 1, 10, "first"})->hold.id;
    ASSERT_TRUE(ledger.settle(settled, {.prompt = 1, .completion = 3}).ok());
    ASSERT_TRUE(ledger.void_hold(ledger.reserve({key, "r1", 1, 10, "second"})->hold.id, "test").ok());
    ASSERT_EQ(ledger.reserve({key, "r1", 2, 20, "third"})->refusal, Refusal::kNone);
    ASSERT_TRUE(ledger.revoke_key(ledger.create_key(account, "lost", {}).value().id).ok());
  }

  std::string state_text() {
    std::string text;
    EXPECT_TRUE(open()->look([&](const LedgerState& state) { text = state.to_text(); }).ok());
    return text;
  }

  void sql(const std::string& statement) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << statement << ": " << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  std::string verify_error() {
    const auto report = open()->verify();
    return report.ok() ? "" : report.error().message;
  }

  TempFolder folder_;
  std::string path_ = folder_.path_of("ledger.db");
};

TEST_F(LedgerSnapshotTest, AStateIsItsTextAndBack) {
  const std::string text = state_text();
  const auto state = LedgerState::from_text(text);
  ASSERT_TRUE(state.ok()) << state.error().message;
  EXPECT_EQ(state->to_text(), text);
  EXPECT_NE(state->find_account("acme, Inc. 深"), nullptr);
  EXPECT_EQ(state->open_holds().size(), 1U);
  for (std::size_t size = 0; size < text.size(); ++size)
    ASSERT_FALSE(LedgerState::from_text(text.substr(0, size)).ok()) << size;
  EXPECT_FALSE(LedgerState::from_text(text + "0,").ok());
}

TEST_F(LedgerSnapshotTest, AnyChangedByteIsFoundByTheDigest) {
  const auto snapshot = snapshot_of(LedgerState::from_text(state_text()).value());
  ASSERT_TRUE(restore(snapshot).ok());
  for (std::size_t i = 0; i < snapshot.state.size(); ++i) {
    LedgerSnapshot damaged = snapshot;
    damaged.state[i] ^= 1;
    ASSERT_FALSE(restore(damaged).ok()) << "byte " << i;
  }
  LedgerSnapshot moved = snapshot;
  moved.at.seq -= 1;
  EXPECT_FALSE(restore(moved).ok());
}

TEST_F(LedgerSnapshotTest, OpeningReadsOnlyWhatIsNewer) {
  const std::string before = state_text();
  const auto report = open()->verify();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GE(report->snapshot_seq, kEvery);
  EXPECT_LT(report->snapshot_seq, report->n_entries) << "and some are newer";
  sql("DROP TRIGGER entries_stay; UPDATE entries SET detail = 'metered acme' WHERE seq = 1");
  EXPECT_EQ(state_text(), before) << "who reads entry 1 again gets another state, or an error";
  EXPECT_NE(verify_error().find("entry 1 "), std::string::npos) << "the whole chain is verified all the same";
}

TEST_F(LedgerSnapshotTest, OneThatCantBeTrustedIsNotUsedAndVerifyNamesIt) {
  const std::string before = state_text();
  const std::string good = folder_.path_of("good.db");
  std::filesystem::copy_file(path_, good);
  for (const char* change : {"state = replace(state, 'acme', 'acne')", "state = ''", "sha256 = 'x'", "seq = seq - 1",
                             "seq = 1000000", "hash = 'x'"}) {
    std::filesystem::copy_file(good, path_, std::filesystem::copy_options::overwrite_existing);
    sql(std::string("UPDATE snapshot SET ") + change);
    EXPECT_NE(verify_error().find("snapshot at entry"), std::string::npos) << change << ": " << verify_error();
    EXPECT_EQ(state_text(), before) << change;
    EXPECT_EQ(verify_error(), "") << "who has read all entries has put a new one in its place";
  }
  sql("UPDATE snapshot SET sha256 = 'x'");
  EXPECT_NE(verify_error(), "");
  sql("DELETE FROM snapshot");
  EXPECT_EQ(verify_error(), "") << "as the message advises";
}

// Its digest is right, but the balances that are stored are not its sums.
TEST_F(LedgerSnapshotTest, AForgedOneContradictsTheBalances) {
  const std::string before = state_text();
  const auto rich = [&] {
    std::string text = before;
    const std::string paid = std::to_string(1'000'000'000 - 550 - 3 * 2190);
    text.replace(text.find(paid), paid.size(), "9999999999");
    return snapshot_of(LedgerState::from_text(text).value());
  }();
  sql("UPDATE snapshot SET seq = " + std::to_string(rich.at.seq) + ", hash = '" + rich.at.hash + "', state = '" +
      rich.state + "', sha256 = '" + rich.sha256 + "'");
  EXPECT_NE(verify_error().find("add up to another state"), std::string::npos) << verify_error();
  EXPECT_EQ(state_text(), before);
}

TEST_F(LedgerSnapshotTest, ALedgerOfTheVersionBeforeGetsItsTable) {
  const std::string before = state_text();
  sql("DROP TABLE snapshot; PRAGMA user_version = 1");
  EXPECT_EQ(state_text(), before);
  const auto report = open()->verify();
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->snapshot_seq, report->n_entries) << "whoever has read all of it stores a snapshot";
}

}  // namespace
}  // namespace r1
