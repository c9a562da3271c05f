// stored_ledger.cpp: the writer thread: batches, commits whose outcome is unknown, and snapshots.
#include "ledger/stored_ledger.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/bounded_queue.h"
#include "base/log.h"

namespace r1 {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kQueueCapacity = 65'536, kMaxBatch = 1024;
constexpr std::int64_t kMaxSnapshotBytes = std::int64_t{256} << 20;
constexpr std::chrono::milliseconds kResolveFor{3000}, kResolvePause{50};
constexpr const char* kUnanswered =
    "not answered: when it was reserved, the ledger could not tell in time whether it had counted";

std::int64_t now_unix_ms() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
}

// Of a batch that failed: whatever the reason, its callers may come again.
Error batch_error(Error error) {
  if (error.code != ErrorCode::kOutOfResource) error.code = ErrorCode::kIo;
  return error;
}

// The database could not be asked: that says nothing of what is in it.
bool is_of_store(const Error& error) { return error.code == ErrorCode::kIo || error.code == ErrorCode::kOutOfResource; }

StoredBalance balance_of(const Account& account) { return {account.id, account.balance_nanousd, account.held_nanousd}; }

Status check_balances(const LedgerState& state, const std::vector<StoredBalance>& stored) {
  bool is_same = stored.size() == state.accounts().size();
  for (const StoredBalance& balance : stored) {
    const auto account = state.accounts().find(balance.account_id);
    is_same = is_same && account != state.accounts().end() &&
              account->second.balance_nanousd == balance.balance_nanousd &&
              account->second.held_nanousd == balance.held_nanousd;
  }
  if (is_same) return {};
  return Error{ErrorCode::kInvalidInput, "the balances that come of it are not those that are stored"};
}

class StoredLedger final : public Ledger {
 public:
  StoredLedger(OpenLedgerStore open_store, StoredLedgerOptions options)
      : open_store_(std::move(open_store)), options_(options) {}
  StoredLedger(const StoredLedger&) = delete;
  StoredLedger& operator=(const StoredLedger&) = delete;

  ~StoredLedger() override {
    queue_.close();
    if (writer_.joinable()) writer_.join();
  }

  Status start() {
    R1_TRY(store_, open_store_(options_.role));
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
    R1_TRY(const auto reader, open_store_(LedgerRole::kAdministers));
    R1_TRY_STATUS(reader->begin_reading());
    R1_TRY_STATUS(reader->each_entry_after(0, each));
    return reader->sums();
  }

  Result<std::optional<LedgerSnapshot>> read_snapshot() override {
    R1_TRY(const auto reader, open_store_(LedgerRole::kAdministers));
    R1_TRY_STATUS(reader->begin_reading());
    return reader->snapshot();
  }

  Status check_storage() override {
    R1_TRY(const auto reader, open_store_(LedgerRole::kAdministers));
    return reader->check();
  }

 private:
  struct Item {
    Change change;
    Done done;
  };
  using Outcome = Result<std::optional<Entry>>;

  // What a batch appends.
  struct Written {
    std::vector<Entry> entries;
    std::vector<Outcome> outcomes;  // of its items
  };
  enum class Fate { kCommitted, kFailed, kUnknown };

  void write_until_closed() {
    while (std::optional<Item> first = queue_.pop()) {
      std::vector<Item> batch;
      batch.push_back(*std::move(first));
      while (batch.size() < kMaxBatch) {
        std::optional<Item> next = queue_.try_pop();
        if (!next) break;
        batch.push_back(*std::move(next));
      }
      carry_out(batch);
    }
  }

  void carry_out(const std::vector<Item>& batch) {
    Written written;
    Status status;
    const Fate fate = commit(batch, written, status);
    if (fate != Fate::kCommitted) status = batch_error(status.error());
    for (std::size_t i = 0; i < batch.size(); ++i)
      batch[i].done(fate == Fate::kCommitted ? written.outcomes[i] : Outcome(status.error()));
    if (fate == Fate::kUnknown) remember_unanswered(written.entries);
    if (fate != Fate::kCommitted) return;
    unanswered_.clear();  // what was kept of them is voided with this batch
    store_snapshot_when_due();
  }

  Fate commit(const std::vector<Item>& batch, Written& written, Status& status) {
    status = write(batch, written);
    CommitOutcome outcome{status};
    if (status.ok()) outcome = store_->commit();
    status = outcome.status;
    if (status.ok()) return Fate::kCommitted;
    store_->roll_back();
    const LedgerHead reached{state_.n_entries(), state_.head()};
    state_ = {};  // read again by the next batch
    if (outcome.is_known || written.entries.empty()) return Fate::kFailed;
    return find_out(reached, status);
  }

  Status write(const std::vector<Item>& batch, Written& written) {
    R1_TRY(const LedgerHead head, store_->begin_writing());
    R1_TRY_STATUS(catch_up(head));
    R1_TRY_STATUS(void_unanswered(written.entries));
    const std::int64_t now = now_unix_ms();
    for (const Item& item : batch) {
      written.outcomes.push_back(apply(item.change, now));
      const Outcome& outcome = written.outcomes.back();
      if (outcome.ok() && outcome.value()) written.entries.push_back(**outcome);
    }
    if (written.entries.empty()) return {};
    std::set<std::int64_t> touched;
    for (const Entry& entry : written.entries)
      touched.insert(entry.kind == EntryKind::kAccount ? entry.seq : entry.account_id);
    std::vector<StoredBalance> balances;
    for (const std::int64_t id : touched) {
      const auto account = state_.accounts().find(id);  // 0: a price, a limit
      if (account != state_.accounts().end()) balances.push_back(balance_of(account->second));
    }
    return store_->write(written.entries, balances);
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

  // Reads what others have appended; at first, what is new since the snapshot, or everything.
  Status catch_up(const LedgerHead& head) {
    if (LedgerHead{state_.n_entries(), state_.head()} == head) return {};
    if (state_.n_entries() >= head.seq) state_ = {};  // the database was put back to an earlier time
    if (state_.n_entries() > 0) return read_until(head);
    snapshot_seq_ = 0;
    R1_TRY(const std::optional<LedgerSnapshot> snapshot, store_->snapshot());
    if (!snapshot) return read_until(head);
    Status begun = begin_from(*snapshot, head);
    if (begun.ok() || is_of_store(begun.error())) return begun;
    log_warning(fmt::format("the ledger's snapshot is not used, all entries are read: {}", begun.error().message));
    state_ = {};
    return read_until(head);
  }

  Status begin_from(const LedgerSnapshot& snapshot, const LedgerHead& head) {
    R1_TRY(const std::string hash, store_->hash_at(snapshot.at.seq));
    if (hash != snapshot.at.hash) {
      return Error{ErrorCode::kInvalidInput, fmt::format("it stands at an entry {} with hash {}, the ledger's has '{}'",
                                                         snapshot.at.seq, snapshot.at.hash, hash)};
    }
    R1_TRY(state_, restore(snapshot));
    R1_TRY_STATUS(read_until(head));
    R1_TRY(const StoredSums sums, store_->sums());
    R1_TRY_STATUS(check_balances(state_, sums.balances));
    snapshot_seq_ = snapshot.at.seq;
    return {};
  }

  Status read_until(const LedgerHead& head) {
    R1_TRY_STATUS(store_->each_entry_after(state_.n_entries(), [&](const Entry& entry) -> Status {
      R1_TRY_STATUS(state_.follows(entry));
      return state_.apply(entry);
    }));
    if (LedgerHead{state_.n_entries(), state_.head()} == head) return {};
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("the ledger's last entry was {} with hash {}, but now it is {} with hash {}", head.seq,
                             head.hash, state_.n_entries(), state_.head())};
  }

  // A commit failed in a way that leaves open whether it has counted. Its last entry's hash names all of it.
  Fate find_out(const LedgerHead& reached, Status& status) {
    const auto give_up = Clock::now() + kResolveFor;
    do {
      const Result<std::string> hash = ask_hash_at(reached.seq);
      if (hash.ok() && *hash == reached.hash) return Fate::kCommitted;
      if (hash.ok()) return Fate::kFailed;
      std::this_thread::sleep_for(kResolvePause);
    } while (Clock::now() < give_up);
    status = with_context(status.error(),
                          "it is not known whether this was stored, look before you repeat it: the ledger could not "
                          "be read after its commit failed");
    return Fate::kUnknown;
  }

  Result<std::string> ask_hash_at(std::int64_t seq) {
    // As a writer: whoever was committing has ended by then.
    const Result<LedgerHead> head = store_->begin_writing();
    Result<std::string> hash = head.ok() ? store_->hash_at(seq) : Result<std::string>(head.error());
    store_->roll_back();
    return hash;
  }

  // Reservations that nobody knows of, if they are kept.
  struct Unanswered {
    LedgerHead batch;
    std::vector<std::int64_t> holds;
  };
  void remember_unanswered(const std::vector<Entry>& entries) {
    Unanswered one{{entries.back().seq, entries.back().hash}, {}};
    for (const Entry& entry : entries) {
      if (entry.kind == EntryKind::kReserve) one.holds.push_back(entry.seq);
    }
    if (!one.holds.empty()) unanswered_.push_back(std::move(one));
  }

  // As part of the batch that follows.
  Status void_unanswered(std::vector<Entry>& entries) {
    for (const Unanswered& one : unanswered_) {
      R1_TRY(const std::string hash, store_->hash_at(one.batch.seq));
      if (hash != one.batch.hash) continue;
      for (const std::int64_t hold : one.holds) {
        if (!state_.open_holds().contains(hold)) continue;
        const auto voiding = [&](const LedgerState& state, std::int64_t) -> Outcome {
          R1_TRY(Entry entry, voidance(state, hold, kUnanswered));
          return std::optional<Entry>(std::move(entry));
        };
        R1_TRY(std::optional<Entry> entry, apply(voiding, now_unix_ms()));
        entries.push_back(*std::move(entry));
      }
    }
    return {};
  }

  // After a commit, in a transaction of its own: its failure is nobody's.
  void store_snapshot_when_due() {
    if (state_.n_entries() - snapshot_seq_ < std::max(options_.snapshot_every, state_.n_parts())) return;
    const LedgerSnapshot snapshot = snapshot_of(state_);
    snapshot_seq_ = state_.n_entries();
    if (std::ssize(snapshot.state) > kMaxSnapshotBytes) return;
    const Status stored = [&]() -> Status {
      R1_TRY([[maybe_unused]] const LedgerHead head, store_->begin_writing());
      R1_TRY_STATUS(store_->store_snapshot(snapshot));
      return store_->commit().status;
    }();
    if (stored.ok()) return;
    store_->roll_back();
    log_warning(fmt::format("a snapshot of the ledger could not be stored: {}", stored.error().message));
  }

  const OpenLedgerStore open_store_;
  const StoredLedgerOptions options_;
  std::unique_ptr<LedgerStore> store_;  // of the writer, once it runs, and so the rest
  LedgerState state_;
  std::int64_t snapshot_seq_ = 0;
  std::vector<Unanswered> unanswered_;
  BoundedQueue<Item> queue_{kQueueCapacity};
  std::thread writer_;
};

}  // namespace

Result<std::unique_ptr<Ledger>> open_stored_ledger(OpenLedgerStore open_store, const StoredLedgerOptions& options) {
  auto ledger = std::make_unique<StoredLedger>(std::move(open_store), options);
  R1_TRY_STATUS(ledger->start());
  return std::unique_ptr<Ledger>(std::move(ledger));
}

}  // namespace r1
