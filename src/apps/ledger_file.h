// ledger_file.h: which ledger: ledger.db beside the model store, or what --ledger names: a file, or a PostgreSQL
// database.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "ledger/ledger.h"
#include "ledger/ledger_store.h"

namespace CLI {
class App;
}

namespace r1 {

void add_ledger_option(CLI::App& command, std::string& place);

// `place`: a file, or postgresql://…
Result<std::unique_ptr<Ledger>> open_ledger(const std::string& place);  // makes it when there is none
Result<std::unique_ptr<Ledger>> open_existing_ledger(const std::string& place, LedgerRole = LedgerRole::kAdministers);

}  // namespace r1
