// postgres_ledger.h: the ledger in a PostgreSQL database, for those who have one already. Its tables are in a schema of
// their own, r1_ledger.
//
// 1. An advisory lock of the database lets one program write at a time; another is held by the one that serves, as long
//    as it is connected.
// 2. A connection that is lost is made again by the next batch. Of a commit that was under way when it was lost, the
//    writer asks whether it has counted, once the server has ended what it was doing.
// 3. synchronous_commit is on at least; a server that runs with fsync off is refused.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ledger/ledger.h"
#include "ledger/ledger_store.h"

namespace r1 {

enum class MissingLedger { kCreate, kRefuse };  // refuse: an Error of kind kNotFound

struct PostgresLedgerOptions {
  LedgerRole role = LedgerRole::kAdministers;
  MissingLedger missing = MissingLedger::kCreate;
  std::int64_t snapshot_every = kSnapshotEvery;
};

bool is_postgres_url(std::string_view place);  // postgresql://… or postgres://…

// What libpq understands: postgresql://user@host:5432/database, or postgresql:///database?host=/run/postgresql.
Result<std::unique_ptr<Ledger>> open_postgres_ledger(const std::string& url, const PostgresLedgerOptions& options = {});

}  // namespace r1
