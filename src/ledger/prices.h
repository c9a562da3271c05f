// prices.h: what tokens cost. Sources of the defaults: DeepSeek's and OpenAI's price pages at R1's launch (20 January
// 2025), per million tokens: R1 $0.55, cached $0.14, output $2.19; o1 $15, cached $7.50, output $60.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace r1 {

struct MeteredTokens {
  std::int64_t prompt = 0;      // cached ones among them
  std::int64_t cached = 0;      // prompt tokens that were found in a cache, not computed
  std::int64_t completion = 0;  // thinking among them
  bool operator==(const MeteredTokens&) const = default;
};

// An Error when a count is negative, beyond 2^40, or when more are cached than there are.
Status check_tokens(const MeteredTokens& tokens);

struct TokenPrices {
  std::int64_t input_nanousd = 0, cached_nanousd = 0, output_nanousd = 0;  // per token
  bool operator==(const TokenPrices&) const = default;
};

// Exact; an Error when the sum doesn't fit into 64 bits.
Result<std::int64_t> cost_nanousd(const TokenPrices& prices, const MeteredTokens& tokens);

inline constexpr TokenPrices kDeepSeekR1Prices{550, 140, 2190};
inline constexpr TokenPrices kOpenAiO1Prices{15'000, 7'500, 60'000};

// One version of a model's prices. The newest version counts; a request keeps those of the moment it was admitted.
struct PriceVersion {
  std::string model;  // "*": of every model without a price of its own
  TokenPrices prices = kDeepSeekR1Prices;
  TokenPrices off_peak_prices;                              // between the two minutes of the UTC day:
  int off_peak_from_minute = 0, off_peak_until_minute = 0;  // [from, until), may pass midnight; equal: no window
  bool operator==(const PriceVersion&) const = default;
};

Status check_prices(const PriceVersion& version);
const TokenPrices& prices_at(const PriceVersion& version, std::int64_t unix_ms);

}  // namespace r1
