// ledger_file.h: the ledger of this machine: ledger.db beside the model store, or the file that --ledger names.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "ledger/ledger.h"
#include "ledger/sqlite_ledger.h"

namespace CLI {
class App;
}

namespace r1 {

void add_ledger_option(CLI::App& command, std::string& path);

Result<std::unique_ptr<Ledger>> open_ledger(const std::string& path);  // makes it when there is none
Result<std::unique_ptr<Ledger>> open_existing_ledger(const std::string& path, LedgerRole = LedgerRole::kAdministers);

}  // namespace r1
