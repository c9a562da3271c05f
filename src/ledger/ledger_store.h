// ledger_store.h: what a database must do to be the home of a ledger. Everything else, StoredLedger does above it.
//
// 1. A store is a connection, used by one thread. Messages of its errors name the database, without a password.
// 2. Within a transaction of begin_writing nobody else writes, and it ends with all of its writes durable, or none.
// 3. Errors after opening are of kind kIo or kOutOfResource, or kInvalidInput where what is stored is wrong.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/function_ref.h"
#include "base/result.h"
#include "ledger/entry.h"
#include "ledger/ledger_state.h"

namespace r1 {

// One program at a time serves with a ledger; others may administer it meanwhile.
enum class LedgerRole { kServes, kAdministers };

inline constexpr std::int64_t kSnapshotEvery = 20'000;  // entries

struct CommitOutcome {
  Status status;
  bool is_known = true;  // false: the error leaves open whether what was written is kept; hash_at() tells, later
};

class LedgerStore {
 public:
  virtual ~LedgerStore() = default;

  virtual Result<LedgerHead> begin_writing() = 0;  // connects again if the connection was lost
  virtual Status begin_reading() = 0;              // what is read until roll_back() is of one moment
  virtual CommitOutcome commit() = 0;
  virtual void roll_back() = 0;  // ends any transaction; does nothing when there is none

  // In a transaction. Of write(), the last entry becomes the head.
  virtual Status write(std::span<const Entry> entries, std::span<const StoredBalance> balances) = 0;
  virtual Status store_snapshot(const LedgerSnapshot& snapshot) = 0;  // in place of an older one
  virtual Status each_entry_after(std::int64_t seq, FunctionRef<Status(const Entry&)> each) = 0;
  virtual Result<StoredSums> sums() = 0;
  virtual Result<std::optional<LedgerSnapshot>> snapshot() = 0;
  virtual Result<std::string> hash_at(std::int64_t seq) = 0;  // empty: there is no such entry

  virtual Status check() = 0;  // the store's own check of its bytes
};

using OpenLedgerStore = std::function<Result<std::unique_ptr<LedgerStore>>(LedgerRole)>;

}  // namespace r1
