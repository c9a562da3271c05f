// sqlite_ledger.h: the ledger in one SQLite file; no set-up. WAL, synchronous=FULL.
//
// Several processes may have the file open; one of them serves, which a lock beside the file sees to.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "ledger/ledger.h"
#include "ledger/ledger_store.h"

namespace r1 {

struct SqliteLedgerOptions {
  LedgerRole role = LedgerRole::kAdministers;
  std::string vfs;    // empty: SQLite's own; tests put one in between that fails
  int max_pages = 0;  // of 4 KiB; 0: what the disk holds
  std::int64_t snapshot_every = kSnapshotEvery;
};

// Creates the file, readable by its owner only, when there is none.
Result<std::unique_ptr<Ledger>> open_sqlite_ledger(const std::string& path, const SqliteLedgerOptions& options = {});

}  // namespace r1
