// sqlite_ledger.h: the ledger in one SQLite file; no set-up. WAL, synchronous=FULL, one writer thread that commits in
// groups.
//
// 1. The writer alone owns the connection and the state. It takes what has queued up, up to kMaxBatch changes, into one
//    transaction: one fsync pays for all of them.
// 2. Several processes may have the file open: each transaction begins by reading what others have appended. One of
// them
//    serves (Role::kServes, a lock beside the file), and opening it so voids the holds that its predecessor left open.
// 3. A batch that can't be written is rolled back whole, each of its callers gets the Error, and the state is read
//    again from the file.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "ledger/ledger.h"

namespace r1 {

enum class LedgerRole { kServes, kAdministers };

struct SqliteLedgerOptions {
  LedgerRole role = LedgerRole::kAdministers;
  std::string vfs;    // empty: SQLite's own; tests put one in between that fails
  int max_pages = 0;  // of 4 KiB; 0: what the disk holds
};

// Creates the file, readable by its owner only, when there is none.
Result<std::unique_ptr<Ledger>> open_sqlite_ledger(const std::string& path, const SqliteLedgerOptions& options = {});

}  // namespace r1
