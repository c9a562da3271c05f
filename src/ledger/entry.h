// entry.h: one line of the ledger. Entries are only appended; each holds the hash of itself and all before it.
//
// 1. `seq` counts from 1 without gaps. An account, a key and a hold are named by the seq of the entry that made them.
// 2. hash = SHA-256(hash of the entry before + every field as "LENGTH:text,"), so no two entries have the same text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ledger/prices.h"

namespace r1 {

enum class EntryKind { kAccount, kKey, kLimit, kRevoke, kPrice, kCredit, kReserve, kSettle, kVoid };

std::string_view to_string(EntryKind kind);  // "account", "key", …, as stored

struct Entry {
  std::int64_t seq = 0, unix_ms = 0;
  EntryKind kind = EntryKind::kAccount;
  std::int64_t account_id = 0, key_id = 0, hold_id = 0;  // 0: concerns none, or is the one this entry makes
  std::int64_t amount_nanousd = 0;                       // credit: paid in; reserve: held; settle: the cost
  std::int64_t o1_nanousd = 0;                           // settle: what OpenAI's o1 would have cost
  MeteredTokens tokens;                                  // reserve: the most there can be; settle: those that were
  TokenPrices prices;                                    // reserve, settle: those at admission; price: the new ones
  std::string model;                                     // reserve, settle, price
  std::string request;                                   // reserve: the caller's Idempotency-Key, or empty
  std::string detail;                                    // a name, limits and windows as JSON, the reason of a void
  std::string hash;                                      // 64 hexadecimal digits
};

inline constexpr std::array<std::string_view, 18> kEntryColumns = {"seq",
                                                                   "unix_ms",
                                                                   "kind",
                                                                   "account_id",
                                                                   "key_id",
                                                                   "hold_id",
                                                                   "amount_nanousd",
                                                                   "o1_nanousd",
                                                                   "prompt_tokens",
                                                                   "cached_tokens",
                                                                   "completion_tokens",
                                                                   "input_nanousd",
                                                                   "cached_nanousd",
                                                                   "output_nanousd",
                                                                   "model",
                                                                   "request",
                                                                   "detail",
                                                                   "hash"};

// The columns' texts, in their order; and back. Numbers that are none are an Error.
std::vector<std::string> to_columns(const Entry& entry);
Result<Entry> from_columns(const std::vector<std::string>& columns);

std::string hash_of(const Entry& entry, std::string_view hash_before);  // of the first entry: ""

}  // namespace r1
