// stored_ledger.h: a ledger in a database: one writer thread that commits in groups. Which database, a LedgerStore
// says.
//
// 1. The writer alone owns the store and the state. It takes what has queued up, up to kMaxBatch changes, into one
//    transaction: one commit pays for all of them.
// 2. Several programs may have the ledger open: each transaction begins by reading what others have appended. One of
//    them serves, and opening it so voids the holds that its predecessor left open.
// 3. A batch that can't be written is rolled back whole, each of its callers gets the Error, and the state is read
//    again. Where it can't be known whether a commit has counted, the head is read back until that is known, for
//    kResolveMs at most; then the callers get an Error, and reservations that turn out to be kept are voided.
// 4. Every so many entries the state is stored beside them: opening begins there. A snapshot that is damaged, or isn't
//    of this ledger, is not used, and a warning says so.
#pragma once

#include <memory>

#include "base/result.h"
#include "ledger/ledger.h"
#include "ledger/ledger_store.h"

namespace r1 {

struct StoredLedgerOptions {
  LedgerRole role = LedgerRole::kAdministers;
  std::int64_t snapshot_every = kSnapshotEvery;  // entries, and no fewer than the state has parts
};

Result<std::unique_ptr<Ledger>> open_stored_ledger(OpenLedgerStore open_store, const StoredLedgerOptions& options);

}  // namespace r1
