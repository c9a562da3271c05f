// keys.h: API keys. The ledger stores their SHA-256 only: 256 random bits need no salt, and the key itself is shown
// once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace r1 {

// 0, or empty: no limit.
struct KeyLimits {
  std::int64_t budget_nanousd = 0;  // what all requests of the key may cost together
  std::int64_t requests_per_minute = 0, tokens_per_minute = 0;
  std::int64_t max_concurrent = 0;
  std::int64_t expires_unix_ms = 0;
  std::vector<std::string> models;
  bool operator==(const KeyLimits&) const = default;
};

Status check_limits(const KeyLimits& limits);

// What an entry of kind "key" or "limit" says in `detail`, as JSON.
struct KeyDetail {
  std::string name, sha256;
  KeyLimits limits;
  bool operator==(const KeyDetail&) const = default;
};
std::string to_json(const KeyDetail& detail);
Result<KeyDetail> parse_key_detail(std::string_view text);

Result<std::string> make_secret();  // "sk-r1-" and 64 hexadecimal digits from the system's generator

// Names of accounts, keys, models and requests: at most 200 bytes of UTF-8 without control characters, not empty.
Status check_name(std::string_view name, std::string_view what);

}  // namespace r1
