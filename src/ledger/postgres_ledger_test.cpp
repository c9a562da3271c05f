// postgres_ledger_test.cpp: what only a server can suffer: it ends, its connections end, another one wants the ledger.
#include "ledger/postgres_ledger.h"

#include <libpq-fe.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "ledger/ledger_load_for_tests.h"
#include "ledger/postgres_cluster_for_tests.h"

namespace r1 {
namespace {

std::unique_ptr<Ledger> open_postgres(const std::string& url, LedgerRole role = LedgerRole::kAdministers) {
  auto opened = open_postgres_ledger(url, {.role = role, .snapshot_every = 200});
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  return opened.ok() ? *std::move(opened) : nullptr;
}

// Statements on a connection of the test's own. The first value of the last one's rows, or "".
class Sql {
 public:
  explicit Sql(const std::string& url) : connection_(PQconnectdb(url.c_str())) {}
  ~Sql() { PQfinish(connection_); }
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;

  std::string run(const std::string& statement) {
    PGresult* result = PQexec(connection_, statement.c_str());
    const ExecStatusType status = PQresultStatus(result);
    is_ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    const std::string value = is_ok && PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    error = PQerrorMessage(connection_);
    PQclear(result);
    return value;
  }
  void must(const std::string& statement) {
    run(statement);
    EXPECT_TRUE(is_ok) << statement << ": " << error;
  }

  bool is_ok = false;
  std::string error;

 private:
  PGconn* connection_;
};

// Ends all of the ledger's connections to the database.
void end_connections(const std::string& name) {
  Sql(PostgresCluster::instance().url_of("postgres"))
      .run(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'r1 ledger' AND datname = "
          "'" +
          name + "'");
}

std::string name_in(const std::string& url) {
  const std::size_t from = url.rfind('/', url.find('?')) + 1;
  return url.substr(from, url.find('?') - from);
}

class PostgresLedgerTest : public testing::Test {
 protected:
  void SetUp() override { PostgresCluster::instance().start(); }
  const std::string url_ = PostgresCluster::instance().new_database();
  const std::string name_ = name_in(url_);
};

TEST_F(PostgresLedgerTest, OneServesAndOthersMayAdminister) {
  auto server = open_postgres(url_, LedgerRole::kServes);
  const std::int64_t key = prepare(*server);
  const Admission running = *server->reserve({key, "r1", 1, 10, ""});
  const auto second = open_postgres_ledger(url_, {.role = LedgerRole::kServes});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("is held by another server, connected from this machine since"),
            std::string::npos)
      << second.error().message;
  {
    const auto administrator = open_postgres(url_);
    EXPECT_EQ(administrator->verify()->n_open_holds, 1) << "it doesn't void what the server holds";
    const NewKey made = administrator->create_key(1, "second", {}).value();
    EXPECT_TRUE(server->authenticate(made.secret).ok()) << "the server knows it at once";
    ASSERT_TRUE(administrator->revoke_key(key).ok());
  }
  EXPECT_EQ(server->reserve({key, "r1", 1, 10, ""})->refusal, Refusal::kKey);
  EXPECT_TRUE(server->settle(running.hold.id, {.prompt = 1, .completion = 1}).ok()) << "what runs is still settled";
  server.reset();
  server = open_postgres(url_, LedgerRole::kServes);
  EXPECT_TRUE(server->verify().ok());
}

TEST_F(PostgresLedgerTest, WritersInTurnKeepOneChain) {
  std::vector<std::unique_ptr<Ledger>> ledgers;
  for (int i = 0; i < 3; ++i) ledgers.push_back(open_postgres(url_));
  const std::int64_t account = ledgers[0]->create_account("acme", AccountKind::kPrepaid).value();
  std::vector<std::thread> threads;
  for (const auto& ledger : ledgers) {
    threads.emplace_back([&ledger, account] {
      for (int i = 0; i < 100; ++i) EXPECT_TRUE(ledger->credit(account, 1, "test").ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::int64_t balance = 0;
  ASSERT_TRUE(
      ledgers[1]->look([&](const LedgerState& state) { balance = state.accounts().at(account).balance_nanousd; }).ok());
  EXPECT_EQ(balance, 300);
  EXPECT_EQ(ledgers[2]->verify()->n_entries, 301);
}

TEST_F(PostgresLedgerTest, AConnectionThatWasLostIsMadeAgain) {
  const auto ledger = open_postgres(url_, LedgerRole::kServes);
  const std::int64_t key = prepare(*ledger);
  for (int i = 0; i < 3; ++i) {
    end_connections(name_);
    const auto admission = ledger->reserve({key, "r1", 1, 10, ""});
    ASSERT_TRUE(admission.ok()) << admission.error().message;
  }
  EXPECT_EQ(ledger->verify()->n_open_holds, 3);
}

TEST_F(PostgresLedgerTest, WithoutItsServerEveryRequestIsAnErrorAndThenItGoesOn) {
  const auto ledger = open_postgres(url_, LedgerRole::kServes);
  const std::int64_t key = prepare(*ledger);
  const Admission running = *ledger->reserve({key, "r1", 1, 10, ""});
  PostgresCluster::instance().kill_server();
  std::int64_t n_open = 0;  // as long as its connections have not noticed
  while (ledger->reserve({key, "r1", 1, 10, ""}).ok()) ++n_open;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ledger->reserve({key, "r1", 1, 10, ""}).error().code, ErrorCode::kIo);
    EXPECT_EQ(ledger->settle(running.hold.id, {.prompt = 1, .completion = 1}).error().code, ErrorCode::kIo);
    EXPECT_EQ(ledger->authenticate("sk-r1-unknown").error().code, ErrorCode::kIo) << "not: unknown";
  }
  PostgresCluster::instance().start();
  auto receipt = ledger->settle(running.hold.id, {.prompt = 1, .completion = 1});
  while (!receipt.ok() && receipt.error().code == ErrorCode::kIo)
    receipt = ledger->settle(running.hold.id, {.prompt = 1, .completion = 1});
  EXPECT_TRUE(receipt.ok()) << receipt.error().message;
  EXPECT_EQ(ledger->verify()->n_open_holds, n_open);
}

// Settles as the server does: an error that may pass is followed by another try; "not open" says that one has counted.
class Load {
 public:
  Load(Ledger& ledger, std::int64_t key, std::uint64_t seed) : ledger_(ledger), key_(key), rng_(seed, 0) {}

  void run(const std::atomic<bool>& is_over) {
    while (!is_over) {
      const auto admission = ledger_.reserve({key_, "r1", 1, 100, ""});
      if (!admission.ok()) {
        ++n_errors;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        continue;
      }
      const auto used = static_cast<std::int64_t>(rng_.below(100));
      settled[admission->hold.id] = used;
      while (!settle(admission->hold.id, used)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  std::map<std::int64_t, std::int64_t> settled;
  int n_errors = 0;

 private:
  bool settle(std::int64_t hold, std::int64_t used) {
    const auto receipt = ledger_.settle(hold, {.prompt = 1, .completion = used});
    if (receipt.ok() || receipt.error().code == ErrorCode::kNotFound) return true;
    ++n_errors;
    return false;
  }

  Ledger& ledger_;
  const std::int64_t key_;
  Rng rng_;
};

// One of the ledger's backends ends without a word; the server then ends all others, and recovers.
void kill_backend(const std::string& name) {
  const std::string pid = Sql(PostgresCluster::instance().url_of("postgres"))
                              .run(
                                  "SELECT max(pid) FROM pg_stat_activity WHERE application_name = 'r1 ledger' AND "
                                  "datname = '" +
                                  name + "'");
  if (!pid.empty()) ::kill(std::atoi(pid.c_str()), SIGKILL);
}

// R1_LEDGER_KILLS=1000 for more, in turn: connections are ended, a backend is killed, the server is killed and started.
TEST_F(PostgresLedgerTest, KillsUnderLoadLoseNothingAndDoubleNothing) {
  const char* wanted = std::getenv("R1_LEDGER_KILLS");
  const int n_kills = wanted == nullptr ? 20 : std::atoi(wanted);
  const auto ledger = open_postgres(url_, LedgerRole::kServes);
  const std::int64_t key = prepare(*ledger);
  std::atomic<bool> is_over = false;
  std::vector<std::unique_ptr<Load>> loads;
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 8; ++i) {
    loads.push_back(std::make_unique<Load>(*ledger, key, i));
    threads.emplace_back([&load = *loads.back(), &is_over] { load.run(is_over); });
  }
  Rng rng(17, 0);
  for (int kill = 0; kill < n_kills; ++kill) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + rng.below(60)));
    if (kill % 5 < 3) end_connections(name_);
    if (kill % 5 == 3) kill_backend(name_);
    if (kill % 5 != 4) continue;
    PostgresCluster::instance().kill_server();
    std::this_thread::sleep_for(std::chrono::milliseconds(rng.below(100)));
    PostgresCluster::instance().start();
  }
  is_over = true;
  for (std::thread& thread : threads) thread.join();

  ASSERT_TRUE(ledger->look([](const LedgerState&) {}).ok()) << "and voids what was reserved for nobody";
  const auto settled = settlements_in(*ledger);
  std::int64_t spent = 0;
  std::size_t n_settled = 0;
  int n_errors = 0;
  for (const auto& load : loads) {
    n_errors += load->n_errors;
    n_settled += load->settled.size();
    for (const auto& [hold, used] : load->settled) {
      const auto found = settled.find(hold);
      ASSERT_TRUE(found != settled.end()) << "hold " << hold << " was settled and is lost";
      ASSERT_EQ(found->second, std::vector{used}) << "hold " << hold;
      spent += 550 + used * 2190;
    }
  }
  EXPECT_EQ(settled.size(), n_settled) << "nobody else settles";
  ASSERT_TRUE(ledger
                  ->look([&](const LedgerState& state) {
                    EXPECT_EQ(state.accounts().begin()->second.balance_nanousd, 1'000'000'000'000 - spent);
                    EXPECT_EQ(state.open_holds().size(), 0U);
                  })
                  .ok());
  const auto report = ledger->verify();
  EXPECT_TRUE(report.ok()) << report.error().message;
  EXPECT_GT(n_errors, 0) << "the kills were noticed";
  EXPECT_GT(n_settled, 100U);
}

// A commit that waits for a replica which never answers: it counts on this server, but nobody has said so.
class PostgresLedgerUnknown : public PostgresLedgerTest {
 protected:
  void SetUp() override {
    PostgresLedgerTest::SetUp();
    ledger_ = open_postgres(url_, LedgerRole::kServes);
    key_ = prepare(*ledger_);
    admin_.must("SET synchronous_commit = local");  // its own commits don't wait
    admin_.must("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    admin_.must("SELECT pg_reload_conf()");
    commit_until_one_waits();
  }
  void TearDown() override {
    admin_.must("ALTER SYSTEM RESET synchronous_standby_names");
    admin_.must("SELECT pg_reload_conf()");
  }
  void wait_until(const std::string& question) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (admin_.run(question) != "t") {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << question << ": " << admin_.error;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  // Commits wait once the server's checkpointer has read the setting, whatever other connections see of it.
  void commit_until_one_waits() {
    std::atomic<bool> waits = false;
    const auto commits = std::async(std::launch::async, [&] {
      Sql sql(PostgresCluster::instance().url_of("postgres") + "&application_name=commits");
      while (!waits) sql.must("SELECT pg_logical_emit_message(true, 'r1', 'to be stored')");
    });
    const std::string waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'commits'";
    wait_until("SELECT count(*) = 1 " + waiting);
    waits = true;
    admin_.must("SELECT pg_cancel_backend(pid) " + waiting);
  }
  std::future<Result<Admission>> reserve_until_it_waits() {
    auto admission = std::async(std::launch::async, [this] { return ledger_->reserve({key_, "r1", 1, 10, ""}); });
    wait_until(
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'r1 ledger' AND "
        "datname = '" +
        name_ + "'");
    return admission;
  }

  Sql admin_{PostgresCluster::instance().url_of("postgres")};
  std::unique_ptr<Ledger> ledger_;
  std::int64_t key_ = 0;
};

TEST_F(PostgresLedgerUnknown, ACommitThatHasCountedIsFoundAndAnswered) {
  auto waiting = reserve_until_it_waits();
  end_connections(name_);
  const auto admission = waiting.get();
  ASSERT_TRUE(admission.ok()) << admission.error().message;
  EXPECT_EQ(ledger_->verify()->n_open_holds, 1) << "once";
}

TEST_F(PostgresLedgerUnknown, AReservationThatCouldNotBeAnsweredIsVoidedOnceItIsFound) {
  auto waiting = reserve_until_it_waits();
  admin_.must("ALTER DATABASE " + name_ + " ALLOW_CONNECTIONS false");
  end_connections(name_);
  const auto admission = waiting.get();
  ASSERT_FALSE(admission.ok());
  EXPECT_EQ(admission.error().code, ErrorCode::kIo);
  EXPECT_NE(admission.error().message.find("it is not known whether this was stored"), std::string::npos)
      << admission.error().message;
  TearDown();  // commits pass again
  admin_.must("ALTER DATABASE " + name_ + " ALLOW_CONNECTIONS true");
  auto next = ledger_->reserve({key_, "r1", 1, 10, ""});
  while (!next.ok()) next = ledger_->reserve({key_, "r1", 1, 10, ""});
  std::vector<std::string> ends;
  ASSERT_TRUE(ledger_
                  ->read([&](const Entry& entry) -> Status {
                    if (entry.kind == EntryKind::kReserve) ends.emplace_back("reserve");
                    if (entry.kind == EntryKind::kVoid) ends.push_back(entry.detail.substr(0, 12));
                    return {};
                  })
                  .ok());
  EXPECT_EQ(ends, (std::vector<std::string>{"reserve", "not answered", "reserve"}));
  EXPECT_EQ(ledger_->verify()->n_open_holds, 1);
}

TEST_F(PostgresLedgerTest, EntriesAreOnlyAppendedAndVerifyFindsWhatWasChanged) {
  const auto ledger = open_postgres(url_);
  const std::int64_t key = prepare(*ledger);
  ASSERT_TRUE(ledger->settle(ledger->reserve({key, "r1", 5, 100, "a"})->hold.id, {.prompt = 5, .completion = 9}).ok());
  Sql sql(url_);
  for (const char* change :
       {"UPDATE r1_ledger.entries SET model = 'x'", "DELETE FROM r1_ledger.entries", "TRUNCATE r1_ledger.entries"}) {
    sql.run(change);
    EXPECT_NE(sql.error.find("entries are only appended"), std::string::npos) << change << ": " << sql.error;
  }
  const auto is_found = [&](const std::string& change) {
    sql.must("BEGIN");
    sql.must(
        "CREATE TABLE saved AS TABLE r1_ledger.entries; CREATE TABLE saved_balances AS TABLE r1_ledger.balances; "
        "CREATE TABLE saved_head AS TABLE r1_ledger.head");
    sql.must("COMMIT; ALTER TABLE r1_ledger.entries DISABLE TRIGGER USER; " + change);
    const bool found = !ledger->verify().ok();
    for (const std::string table : {"entries", "balances", "head"}) {
      const std::string saved = table == "entries" ? "saved" : "saved_" + table;
      sql.must("DELETE FROM r1_ledger." + table + "; INSERT INTO r1_ledger." + table + " SELECT * FROM " + saved +
               "; DROP TABLE " + saved);
    }
    EXPECT_TRUE(ledger->verify().ok()) << "put back after " << change;
    return found;
  };
  for (const std::string_view column : kEntryColumns) {
    const std::string name(column);
    const bool is_text = name == "kind" || name == "model" || name == "request" || name == "detail" || name == "hash";
    EXPECT_TRUE(is_found("UPDATE r1_ledger.entries SET " + name + " = " + name + (is_text ? " || 'x'" : " + 100") +
                         " WHERE seq = 4"))
        << name;
  }
  EXPECT_TRUE(is_found("DELETE FROM r1_ledger.entries WHERE seq = 5"));
  EXPECT_TRUE(is_found("UPDATE r1_ledger.balances SET balance_nanousd = balance_nanousd + 1"));
  EXPECT_TRUE(is_found("UPDATE r1_ledger.head SET seq = 4"));
}

// Its tables are made, and would be changed, in one transaction. Here its connection ends with each statement of it in
// turn, by the hand of a trigger that counts them (a sequence is no part of a transaction).
TEST_F(PostgresLedgerTest, TablesThatWereBeingMadeWhenTheConnectionEndedAreMadeByTheNextProgram) {
  Sql sql(url_);
  sql.must("SET client_min_messages = warning; CREATE SEQUENCE public.n_commands");
  int n = 0;
  for (bool ended = true; ended && !HasFailure(); n += ended ? 1 : 0) {
    sql.must("DROP SCHEMA IF EXISTS r1_ledger CASCADE; ALTER SEQUENCE public.n_commands RESTART");
    sql.must(
        "CREATE OR REPLACE FUNCTION public.die() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('public.n_commands') = " +
        std::to_string(n + 1) +
        " THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); END IF; END $$; "
        "CREATE EVENT TRIGGER dies ON ddl_command_end EXECUTE FUNCTION public.die()");
    const auto opened = open_postgres_ledger(url_, {});
    ended = !opened.ok();
    if (ended) {
      EXPECT_EQ(opened.error().code, ErrorCode::kIo) << opened.error().message;
    }
    EXPECT_EQ(sql.run("SELECT to_regnamespace('r1_ledger') IS NULL"), ended ? "t" : "f") << "all of it, or nothing";
    sql.must("DROP EVENT TRIGGER dies");
    const auto ledger = open_postgres(url_);
    ASSERT_TRUE(ledger) << "ended at command " << n;
    prepare(*ledger);
    const auto report = ledger->verify();
    ASSERT_TRUE(report.ok()) << "ended at command " << n << ": " << report.error().message;
  }
  EXPECT_GE(n, 8) << "a schema, its tables, a function and two triggers";
}

TEST_F(PostgresLedgerTest, RefusesWhatItCantBeIn) {
  const auto error_of = [](const std::string& url, MissingLedger missing = MissingLedger::kCreate) {
    const auto opened = open_postgres_ledger(url, {.missing = missing});
    return opened.ok() ? Error{ErrorCode::kInternal, "opened"} : opened.error();
  };
  const Error none = error_of(url_, MissingLedger::kRefuse);
  EXPECT_EQ(none.code, ErrorCode::kNotFound);
  EXPECT_NE(none.message.find("/" + name_ + " yet"), std::string::npos) << none.message;
  const Error no_database = error_of(PostgresCluster::instance().url_of("nowhere"));
  EXPECT_NE(no_database.message.find("\"nowhere\" does not exist"), std::string::npos) << no_database.message;
  for (const std::string url : {"postgresql://me:secret@localhost:1/db", "postgresql://me:secret@[oops/db?x=y"}) {
    EXPECT_EQ(error_of(url).message.find("secret"), std::string::npos) << error_of(url).message;
    EXPECT_EQ(error_of(url).message.find('\n'), std::string::npos);
  }
  Sql sql(PostgresCluster::instance().url_of("postgres"));
  sql.must("CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0");
  EXPECT_EQ(error_of(PostgresCluster::instance().url_of("ascii")).code, ErrorCode::kUnsupported);
  open_postgres(url_).reset();
  Sql(url_).must("INSERT INTO r1_ledger.schema_version VALUES (2)");
  EXPECT_EQ(error_of(url_).code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace r1
