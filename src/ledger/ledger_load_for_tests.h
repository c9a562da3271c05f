// ledger_load_for_tests.h: a ledger to begin with, and what became of it, for tests that break something meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "ledger/ledger.h"

namespace r1 {

// An account with a key and much money.
inline std::int64_t prepare(Ledger& ledger) {
  const std::int64_t account = ledger.create_account("acme", AccountKind::kPrepaid).value();
  EXPECT_TRUE(ledger.credit(account, 1'000'000'000'000, "test").ok());
  return ledger.create_key(account, "laptop", {}).value().id;
}

// How often each hold was settled, and with what.
inline std::map<std::int64_t, std::vector<std::int64_t>> settlements_in(Ledger& ledger) {
  std::map<std::int64_t, std::vector<std::int64_t>> settled;
  EXPECT_TRUE(ledger
                  .read([&](const Entry& entry) -> Status {
                    if (entry.kind == EntryKind::kSettle) settled[entry.hold_id].push_back(entry.tokens.completion);
                    return {};
                  })
                  .ok());
  return settled;
}

}  // namespace r1
