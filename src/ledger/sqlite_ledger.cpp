// sqlite_ledger.cpp: entries and balances in SQLite; this file is the only one that includes its header.
#include "ledger/sqlite_ledger.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/bounded_queue.h"

namespace r1 {
namespace {

constexpr std::size_t kQueueCapacity = 65'536, kMaxBatch = 1024;
constexpr int kBusyTimeoutMs = 10'000, kSchemaVersion = 1;

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
PRAGMA user_version = 1;
)";

std::int64_t now_unix_ms() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
}

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

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

// A connection and its statements. Used by one thread.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path, const SqliteLedgerOptions& options) {
    auto connection = std::make_unique<Connection>();
    connection->path_ = path;
    sqlite3* database = nullptr;
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    const int status =
        sqlite3_open_v2(path.c_str(), &database, flags, options.vfs.empty() ? nullptr : options.vfs.c_str());
    connection->database_.reset(database);
    if (status != SQLITE_OK) return connection->failure("opening it");
    sqlite3_busy_timeout(database, kBusyTimeoutMs);
    R1_TRY_STATUS(connection->run("PRAGMA journal_mode = WAL"));
    R1_TRY_STATUS(connection->run("PRAGMA synchronous = FULL"));
    R1_TRY_STATUS(connection->run("PRAGMA trusted_schema = OFF"));
    R1_TRY_STATUS(connection->make_schema());
    if (options.max_pages > 0)
      R1_TRY_STATUS(connection->run(fmt::format("PRAGMA max_page_count = {}", options.max_pages)));
    R1_TRY_STATUS(connection->prepare_all());
    return connection;
  }

  Error failure(std::string_view doing) const { return failed(database_.get(), path_, doing); }

  Status run(const std::string& sql) {
    if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
    return failure(sql.substr(0, sql.find('\n')));
  }

  // Calls `each` with the entries after `seq`, in order.
  Status each_entry_after(std::int64_t seq, FunctionRef<Status(const Entry&)> each) {
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

  Status append(const Entry& entry) {
    const std::vector<std::string> columns = to_columns(entry);
    for (int i = 0; i < std::ssize(columns); ++i) {
      const std::string& text = columns[static_cast<std::size_t>(i)];  // STRICT turns a number's digits into the number
      sqlite3_bind_text(insert_.get(), i + 1, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    }
    return step_once(insert_.get(), "appending an entry");
  }

  Status store_balance(const Account& account) {
    sqlite3_bind_int64(balance_.get(), 1, account.id);
    sqlite3_bind_int64(balance_.get(), 2, account.balance_nanousd);
    sqlite3_bind_int64(balance_.get(), 3, account.held_nanousd);
    return step_once(balance_.get(), "storing a balance");
  }

  Status store_head(const LedgerState& state) {
    sqlite3_bind_int64(head_.get(), 1, state.n_entries());
    sqlite3_bind_text(head_.get(), 2, state.head().c_str(), -1, SQLITE_TRANSIENT);
    return step_once(head_.get(), "storing the head");
  }

  Result<StoredSums> sums() {
    StoredSums sums;
    R1_TRY(sums.balances, balances());
    R1_TRY(const Statement statement, prepare("SELECT seq, hash FROM head"));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return failure("reading the head");
    sums.n_entries = sqlite3_column_int64(statement.get(), 0);
    sums.head = column_text(statement.get(), 1);
    return sums;
  }

  Status integrity_check() {
    R1_TRY(const Statement statement, prepare("PRAGMA integrity_check(1)"));
    if (sqlite3_step(statement.get()) != SQLITE_ROW) return failure("checking the file");
    const std::string found = column_text(statement.get(), 0);
    if (found == "ok") return {};
    return Error{ErrorCode::kInvalidInput, fmt::format("the ledger {}: its file is damaged: {}", path_, found)};
  }

  void roll_back() {
    if (sqlite3_get_autocommit(database_.get()) == 0)
      sqlite3_exec(database_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  }

 private:
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
    if (version == 0) return run(kSchema);
    if (version == kSchemaVersion) return {};
    return Error{ErrorCode::kUnsupported, fmt::format("the ledger {} has schema version {}, this program knows {}",
                                                      path_, version, kSchemaVersion)};
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
  Database database_;
  Statement select_, insert_, balance_, head_;  // after the database: they end before it
};

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

class SqliteLedger final : public Ledger {
 public:
  SqliteLedger(std::string path, SqliteLedgerOptions options) : path_(std::move(path)), options_(std::move(options)) {}
  SqliteLedger(const SqliteLedger&) = delete;
  SqliteLedger& operator=(const SqliteLedger&) = delete;

  ~SqliteLedger() override {
    queue_.close();
    if (writer_.joinable()) writer_.join();
  }

  Status start() {
    const int descriptor = ::open(path_.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0) return Error{ErrorCode::kIo, fmt::format("the ledger {}: {}", path_, std::strerror(errno))};
    ::close(descriptor);
    if (options_.role == LedgerRole::kServes) R1_TRY_STATUS(lock_.take(path_ + "-serving"));
    R1_TRY(connection_, Connection::open(path_, options_));
    writer_ = std::thread([this] { write_until_closed(); });
    if (options_.role == LedgerRole::kServes) {
      R1_TRY([[maybe_unused]] const std::int64_t n_voided, void_abandoned());
    }
    return {};
  }

  void submit(Change change, Done done) override {
    Item item{std::move(change), std::move(done)};
    if (queue_.try_push(std::move(item))) return;
    const Error full{ErrorCode::kOutOfResource,
                     fmt::format("the ledger's queue of {} changes is full", kQueueCapacity)};
    item.done(full);  // NOLINT(bugprone-use-after-move): what is refused is left untouched
  }

  // On a connection of its own, so that the writer goes on.
  Result<StoredSums> read(FunctionRef<Status(const Entry&)> each) override {
    R1_TRY(const auto reader, Connection::open(path_, {.vfs = options_.vfs}));
    R1_TRY_STATUS(reader->run("BEGIN"));
    R1_TRY_STATUS(reader->each_entry_after(0, each));
    return reader->sums();
  }

  Status check_storage() override {
    R1_TRY(const auto reader, Connection::open(path_, {.vfs = options_.vfs}));
    return reader->integrity_check();
  }

 private:
  struct Item {
    Change change;
    Done done;
  };
  using Outcome = Result<std::optional<Entry>>;

  void write_until_closed() {
    while (std::optional<Item> first = queue_.pop()) {
      std::vector<Item> batch;
      batch.push_back(*std::move(first));
      while (batch.size() < kMaxBatch) {
        std::optional<Item> next = queue_.try_pop();
        if (!next) break;
        batch.push_back(*std::move(next));
      }
      commit(batch);
    }
  }

  void commit(const std::vector<Item>& batch) {
    std::vector<Outcome> outcomes;
    const Status written = write(batch, outcomes);
    if (!written.ok()) {
      connection_->roll_back();
      state_ = {};  // read again from the file by the next batch
    }
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i].done(written.ok() ? outcomes[i] : Outcome(written.error()));
  }

  Status write(const std::vector<Item>& batch, std::vector<Outcome>& outcomes) {
    R1_TRY_STATUS(connection_->run("BEGIN IMMEDIATE"));
    R1_TRY_STATUS(connection_->each_entry_after(state_.n_entries(), [&](const Entry& entry) -> Status {
      R1_TRY_STATUS(state_.follows(entry));
      return state_.apply(entry);
    }));
    const std::int64_t n_before = state_.n_entries();
    std::set<std::int64_t> touched;
    const std::int64_t now = now_unix_ms();
    for (const Item& item : batch) {
      outcomes.push_back(apply(item.change, now));
      if (!outcomes.back().ok() || !outcomes.back().value()) continue;
      const Entry& entry = **outcomes.back();
      R1_TRY_STATUS(connection_->append(entry));
      touched.insert(entry.kind == EntryKind::kAccount ? entry.seq : entry.account_id);
    }
    for (const std::int64_t id : touched) {
      const auto account = state_.accounts().find(id);  // 0: a price, a limit
      if (account != state_.accounts().end()) R1_TRY_STATUS(connection_->store_balance(account->second));
    }
    if (state_.n_entries() > n_before) R1_TRY_STATUS(connection_->store_head(state_));
    return connection_->run("COMMIT");
  }

  Outcome apply(const Change& change, std::int64_t now) {
    R1_TRY(std::optional<Entry> entry, change(state_, now));
    if (!entry) return entry;
    entry->seq = state_.n_entries() + 1;
    entry->unix_ms = now;
    entry->hash = hash_of(*entry, state_.head());
    R1_TRY_STATUS(state_.apply(*entry));
    return entry;
  }

  const std::string path_;
  const SqliteLedgerOptions options_;
  ServingLock lock_;
  std::unique_ptr<Connection> connection_;  // of the writer, once it runs
  LedgerState state_;                       // of the writer
  BoundedQueue<Item> queue_{kQueueCapacity};
  std::thread writer_;
};

}  // namespace

Result<std::unique_ptr<Ledger>> open_sqlite_ledger(const std::string& path, const SqliteLedgerOptions& options) {
  auto ledger = std::make_unique<SqliteLedger>(path, options);
  R1_TRY_STATUS(ledger->start());
  return std::unique_ptr<Ledger>(std::move(ledger));
}

}  // namespace r1
