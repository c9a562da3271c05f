// ledger_file.cpp: where the ledger is, and a clear word when it isn't there.
#include "apps/ledger_file.h"

#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "apps/store.h"
#include "base/file.h"
#include "ledger/postgres_ledger.h"
#include "ledger/sqlite_ledger.h"

namespace r1 {
namespace {

Result<std::string> place_of(const std::string& path) {
  if (!path.empty()) return path;
  R1_TRY(const Store store, Store::of_environment());
  return store.home() + "/ledger.db";
}

}  // namespace

void add_ledger_option(CLI::App& command, std::string& place) {
  command.add_option("--ledger", place,
                     "the ledger: a file (default: ledger.db beside the model store), or postgresql://HOST/DATABASE");
}

Result<std::unique_ptr<Ledger>> open_ledger(const std::string& place) {
  if (is_postgres_url(place)) return open_postgres_ledger(place);
  R1_TRY(const std::string file, place_of(place));
  if (place.empty()) {
    std::error_code failed;  // a folder that can't be made is reported by opening the file
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), failed);
  }
  return open_sqlite_ledger(file);
}

Result<std::unique_ptr<Ledger>> open_existing_ledger(const std::string& place, LedgerRole role) {
  if (is_postgres_url(place)) return open_postgres_ledger(place, {.role = role, .missing = MissingLedger::kRefuse});
  R1_TRY(const std::string file, place_of(place));
  std::error_code failed;
  if (const auto size = std::filesystem::file_size(file, failed); !failed && size == 0) {
    // SQLite would begin a new one in it, which then verifies.
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("the ledger {} is empty: a ledger has its tables at least", file)};
  }
  if (file_exists(file)) return open_sqlite_ledger(file, {.role = role});
  return Error{ErrorCode::kNotFound, fmt::format("there is no ledger {} yet; `r1 keys create NAME` begins one", file)};
}

}  // namespace r1
