// postgres_ledger.cpp: entries and balances in PostgreSQL; this file is the only one that includes libpq's header.
#include "ledger/postgres_ledger.h"

#include <libpq-fe.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "ledger/postgres_schema.h"
#include "ledger/stored_ledger.h"

namespace r1 {
namespace {

constexpr int kPostgresSchemaVersion = 1, kPageEntries = 2000;
constexpr std::chrono::milliseconds kReconnectPause{250};  // between two tries: what waits meanwhile fails at once

// Of this program in a database: "r1ledger", and the same with its last letter changed.
constexpr std::int64_t kWriterLock = 0x72316c6564676572, kServingLock = 0x72316c6564676573;

struct ClosePostgres {
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Connection = std::unique_ptr<PGconn, ClosePostgres>;
using Rows = std::unique_ptr<PGresult, ClosePostgres>;

std::string one_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return text;
}

// Host and database, without user and password.
Result<std::string> name_of(const std::string& url) {
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, ClosePostgres> options(PQconninfoParse(url.c_str(), &problem));
  if (!options) {
    // libpq's words quote the text, and a password may be in it.
    PQfreemem(problem);
    return Error{ErrorCode::kInvalidInput,
                 "the ledger: what follows postgresql:// is not understood; an example is "
                 "postgresql://user@host:5432/database, with the password in ~/.pgpass"};
  }
  std::string host, port, database;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    const std::string value = option->val == nullptr ? "" : option->val;
    if (keyword == "host" || (keyword == "hostaddr" && host.empty())) host = value;
    if (keyword == "port") port = value.empty() ? "" : ":" + value;
    if (keyword == "dbname") database = value;
  }
  return fmt::format("postgresql://{}{}/{}", host, port, database);
}

// As a PostgreSQL array of texts: {"a","b"}.
class ArrayText {
 public:
  void add(std::string_view item) {
    text_ += text_.size() == 1 ? "\"" : ",\"";
    for (const char c : item) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }
  std::string take() { return std::move(text_) + "}"; }

 private:
  std::string text_ = "{";
};

std::string text_at(const Rows& rows, int row, int column) {
  const int size = PQgetlength(rows.get(), row, column);
  return {PQgetvalue(rows.get(), row, column), static_cast<std::size_t>(size)};
}

// Of a column of type bigint: always a number.
std::int64_t number_at(const Rows& rows, int row, int column) {
  std::int64_t number = 0;
  const char* text = PQgetvalue(rows.get(), row, column);
  std::from_chars(text, text + std::strlen(text), number);
  return number;
}

class PostgresStore final : public LedgerStore {
 public:
  PostgresStore(std::string url, std::string name, PostgresLedgerOptions options)
      : url_(std::move(url)), name_(std::move(name)), options_(options) {}

  Status connect() {
    connection_.reset();  // its locks end with it, before others are asked for
    // Of a keyword that is there twice the later counts: the URL may say otherwise.
    const char* keywords[] = {"connect_timeout",  "keepalives_idle",  "keepalives_interval",
                              "keepalives_count", "tcp_user_timeout", "application_name",
                              "dbname",           "client_encoding",  nullptr};
    const char* values[] = {"5", "10", "5", "3", "20000", "r1 ledger", url_.c_str(), "UTF8", nullptr};
    connection_.reset(PQconnectdbParams(keywords, values, 1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) return failure("connecting");
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
    R1_TRY_STATUS(run(kPostgresSession));
    R1_TRY_STATUS(check_server());
    R1_TRY_STATUS(find_or_make_schema());
    if (options_.role == LedgerRole::kServes) R1_TRY_STATUS(lock_to_serve());
    is_ready_ = true;
    return {};
  }

  Result<LedgerHead> begin_writing() override {
    // Each statement sees what was committed before it: the head is read when the lock is ours. A writer that stands
    // still loses it after a minute; a reader (r1 ledger export into a pager) may take its time.
    const std::string begin = fmt::format(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 60000; "
        "SELECT pg_advisory_xact_lock({}); SELECT seq, hash FROM r1_ledger.head",
        kWriterLock);
    if (!is_connected()) R1_TRY_STATUS(reconnect());
    Result<Rows> rows = ask(begin);
    if (!rows.ok() && !is_connected()) {  // was lost since the last batch: nothing of this one has been done
      R1_TRY_STATUS(reconnect());
      rows = ask(begin);
    }
    if (!rows.ok()) return rows.error();
    return head_in(*rows);
  }

  Status begin_reading() override { return run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); }

  CommitOutcome commit() override {
    const Result<Rows> rows = ask("COMMIT");
    // A server that answers has decided; COMMIT of a transaction that had failed is answered with ROLLBACK.
    if (!rows.ok()) return {rows.error(), is_connected()};
    if (std::strcmp(PQcmdStatus(rows->get()), "COMMIT") == 0) return {};
    return {Error{ErrorCode::kIo, fmt::format("the ledger {}: the transaction was rolled back", name_)}, true};
  }

  void roll_back() override {
    if (is_connected()) roll_back_if_any();
  }

  Status write(std::span<const Entry> entries, std::span<const StoredBalance> balances) override {
    std::vector<ArrayText> columns(kEntryColumns.size()), sums(3);
    for (const Entry& entry : entries) {
      const std::vector<std::string> texts = to_columns(entry);
      for (std::size_t i = 0; i < columns.size(); ++i) columns[i].add(texts[i]);
    }
    for (const StoredBalance& balance : balances) {
      sums[0].add(std::to_string(balance.account_id));
      sums[1].add(std::to_string(balance.balance_nanousd));
      sums[2].add(std::to_string(balance.held_nanousd));
    }
    R1_TRY_STATUS(run(insert_entries(), take_all(columns)));
    R1_TRY_STATUS(
        run("INSERT INTO r1_ledger.balances SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) "
            "ON CONFLICT (account_id) DO UPDATE "
            "SET balance_nanousd = excluded.balance_nanousd, held_nanousd = excluded.held_nanousd",
            take_all(sums)));
    return run("UPDATE r1_ledger.head SET seq = $1, hash = $2",
               {std::to_string(entries.back().seq), entries.back().hash});
  }

  Status store_snapshot(const LedgerSnapshot& snapshot) override {
    return run(
        "INSERT INTO r1_ledger.snapshot VALUES (1, $1, $2, $3, $4) ON CONFLICT (one) DO UPDATE SET "
        "seq = excluded.seq, hash = excluded.hash, state = excluded.state, sha256 = excluded.sha256",
        {std::to_string(snapshot.at.seq), snapshot.at.hash, snapshot.state, snapshot.sha256});
  }

  // Page by page: all of them need not fit into memory. That all pages are of one moment, the transaction sees to.
  Status each_entry_after(std::int64_t seq, FunctionRef<Status(const Entry&)> each) override {
    const std::string select = fmt::format("SELECT {} FROM r1_ledger.entries WHERE seq > $1 ORDER BY seq LIMIT {}",
                                           fmt::join(kEntryColumns, ","), kPageEntries);
    for (int n_rows = kPageEntries; n_rows == kPageEntries;) {
      R1_TRY(const Rows rows, ask(select, {std::to_string(seq)}));
      n_rows = PQntuples(rows.get());
      for (int row = 0; row < n_rows; ++row) {
        std::vector<std::string> columns;
        columns.reserve(kEntryColumns.size());
        for (int i = 0; i < std::ssize(kEntryColumns); ++i) columns.push_back(text_at(rows, row, i));
        const Result<Entry> entry = from_columns(columns);
        const Status taken = entry.ok() ? each(*entry) : Status(entry.error());
        if (!taken.ok()) return with_context(taken.error(), "the ledger " + name_);
        seq = entry->seq;
      }
    }
    return {};
  }

  Result<StoredSums> sums() override {
    StoredSums sums;
    R1_TRY(const Rows rows, ask("SELECT account_id, balance_nanousd, held_nanousd FROM r1_ledger.balances"));
    for (int row = 0; row < PQntuples(rows.get()); ++row)
      sums.balances.push_back({number_at(rows, row, 0), number_at(rows, row, 1), number_at(rows, row, 2)});
    R1_TRY(const Rows head, ask("SELECT seq, hash FROM r1_ledger.head"));
    R1_TRY(sums.head, head_in(head));
    return sums;
  }

  Result<std::optional<LedgerSnapshot>> snapshot() override {
    R1_TRY(const Rows rows, ask("SELECT seq, hash, state, sha256 FROM r1_ledger.snapshot"));
    if (PQntuples(rows.get()) == 0) return std::optional<LedgerSnapshot>();
    return std::optional<LedgerSnapshot>(
        {{number_at(rows, 0, 0), text_at(rows, 0, 1)}, text_at(rows, 0, 2), text_at(rows, 0, 3)});
  }

  Result<std::string> hash_at(std::int64_t seq) override {
    R1_TRY(const Rows rows, ask("SELECT hash FROM r1_ledger.entries WHERE seq = $1", {std::to_string(seq)}));
    return PQntuples(rows.get()) == 0 ? std::string() : text_at(rows, 0, 0);
  }

  Status check() override { return {}; }  // its pages are the server's to check; the walk reads all entries

 private:
  bool is_connected() const { return is_ready_ && PQstatus(connection_.get()) == CONNECTION_OK; }

  void roll_back_if_any() {
    if (PQtransactionStatus(connection_.get()) == PQTRANS_IDLE) return;
    const Status rolled_back = run("ROLLBACK");
    if (!rolled_back.ok()) is_ready_ = false;
  }

  // Once ready, a connection that can't be made again is a matter of time: never an error of another kind.
  Status reconnect() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_try_) return Error{ErrorCode::kIo, last_problem_};
    is_ready_ = false;
    const Status connected = connect();
    if (connected.ok()) return {};
    next_try_ = std::chrono::steady_clock::now() + kReconnectPause;
    last_problem_ = connected.error().message;
    return Error{ErrorCode::kIo, last_problem_};
  }

  Error failure(std::string_view doing, const char* said = nullptr) const {
    const std::string why = one_line(said != nullptr ? said : PQerrorMessage(connection_.get()));
    return {ErrorCode::kIo, fmt::format("the ledger {}: {} failed: {}", name_, doing, why)};
  }

  Result<Rows> checked(PGresult* result, std::string_view sql) const {
    Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return rows;
    // What the server says in one line: its details may quote what was to be stored.
    Error error =
        failure(sql.substr(0, sql.find_first_of("(;\n")), PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const std::string_view code = state == nullptr ? "" : state;
    if (code.starts_with("53")) error.code = ErrorCode::kOutOfResource;  // a full disk, no memory, too many connections
    if (code == "55P03") error.message += ": another program has been writing all the while";
    return error;
  }

  Result<Rows> ask(const std::string& sql) { return checked(PQexec(connection_.get(), sql.c_str()), sql); }
  Result<Rows> ask(const std::string& sql, const std::vector<std::string>& values) {
    std::vector<const char*> texts;
    texts.reserve(values.size());
    for (const std::string& value : values) texts.push_back(value.c_str());
    return checked(PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(texts.size()), nullptr, texts.data(),
                                nullptr, nullptr, 0),
                   sql);
  }
  Status run(const std::string& sql) {
    const Result<Rows> rows = ask(sql);
    return rows.ok() ? Status() : Status(rows.error());
  }
  Status run(const std::string& sql, const std::vector<std::string>& values) {
    const Result<Rows> rows = ask(sql, values);
    return rows.ok() ? Status() : Status(rows.error());
  }

  Result<LedgerHead> head_in(const Rows& rows) const {
    if (PQntuples(rows.get()) == 1) return LedgerHead{number_at(rows, 0, 0), text_at(rows, 0, 1)};
    return Error{ErrorCode::kInvalidInput, fmt::format("the ledger {}: its table head has no row", name_)};
  }

  static std::vector<std::string> take_all(std::vector<ArrayText>& arrays) {
    std::vector<std::string> texts;
    texts.reserve(arrays.size());
    for (ArrayText& array : arrays) texts.push_back(array.take());
    return texts;
  }

  static std::string insert_entries() {
    std::vector<std::string> arrays;
    for (const std::string_view column : kEntryColumns) {
      const bool is_text =
          column == "kind" || column == "model" || column == "request" || column == "detail" || column == "hash";
      arrays.push_back(fmt::format("${}::{}[]", arrays.size() + 1, is_text ? "text" : "bigint"));
    }
    return fmt::format("INSERT INTO r1_ledger.entries ({}) SELECT * FROM unnest({})", fmt::join(kEntryColumns, ","),
                       fmt::join(arrays, ","));
  }

  Status check_server() {
    R1_TRY(const Rows rows,
           ask("SELECT current_setting('fsync'), current_setting('server_encoding'), pg_is_in_recovery()"));
    const std::string fsync = text_at(rows, 0, 0), encoding = text_at(rows, 0, 1), replica = text_at(rows, 0, 2);
    if (fsync != "on") {
      return Error{
          ErrorCode::kUnsupported,
          fmt::format("the ledger {}: the server has fsync = {}: what it acknowledges can be lost", name_, fsync)};
    }
    if (encoding != "UTF8") {
      return Error{ErrorCode::kUnsupported,
                   fmt::format("the ledger {}: the database's encoding is {}, a ledger's is UTF8", name_, encoding)};
    }
    if (replica == "f") return {};
    return Error{ErrorCode::kUnsupported,
                 fmt::format("the ledger {}: the server is a replica, which takes no writes", name_)};
  }

  Status find_or_make_schema() {
    R1_TRY(const bool is_there, has_schema());
    if (!is_there && options_.missing == MissingLedger::kRefuse) {
      return Error{ErrorCode::kNotFound,
                   fmt::format("there is no ledger in {} yet; `r1 keys create NAME` begins one", name_)};
    }
    if (!is_there) {
      Status made = make_schema();
      if (!made.ok()) roll_back_if_any();
      if (!made.ok()) return made;
    }
    R1_TRY(const Rows rows, ask("SELECT max(version) FROM r1_ledger.schema_version"));
    const std::int64_t version = number_at(rows, 0, 0);
    if (version == kPostgresSchemaVersion) return {};
    return Error{ErrorCode::kUnsupported, fmt::format("the ledger {} has schema version {}, this program knows {}",
                                                      name_, version, kPostgresSchemaVersion)};
  }

  Result<bool> has_schema() {
    R1_TRY(const Rows rows, ask("SELECT to_regclass('r1_ledger.schema_version') IS NOT NULL"));
    return text_at(rows, 0, 0) == "t";
  }

  // Two programs may open a new database at once: the second finds the first's tables.
  Status make_schema() {
    R1_TRY_STATUS(
        run(fmt::format("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({})", kWriterLock)));
    R1_TRY(const bool is_there, has_schema());
    if (!is_there) R1_TRY_STATUS(run(kPostgresSchema));
    return run("COMMIT");
  }

  // Waits a little: a server that was killed is let go of when the database notices.
  Status lock_to_serve() {
    Status locked =
        run(fmt::format("BEGIN; SET LOCAL lock_timeout = 3000; SELECT pg_advisory_lock({}); COMMIT", kServingLock));
    if (locked.ok()) return {};
    roll_back_if_any();
    R1_TRY(const Rows holder,
           ask(fmt::format("SELECT a.pid, coalesce(host(a.client_addr), 'this machine'), a.backend_start::timestamp(0) "
                           "FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND "
                           "l.granted AND l.objsubid = 1 AND l.classid::bigint = {} AND l.objid::bigint = {}",
                           kServingLock >> 32, kServingLock & 0xffffffff)));
    if (PQntuples(holder.get()) == 0) return locked;
    return Error{ErrorCode::kIo,
                 fmt::format("the ledger {} is held by another server, connected from {} since {} (backend {})", name_,
                             text_at(holder, 0, 1), text_at(holder, 0, 2), text_at(holder, 0, 0))};
  }

  const std::string url_, name_;
  const PostgresLedgerOptions options_;
  Connection connection_;
  bool is_ready_ = false;  // the connection is set up, and has its locks
  std::chrono::steady_clock::time_point next_try_;
  std::string last_problem_;
};

}  // namespace

bool is_postgres_url(std::string_view place) {
  return place.starts_with("postgresql://") || place.starts_with("postgres://");
}

Result<std::unique_ptr<Ledger>> open_postgres_ledger(const std::string& url, const PostgresLedgerOptions& options) {
  R1_TRY(const std::string name, name_of(url));
  const auto open_store = [url, name, options](LedgerRole role) -> Result<std::unique_ptr<LedgerStore>> {
    PostgresLedgerOptions own = options;
    own.role = role;
    auto store = std::make_unique<PostgresStore>(url, name, own);
    R1_TRY_STATUS(store->connect());
    return std::unique_ptr<LedgerStore>(std::move(store));
  };
  return open_stored_ledger(open_store, {.role = options.role, .snapshot_every = options.snapshot_every});
}

}  // namespace r1
