// ledger_crash_test.cpp: `kill -9` of a program that settles: nothing that was acknowledged is lost, nothing doubled.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>

#include "base/rng.h"
#include "base/temp_folder_for_tests.h"
#include "ledger/ledger_load_for_tests.h"
#include "ledger/postgres_cluster_for_tests.h"
#include "ledger/postgres_ledger.h"
#include "ledger/sqlite_ledger.h"

namespace r1 {
namespace {

// With snapshots so often that many a kill comes while one is stored.
constexpr std::int64_t kSnapshotOften = 100;

Result<std::unique_ptr<Ledger>> open(const std::string& place, LedgerRole role) {
  if (is_postgres_url(place)) return open_postgres_ledger(place, {.role = role, .snapshot_every = kSnapshotOften});
  return open_sqlite_ledger(place, {.role = role, .snapshot_every = kSnapshotOften});
}

std::unique_ptr<Ledger> open_or_fail(const std::string& place, LedgerRole role = LedgerRole::kAdministers) {
  auto opened = open(place, role);
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  return opened.ok() ? *std::move(opened) : nullptr;
}

struct Acknowledged {
  std::int64_t hold_id, completion_tokens;
};

// Settles until it is killed; writes what was acknowledged into the pipe.
[[noreturn]] void settle_forever(const std::string& place, std::int64_t key, int pipe) {
  auto opened = open(place, LedgerRole::kServes);
  for (int i = 0; i < 5 && !opened.ok(); ++i) opened = open(place, LedgerRole::kServes);  // on a machine that is slow
  if (!opened.ok()) ::_exit(1);
  Ledger& ledger = **opened;
  for (std::int64_t i = 0;; ++i) {
    for (int parallel = 0; parallel < 8; ++parallel) {
      ledger.reserve({key, "r1", 1, 100, ""}, [&ledger, pipe, i](const Result<Admission>& admission) {
        if (!admission.ok()) ::_exit(2);
        const Acknowledged done{admission->hold.id, i % 100};
        ledger.settle(done.hold_id, {.prompt = 1, .completion = done.completion_tokens},
                      [pipe, done](const Result<Receipt>& receipt) {
                        if (!receipt.ok() || ::write(pipe, &done, sizeof done) != sizeof done) ::_exit(3);
                      });
      });
    }
    if (!ledger.look([](const LedgerState&) {}).ok()) ::_exit(4);
  }
}

void kill_and_compare(const std::string& place, int n_kills, std::uint64_t seed) {
  const std::int64_t key = prepare(*open_or_fail(place));
  std::vector<Acknowledged> acknowledged;
  Rng rng(seed, 0);
  std::int64_t n_abandoned = 0;
  for (int kill = 0; kill < n_kills; ++kill) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) settle_forever(place, key, ends[1]);
    ::close(ends[1]);
    Acknowledged one{};
    // Killed at some moment after a random number of acknowledgements; what is in the pipe by then counts as well.
    for (std::uint64_t left = 1 + rng.below(40); left > 0 && ::read(ends[0], &one, sizeof one) == sizeof one; --left) {
      acknowledged.push_back(one);
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
    while (::read(ends[0], &one, sizeof one) == sizeof one) acknowledged.push_back(one);
    ::close(ends[0]);
    const auto ledger = open_or_fail(place);
    ASSERT_TRUE(ledger->look([&](const LedgerState& state) { n_abandoned += std::ssize(state.open_holds()); }).ok());
    const auto report = ledger->verify();
    ASSERT_TRUE(report.ok()) << "after kill " << kill << ": " << report.error().message;
  }
  const auto ledger = open_or_fail(place, LedgerRole::kServes);
  const auto settled = settlements_in(*ledger);
  for (const Acknowledged& one : acknowledged) {
    const auto found = settled.find(one.hold_id);
    ASSERT_TRUE(found != settled.end()) << "hold " << one.hold_id << " was acknowledged and is lost";
    ASSERT_EQ(found->second, std::vector{one.completion_tokens});
  }
  for (const auto& [hold, times] : settled) ASSERT_EQ(times.size(), 1U) << "hold " << hold;
  EXPECT_TRUE(n_kills < 10 || ledger->verify()->snapshot_seq > 0);
  EXPECT_EQ(ledger->verify()->n_open_holds, 0);  // opening it to serve has voided what was left
  std::int64_t n_voids = 0;
  ASSERT_TRUE(ledger
                  ->read([&](const Entry& entry) -> Status {
                    n_voids += entry.kind == EntryKind::kVoid && entry.detail.starts_with("abandoned") ? 1 : 0;
                    return {};
                  })
                  .ok());
  EXPECT_EQ(n_voids, n_abandoned);
  EXPECT_GE(std::ssize(acknowledged), n_kills);
}

class LedgerCrash : public testing::TestWithParam<const char*> {};

// R1_LEDGER_KILLS=1000 for the whole of it; a new ledger every 20, as verify reads all of it.
TEST_P(LedgerCrash, KillLosesNothingThatWasAcknowledgedAndDoublesNothing) {
  constexpr int kKillsOfOne = 20;
  const char* wanted = std::getenv("R1_LEDGER_KILLS");
  const int n_kills = wanted == nullptr ? 12 : std::atoi(wanted);
  for (int done = 0; done < n_kills && !HasFatalFailure(); done += kKillsOfOne) {
    const TempFolder folder;
    const bool in_file = GetParam() == std::string("Sqlite");
    const std::string place = in_file ? folder.path_of("ledger.db") : PostgresCluster::instance().new_database();
    kill_and_compare(place, std::min(kKillsOfOne, n_kills - done), static_cast<std::uint64_t>(done));
  }
}

std::string name_of_store(const testing::TestParamInfo<const char*>& home) { return home.param; }

INSTANTIATE_TEST_SUITE_P(Homes, LedgerCrash, testing::Values("Sqlite", "Postgres"), name_of_store);

}  // namespace
}  // namespace r1
