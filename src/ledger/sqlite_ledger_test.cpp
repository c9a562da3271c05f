// sqlite_ledger_test.cpp: what only a file can suffer: a full disk, failing writes, tampering, two processes.
#include "ledger/sqlite_ledger.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <set>

#include <gtest/gtest.h>

#include "base/log.h"
#include "base/temp_folder_for_tests.h"
#include "ledger/ledger_load_for_tests.h"

namespace r1 {
namespace {

std::unique_ptr<Ledger> open_sqlite(const std::string& path, const SqliteLedgerOptions& options = {}) {
  auto opened = open_sqlite_ledger(path, options);
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  return opened.ok() ? *std::move(opened) : nullptr;
}

void sql(const std::string& path, const std::string& statement) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << statement << ": " << sqlite3_errmsg(database);
  sqlite3_close(database);
}

TEST(SqliteLedgerTampering, VerifyFindsAChangeOfAnyFieldOfAnyRow) {
  const TempFolder folder;
  const std::string path = folder.path_of("ledger.db"), copy = folder.path_of("copy.db");
  {
    const auto ledger = open_sqlite(path);
    const std::int64_t key = prepare(*ledger);
    ASSERT_TRUE(ledger->set_prices({.model = "other"}).ok());
    ASSERT_TRUE(ledger->limit_key(key, {.budget_nanousd = 1'000'000'000}).ok());
    ASSERT_TRUE(
        ledger->settle(ledger->reserve({key, "r1", 5, 100, "a"})->hold.id, {.prompt = 5, .completion = 9}).ok());
    ASSERT_TRUE(ledger->void_hold(ledger->reserve({key, "r1", 5, 100, "b"})->hold.id, "test").ok());
    ASSERT_EQ(ledger->reserve({key, "r1", 5, 100, "c"})->refusal, Refusal::kNone);
    ASSERT_TRUE(ledger->revoke_key(key).ok());
  }
  sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string guard = "PRAGMA synchronous = OFF; DROP TRIGGER entries_stay; DROP TRIGGER entries_remain; ";
  const auto is_found = [&](const std::string& change) {
    std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing);
    sql(copy, guard + change);
    auto opened = open_sqlite_ledger(copy);
    return !opened.ok() || !(*opened)->verify().ok();
  };
  EXPECT_FALSE(is_found("SELECT 1")) << "untouched, it verifies";
  constexpr int kRows = 11;
  ASSERT_EQ(open_sqlite(path)->verify()->n_entries, kRows);
  for (int row = 1; row <= kRows; ++row) {
    const std::string where = " WHERE seq = " + std::to_string(row);
    for (const std::string_view column : kEntryColumns) {
      const std::string name(column);
      const bool is_text = name == "kind" || name == "model" || name == "request" || name == "detail" || name == "hash";
      EXPECT_TRUE(is_found("UPDATE entries SET " + name + " = " + name + (is_text ? " || 'x'" : " + 100") + where))
          << name << where;
    }
    EXPECT_TRUE(is_found("DELETE FROM entries" + where)) << "deleted" << where;
  }
  EXPECT_TRUE(is_found("UPDATE balances SET balance_nanousd = balance_nanousd + 1"));
  EXPECT_TRUE(is_found("UPDATE balances SET held_nanousd = held_nanousd + 1"));
  EXPECT_TRUE(is_found("UPDATE balances SET account_id = account_id + 1"));
  EXPECT_TRUE(is_found("DELETE FROM balances"));
  EXPECT_TRUE(is_found("UPDATE head SET seq = seq - 1"));
  EXPECT_TRUE(is_found("DELETE FROM head"));
  EXPECT_TRUE(is_found("INSERT INTO balances VALUES (99, 0, 0)"));
}

TEST(SqliteLedgerTampering, TheFileItselfOnlyTakesMore) {
  const TempFolder folder;
  const std::string path = folder.path_of("ledger.db");
  prepare(*open_sqlite(path));
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  for (const char* change : {"UPDATE entries SET model = 'x'", "DELETE FROM entries"}) {
    EXPECT_EQ(sqlite3_exec(database, change, nullptr, nullptr, nullptr), SQLITE_CONSTRAINT);
  }
  sqlite3_close(database);
}

TEST(SqliteLedgerFailure, AFullDiskIsAClearErrorAndNothingIsLost) {
  const TempFolder folder;
  const std::string path = folder.path_of("ledger.db");
  const std::int64_t key = prepare(*open_sqlite(path));
  std::int64_t n_reserved = 0;
  {
    const auto ledger = open_sqlite(path, {.max_pages = 12});
    Result<Admission> admission = ledger->reserve({key, "r1", 1, 1, ""});
    for (; admission.ok() && n_reserved < 10'000; admission = ledger->reserve({key, "r1", 1, 1, ""})) ++n_reserved;
    ASSERT_FALSE(admission.ok()) << "12 pages took " << n_reserved << " entries";
    EXPECT_EQ(admission.error().code, ErrorCode::kOutOfResource);
    EXPECT_NE(admission.error().message.find("full"), std::string::npos) << admission.error().message;
    EXPECT_NE(admission.error().message.find(path), std::string::npos);
    EXPECT_FALSE(ledger->reserve({key, "r1", 1, 1, ""}).ok()) << "and again";
    EXPECT_EQ(ledger->verify()->n_open_holds, n_reserved);
  }
  const auto ledger = open_sqlite(path);
  EXPECT_EQ(ledger->reserve({key, "r1", 1, 1, ""})->refusal, Refusal::kNone) << "with room, it goes on";
  EXPECT_EQ(ledger->verify()->n_open_holds, n_reserved + 1);
}

// SQLite's own file system, whose n-th write or sync fails, or ends the process; or each n-th fails, after half of the
// bytes have been written.
std::atomic<int> operations_left{-1};             // negative: none fails
std::atomic<int> fails_each{0}, n_operations{0};  // 0: none fails
std::atomic<bool> is_deadly{false};
// SQLite's methods of a database, and of its log, which has others; what fails is in front of either.
template <bool kIsDatabase>
struct FailingFile {
  static inline sqlite3_io_methods real, failing;
  static void put_before(sqlite3_file* file) {
    real = failing = *file->pMethods;
    failing.xWrite = [](sqlite3_file* f, const void* bytes, int n, sqlite3_int64 at) {
      if (!fails_now()) return real.xWrite(f, bytes, n, at);
      if (fails_each > 0 || is_deadly) real.xWrite(f, bytes, n / 2, at);
      return failed_with(SQLITE_IOERR_WRITE);
    };
    failing.xSync = [](sqlite3_file* f, int flags) {
      return fails_now() ? failed_with(SQLITE_IOERR_FSYNC) : real.xSync(f, flags);
    };
    failing.xTruncate = [](sqlite3_file* f, sqlite3_int64 size) {
      return fails_now() ? failed_with(SQLITE_IOERR_TRUNCATE) : real.xTruncate(f, size);
    };
    file->pMethods = &failing;
  }

 private:
  static bool fails_now() {
    if (fails_each > 0) return ++n_operations % fails_each == 0;
    return operations_left >= 0 && operations_left-- == 0;
  }
  static int failed_with(int status) {
    if (is_deadly) ::kill(::getpid(), SIGKILL);
    return status;
  }
};

const char* failing_vfs() {
  static sqlite3_vfs vfs = *sqlite3_vfs_find("unix");
  static const bool registered = [] {
    vfs.zName = "r1-failing";
    vfs.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
      sqlite3_vfs* unix_vfs = sqlite3_vfs_find("unix");
      const int status = unix_vfs->xOpen(unix_vfs, name, file, flags, out_flags);
      if (status != SQLITE_OK) return status;
      if ((flags & SQLITE_OPEN_MAIN_DB) != 0) FailingFile<true>::put_before(file);
      if ((flags & SQLITE_OPEN_WAL) != 0) FailingFile<false>::put_before(file);
      return status;
    };
    return sqlite3_vfs_register(&vfs, 0) == SQLITE_OK;
  }();
  EXPECT_TRUE(registered);
  return vfs.zName;
}

TEST(SqliteLedgerFailure, AnyFailingWriteOrSyncIsNoFalseSuccess) {
  const TempFolder folder;
  const std::string path = folder.path_of("ledger.db");
  const std::int64_t key = prepare(*open_sqlite(path));
  int n_failures = 0;
  for (int n = 0; n < 40; ++n) {
    std::set<std::int64_t> acknowledged;
    {
      const auto ledger = open_sqlite(path, {.vfs = failing_vfs()});
      operations_left = n;
      for (int request = 0; request < 5; ++request) {
        const auto admission = ledger->reserve({key, "r1", 1, 10, ""});
        if (!admission.ok()) ++n_failures;
        if (!admission.ok()) continue;
        const auto receipt = ledger->settle(admission->hold.id, {.prompt = 1, .completion = 2});
        if (receipt.ok()) acknowledged.insert(admission->hold.id);
        if (!receipt.ok()) ++n_failures;
      }
    }
    operations_left = -1;
    const auto ledger = open_sqlite(path);
    const auto report = ledger->verify();
    ASSERT_TRUE(report.ok()) << "operation " << n << " failed: " << report.error().message;
    const auto settled = settlements_in(*ledger);
    for (const std::int64_t hold : acknowledged) ASSERT_TRUE(settled.contains(hold)) << "operation " << n;
    for (const auto& [hold, times] : settled) ASSERT_EQ(times.size(), 1U);
  }
  EXPECT_GE(n_failures, 10);
}

// What a request came to, as its caller sees it: after an error it asks again, some times.
enum class Told { kNothing, kReserved, kSettled };
struct Asked {
  std::int64_t hold = 0, used = 0;
  Told told = Told::kNothing;
};

Asked ask(Ledger& ledger, std::int64_t key, std::int64_t used) {
  constexpr int kTries = 4;
  const auto admission = ledger.reserve({key, "r1", 1, 100, ""});
  if (!admission.ok()) return {};
  for (int i = 0; i < kTries; ++i) {
    const auto receipt = ledger.settle(admission->hold.id, {.prompt = 1, .completion = used});
    const bool has_counted =
        receipt.ok() || receipt.error().code == ErrorCode::kNotFound;  // not open: by an earlier try
    if (has_counted) return {admission->hold.id, used, Told::kSettled};
  }
  return {admission->hold.id, used, Told::kReserved};
}

// Twenty requests while each n-th operation fails; then what the entries say against what the callers were told.
// Returns how many were settled.
int fail_each_and_compare(int n) {
  constexpr std::int64_t kCredit = 1'000'000'000'000;
  const TempFolder folder;
  const std::string path = folder.path_of("ledger.db");
  const std::int64_t key = prepare(*open_sqlite(path));
  std::vector<Asked> asked;
  {
    const auto ledger = open_sqlite(path, {.vfs = failing_vfs(), .snapshot_every = 5});
    n_operations = 0;
    fails_each = n;
    for (int request = 0; request < 20; ++request) asked.push_back(ask(*ledger, key, request));
  }
  fails_each = 0;
  const auto ledger = open_sqlite(path, {.role = LedgerRole::kServes});
  const auto report = ledger->verify();
  EXPECT_TRUE(report.ok()) << "each " << n << "th failed: " << report.error().message;
  auto settled = settlements_in(*ledger);
  std::int64_t spent = 0;
  int n_settled = 0;
  for (const Asked& one : asked) {
    const std::vector<std::int64_t> times = settled[one.hold];
    settled.erase(one.hold);
    EXPECT_GE(times.size(), one.told == Told::kSettled ? 1U : 0U) << "each " << n << "th failed: hold " << one.hold;
    EXPECT_LE(times.size(), 1U);
    for (const std::int64_t used : times) {
      EXPECT_EQ(used, one.used);
      spent += 550 + used * 2190;
      ++n_settled;
    }
  }
  EXPECT_TRUE(settled.empty()) << "settled by nobody";
  EXPECT_TRUE(ledger
                  ->look([&](const LedgerState& state) {
                    EXPECT_EQ(state.accounts().begin()->second.balance_nanousd, kCredit - spent);
                    EXPECT_TRUE(state.open_holds().empty());
                  })
                  .ok());
  return n_settled;
}

// R1_LEDGER_IO=500 for every n up to it.
TEST(SqliteLedgerFailure, EachNthWriteFailingLosesNothingAndDoublesNothing) {
  const char* wanted = std::getenv("R1_LEDGER_IO");
  const int most = wanted == nullptr ? 25 : std::atoi(wanted);
  set_log_level(LogLevel::kOff);  // a snapshot that could not be stored is told
  int n_settled = 0;
  for (int n = 1; n <= most && !HasFailure(); ++n) n_settled += fail_each_and_compare(n);
  set_log_level(LogLevel::kInfo);
  EXPECT_GT(n_settled, most) << "some go through all the same";
}

// Opens a ledger, and is killed at its n-th write or sync. False when there were fewer.
bool is_killed_opening(const std::string& path, int n) {
  const pid_t child = ::fork();
  if (child == 0) {
    is_deadly = true;
    operations_left = n;
    const bool opened = open_sqlite_ledger(path, {.vfs = failing_vfs()}).ok();  // and closed again, which writes too
    ::_exit(opened ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << "operation " << n;
  return WIFSIGNALED(status);
}

// A new file, and one of the schema before this one: what a killed program leaves is either of the two versions, and
// opens.
TEST(SqliteLedgerCrash, AMigrationThatIsKilledAtAnyWriteIsDoneByTheNextProgram) {
  const TempFolder folder;
  const std::string none = folder.path_of("none.db"), old = folder.path_of("old.db"),
                    path = folder.path_of("ledger.db");
  prepare(*open_sqlite(old));
  sql(old, "DROP TABLE snapshot; PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)");
  folder.write("none.db", "");
  for (const std::string& begin : {none, old}) {
    const std::int64_t n_entries = begin == old ? 3 : 0;
    int n = 0;
    for (bool killed = true; killed && !testing::Test::HasFailure(); n += killed ? 1 : 0) {
      for (const char* rest : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(path + rest);
      std::filesystem::copy_file(begin, path);
      killed = is_killed_opening(path, n);
      if (killed) is_killed_opening(path, n / 2);  // and the one that was to recover from it
      const auto ledger = open_sqlite(path);
      ASSERT_TRUE(ledger) << "killed at operation " << n;
      const auto report = ledger->verify();
      ASSERT_TRUE(report.ok()) << "killed at operation " << n << ": " << report.error().message;
      EXPECT_EQ(report->n_entries, n_entries);
      EXPECT_TRUE(ledger->create_account("next", AccountKind::kPrepaid).ok()) << "it goes on";
      sql(path, "SELECT seq FROM snapshot");
    }
    EXPECT_GE(n, 4) << "a migration is several writes and syncs";
  }
}

TEST(SqliteLedger, OneProcessServesAndOthersMayAdminister) {
  const TempFolder folder;
  const std::string path = folder.path_of("ledger.db");
  const auto server = open_sqlite(path, {.role = LedgerRole::kServes});
  const std::int64_t key = prepare(*server);
  const Admission running = *server->reserve({key, "r1", 1, 10, ""});
  EXPECT_FALSE(open_sqlite_ledger(path, {.role = LedgerRole::kServes}).ok());
  {
    const auto administrator = open_sqlite(path);
    EXPECT_EQ(administrator->verify()->n_open_holds, 1) << "it doesn't void what the server holds";
    const NewKey second = administrator->create_key(1, "second", {}).value();
    EXPECT_TRUE(server->authenticate(second.secret).ok()) << "the server knows it at once";
    ASSERT_TRUE(administrator->revoke_key(key).ok());
  }
  EXPECT_EQ(server->reserve({key, "r1", 1, 10, ""})->refusal, Refusal::kKey);
  EXPECT_TRUE(server->settle(running.hold.id, {.prompt = 1, .completion = 1}).ok()) << "what runs is still settled";
  EXPECT_TRUE(server->verify().ok());
}

TEST(SqliteLedger, RefusesWhatIsNoLedgerAndWhatIsNewer) {
  const TempFolder folder;
  const std::string text = folder.write("notes.txt", std::string(8192, 'x'));
  EXPECT_EQ(open_sqlite_ledger(text).error().code, ErrorCode::kInvalidInput);
  EXPECT_FALSE(open_sqlite_ledger("/no/such/folder/ledger.db").ok());
  const std::string path = folder.path_of("ledger.db");
  open_sqlite(path).reset();
  sql(path, "PRAGMA user_version = 3");
  EXPECT_EQ(open_sqlite_ledger(path).error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace r1
