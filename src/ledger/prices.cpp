// prices.cpp: the cost of tokens, and which prices a moment has.
#include "ledger/prices.h"

#include <fmt/format.h>

#include "ledger/money.h"

namespace r1 {
namespace {

constexpr std::int64_t kMaxTokens = std::int64_t{1} << 40, kMinuteMs = 60'000;
constexpr int kDayMinutes = 24 * 60;

bool any_negative(const TokenPrices& prices) {
  return prices.input_nanousd < 0 || prices.cached_nanousd < 0 || prices.output_nanousd < 0;
}

}  // namespace

Status check_tokens(const MeteredTokens& tokens) {
  const bool in_range = tokens.cached >= 0 && tokens.cached <= tokens.prompt && tokens.prompt <= kMaxTokens &&
                        tokens.completion >= 0 && tokens.completion <= kMaxTokens;
  if (in_range) return {};
  return Error{ErrorCode::kInvalidInput,
               fmt::format("{} prompt tokens, {} of them cached, and {} completion tokens can't be metered",
                           tokens.prompt, tokens.cached, tokens.completion)};
}

Result<std::int64_t> cost_nanousd(const TokenPrices& prices, const MeteredTokens& tokens) {
  R1_TRY_STATUS(check_tokens(tokens));
  R1_TRY(const std::int64_t input, multiply_nanousd(prices.input_nanousd, tokens.prompt - tokens.cached));
  R1_TRY(const std::int64_t cached, multiply_nanousd(prices.cached_nanousd, tokens.cached));
  R1_TRY(const std::int64_t output, multiply_nanousd(prices.output_nanousd, tokens.completion));
  R1_TRY(const std::int64_t prompt, add_nanousd(input, cached));
  return add_nanousd(prompt, output);
}

Status check_prices(const PriceVersion& version) {
  if (any_negative(version.prices) || any_negative(version.off_peak_prices)) {
    return Error{ErrorCode::kInvalidInput, fmt::format("prices of '{}': a price is negative", version.model)};
  }
  // What is reserved supposes that nothing is cached; it must pay for a hit as well.
  for (const TokenPrices& prices : {version.prices, version.off_peak_prices}) {
    if (prices.cached_nanousd <= prices.input_nanousd) continue;
    return Error{ErrorCode::kInvalidInput,
                 fmt::format("prices of '{}': a cached token costs {} nano-dollars, more than an input token, {}",
                             version.model, prices.cached_nanousd, prices.input_nanousd)};
  }
  const auto in_day = [](int minute) { return minute >= 0 && minute < kDayMinutes; };
  if (in_day(version.off_peak_from_minute) && in_day(version.off_peak_until_minute)) return {};
  return Error{ErrorCode::kInvalidInput,
               fmt::format("prices of '{}': off-peak from minute {} until {}, but a day has {}", version.model,
                           version.off_peak_from_minute, version.off_peak_until_minute, kDayMinutes)};
}

const TokenPrices& prices_at(const PriceVersion& version, std::int64_t unix_ms) {
  const int from = version.off_peak_from_minute, until = version.off_peak_until_minute;
  // Floored, so that a clock before 1970 has a minute of the day as well.
  const std::int64_t minutes = unix_ms / kMinuteMs - (unix_ms % kMinuteMs < 0 ? 1 : 0);
  const int minute = static_cast<int>((minutes % kDayMinutes + kDayMinutes) % kDayMinutes);
  const bool off_peak = from <= until ? minute >= from && minute < until : minute >= from || minute < until;
  return off_peak ? version.off_peak_prices : version.prices;
}

}  // namespace r1
