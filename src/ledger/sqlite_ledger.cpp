// sqlite_ledger.cpp: entries and balances in SQLite; this file is the only one that includes its header.
#include "ledger/sqlite_ledger.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ledger/stored_ledger.h"

namespace r1 {
namespace {

constexpr int kBusyTimeoutMs = 10'000, kSqliteSchemaVersion = 2;

constexpr const char* kSchema = R"(
CREATE TABLE entries (
  seq INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, kind TEXT NOT NULL,
  account_id INTEGER NOT NULL, key_id INTEGER NOT NULL, hold_id INTEGER NOT NULL,
  amount_nanousd INTEGER NOT NULL, o1_nanousd INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
  input_nanousd INTEGER NOT NULL, cached_nanousd INTEGER NOT NULL, output_nanousd INTEGER NOT NULL,
  model TEXT NOT NULL, request TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE TABLE balances (
  account_id INTEGER PRIMARY KEY, balance_nanousd INTEGER NOT NULL, held_nanousd INTEGER NOT NULL) STRICT;
CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
INSERT INTO head VALUES (1, 0, '');
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries are only appended'); END;
CREATE TRIGGER entries_remain BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries are only appended'); END;
)";

// Since version 2.
constexpr const char* kSnapshotSchema = R"(
CREATE TABLE snapshot (
  one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL, state TEXT NOT NULL,
  sha256 TEXT NOT NULL) STRICT;
PRAGMA user_version = 2;
)";

struct CloseSqlite {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseSqlite>;
using Statement = std::unique_ptr<sqlite3_stmt, CloseSqlite>;

Error failed(sqlite3* database, const std::string& path, std::string_view doing) {
  const int code = sqlite3_errcode(database) & 0xff;
  const bool is_wrong = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  const ErrorCode kind = code == SQLITE_FULL ? ErrorCode::kOutOfResource
                         : is_wrong          ? ErrorCode::kInvalidInput
                                             : ErrorCode::kIo;
  return {kind, fmt::format("the ledger {}: {} failed: {}", path, doing, sqlite3_errmsg(database))};
}

std::string column_text(sqlite3_stmt* row, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, column));
  return text == nullptr ? "" : std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(row, column)));
}

// The lock of the one process that serves; ends with it.
class ServingLock {
 public:
  ~ServingLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Status take(const std::string& path) {
    descriptor_ = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return {};
    if (descriptor_ >= 0 && errno == EWOULDBLOCK) {
      return Error{ErrorCode::kIo, fmt::format("{} is held by another process that serves with this ledger", path)};
    }
    return Error{ErrorCode::kIo, fmt::format("locking {}: {}", path, std::strerror(errno))};
  }

 private:
  int descriptor_ = -1;
};

void bind_text(sqlite3_stmt* statement, int index, const std::string& text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

class SqliteStore final : public LedgerStore {
 public:
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& path, const SqliteLedgerOptions& options,
                                                   LedgerRole role) {
    auto store = std::make_unique<SqliteStore>();
    store->path_ = path;
    if (role == LedgerRole::kServes) R1_TRY_STATUS(store->lock_.take(path + "-serving"));
    sqlite3* database = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    const int status =
        sqlite3_open_v2(path.c_str(), &database, flags, options.vfs.empty() ? nullptr : options.vfs.c_str());
    store->database_.reset(database);
    if (status != SQLITE_OK) return store->failure("opening it");
    sqlite3_busy_timeout(database, kBusyTimeoutMs);
    R1_TRY_STATUS(store->run("PRAGMA journal_mode = WAL"));
    R1_TRY_STATUS(store->run("PRAGMA synchronous = FULL"));
    R1_TRY_STATUS(store->run("PRAGMA trusted_schema = OFF"));
    R1_TRY_STATUS(store->make_schema());
    if (options.max_pages > 0) R1_TRY_STATUS(store->run(fmt::format("PRAGMA max_page_count = {}", options.max_pages)));
    R1_TRY_STATUS(store->prepare_all());
    return store;
  }

  Result<LedgerHead> begin_writing() override {
    R1_TRY_STATUS(run("BEGIN IMMEDIATE"));
    return head();
  }

  Status begin_reading() override { return run("BEGIN"); }

  // One that fails is rolled back by SQLite, or by us.
  CommitOutcome commit() override { return {run("COMMIT"), true}; }

  void roll_back() override {
    if (sqlite3_get_autocommit(database_.get()) == 0)
      sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }

  Status write(std::span<const Entry> entries, std::span<const StoredBalance> balances) override {
    for (const Entry& entry : entries) R1_TRY_STATUS(append(entry));
    for (const StoredBalance& balance : balances) R1_TRY_STATUS(store_balance(balance));
    return store_head({entries.back().seq, entries.back().hash});
  }

  Status each_entry_after(std::int64_t seq, FunctionRef<Status(const Entry&)> each) override {
    sqlite3_reset(select_.get());
    sqlite3_bind_int64(select_.get(), 1, seq);
    int status = SQLITE_OK;
    while ((status = sqlite3_step(select_.get())) == SQLITE_ROW) {
      std::vector<std::string> columns;
      columns.reserve(kEntryColumns.size());
      for (int i = 0; i < std::ssize(kEntryColumns); ++i) columns.push_back(column_text(select_.get(), i));
      const Result<Entry> entry = from_columns(columns);
      Status taken = entry.ok() ? each(*entry) : Status(entry.error());
      if (taken.ok()) continue;
      sqlite3_reset(select_.get());
      return with_context(taken.error(), "the ledger " + path_);
    }
    if (status != SQLITE_DONE) {
      Error error = failure("reading entries");
      sqlite3_reset(select_.get());
      return error;
    }
    sqlite3_reset(select_.get());
    return {};
  }

  Result<StoredSums> sums() override {
    StoredSums sums;
    R1_TRY(sums.balances, balances());
    R1_TRY(sums.head, head());
    return sums;
  }

  Result<std::string> hash_at(std::int64_t seq) override {
    R1_TRY(const Statement statement, prepare("SELECT hash FROM entries WHERE seq = ?"));
    sqlite3_bind_int64(statement.get(), 1, seq);
    const int status = sqlite3_step(statement.get());
    if (status == SQLITE_DONE) return std::string();
    if (status != SQLITE_ROW) return failure("reading an entry's hash");
    return column_text(statement.get(), 0);
  }

  Result<std::optional<LedgerSnapshot>> snapshot() override {
    R1_TRY(const Statement statement, prepare("SELECT seq, hash, state, sha256 FROM snapshot"));
    const int status = sqlite3_step(statement.get());
    if (status == SQLITE_DONE) return std::optional<LedgerSnapshot>();
    if (status != SQLITE_ROW) return failure("reading the snapshot");
    return std::optional<LedgerSnapshot>({{sqlite3_column_int64(statement.get(), 0), column_text(statement.get(), 1)},
                                          column_text(statement.get(), 2),
                                          column_text(statement.get(), 3)});
  }

  Status store_snapshot(const LedgerSnapshot& snapshot) override {
    R1_TRY(const Statement statement, prepare("INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?, ?)"));
    sqlite3_bind_int64(statement.get(), 1, snapshot.at.seq);
    bind_text(statement.get(), 2, snapshot.at.hash);
    bind_text(statement.get(), 3, snapshot.state);
    bind_text(statement.get(), 4, snapshot.sha256);
    return step_once(statement.get(), "storing a snapshot");
  }

  Status check() override {
    R1_TRY(const Statement statement, prepare("PRAGMA integrity_check(1)"));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return failure("checking the file");
    const std::string found = column_text(statement.get(), 0);
    if (found == "ok") return {};
    return Error{ErrorCode::kInvalidInput, fmt::format("the ledger {}: its file is damaged: {}", path_, found)};
  }

 private:
  Error failure(std::string_view doing) const { return failed(database_.get(), path_, doing); }

  Status run(const std::string& sql) {
    if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return failure(sql.substr(0, sql.find('\n')));
  }

  Result<LedgerHead> head() {
    R1_TRY(const Statement statement, prepare("SELECT seq, hash FROM head"));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return failure("reading the head");
    return LedgerHead{sqlite3_column_int64(statement.get(), 0), column_text(statement.get(), 1)};
  }

  Status append(const Entry& entry) {
    const std::vector<std::string> columns = to_columns(entry);
    for (int i = 0; i < std::ssize(columns); ++i) {
      const std::string& text = columns[static_cast<std::size_t>(i)];  // STRICT turns a number's digits into the number
      bind_text(insert_.get(), i + 1, text);
    }
    return step_once(insert_.get(), "appending an entry");
  }

  Status store_balance(const StoredBalance& balance) {
    sqlite3_bind_int64(balance_.get(), 1, balance.account_id);
    sqlite3_bind_int64(balance_.get(), 2, balance.balance_nanousd);
    sqlite3_bind_int64(balance_.get(), 3, balance.held_nanousd);
    return step_once(balance_.get(), "storing a balance");
  }

  Status store_head(const LedgerHead& head) {
    sqlite3_bind_int64(head_.get(), 1, head.seq);
    bind_text(head_.get(), 2, head.hash);
    return step_once(head_.get(), "storing the head");
  }

  Result<std::vector<StoredBalance>> balances() {
    R1_TRY(const Statement statement, prepare("SELECT account_id, balance_nanousd, held_nanousd FROM balances"));
    std::vector<StoredBalance> found;
    int status = SQLITE_OK;
    while ((status = sqlite3_step(statement.get())) == SQLITE_ROW) {
      found.push_back({sqlite3_column_int64(statement.get(), 0), sqlite3_column_int64(statement.get(), 1),
                       sqlite3_column_int64(statement.get(), 2)});
    }
    if (status != SQLITE_DONE) return failure("reading balances");
    return found;
  }

  Result<Statement> prepare(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
      return failure("understanding its tables");
    }
    return Statement(statement);
  }

  Status step_once(sqlite3_stmt* statement, std::string_view doing) const {
    const int status = sqlite3_step(statement);
    if (status == SQLITE_DONE && sqlite3_reset(statement) == SQLITE_OK) return {};
    Error error = failure(doing);
    sqlite3_reset(statement);
    return error;
  }

  // Two processes may open a new file at once: the second finds the first's tables.
  Status make_schema() {
    R1_TRY_STATUS(run("BEGIN IMMEDIATE"));
    Status made = make_schema_inside();
    if (made.ok()) return run("COMMIT");
    roll_back();
    return made;
  }

  Status make_schema_inside() {
    R1_TRY(const Statement statement, prepare("PRAGMA user_version"));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return failure("reading its version");
    const int version = sqlite3_column_int(statement.get(), 0);
    sqlite3_reset(statement.get());
    if (version == 0) R1_TRY_STATUS(run(kSchema));
    if (version < kSqliteSchemaVersion) return run(kSnapshotSchema);
    if (version == kSqliteSchemaVersion) return {};
    return Error{ErrorCode::kUnsupported, fmt::format("the ledger {} has schema version {}, this program knows {}",
                                                      path_, version, kSqliteSchemaVersion)};
  }

  Status prepare_all() {
    const std::string columns = fmt::format("{}", fmt::join(kEntryColumns, ","));
    std::string marks = "?";
    for (std::size_t i = 1; i < kEntryColumns.size(); ++i) marks += ",?";
    R1_TRY(select_, prepare(fmt::format("SELECT {} FROM entries WHERE seq > ? ORDER BY seq", columns)));
    R1_TRY(insert_, prepare(fmt::format("INSERT INTO entries ({}) VALUES ({})", columns, marks)));
    R1_TRY(balance_, prepare("INSERT OR REPLACE INTO balances VALUES (?, ?, ?)"));
    R1_TRY(head_, prepare("UPDATE head SET seq = ?, hash = ?"));
    return {};
  }

  std::string path_;
  ServingLock lock_;
  Database database_;
  Statement select_, insert_, balance_, head_;  // after the database: they end before it
};

}  // namespace

Result<std::unique_ptr<Ledger>> open_sqlite_ledger(const std::string& path, const SqliteLedgerOptions& options) {
  const int descriptor = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0) return Error{ErrorCode::kIo, fmt::format("the ledger {}: {}", path, std::strerror(errno))};
  ::close(descriptor);  // before SQLite opens it: closing it later would take away SQLite's locks
  const auto open_store = [path, options](LedgerRole role) -> Result<std::unique_ptr<LedgerStore>> {
    R1_TRY(std::unique_ptr<SqliteStore> store, SqliteStore::open(path, options, role));
    return std::unique_ptr<LedgerStore>(std::move(store));
  };
  return open_stored_ledger(open_store, {.role = options.role, .snapshot_every = options.snapshot_every});
}

}  // namespace r1
