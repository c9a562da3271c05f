// money.cpp: checked arithmetic, and dollars as decimal text without a float in between.
#include "ledger/money.h"

#include <charconv>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr std::int64_t kNanoPerUsd = 1'000'000'000;
constexpr std::size_t kDecimals = 9;

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Result<std::int64_t> add_nanousd(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return Error{ErrorCode::kInvalidInput, fmt::format("{} + {} nano-dollars do not fit into 64 bits", a, b)};
}

Result<std::int64_t> multiply_nanousd(std::int64_t price_nanousd, std::int64_t n) {
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(price_nanousd, n, &product)) return product;
  return Error{ErrorCode::kInvalidInput,
               fmt::format("{} tokens at {} nano-dollars each do not fit into 64 bits", n, price_nanousd)};
}

std::string format_usd(std::int64_t nanousd) {
  const std::uint64_t magnitude =
      nanousd < 0 ? 0 - static_cast<std::uint64_t>(nanousd) : static_cast<std::uint64_t>(nanousd);
  std::string text =
      fmt::format("{}{}.{:09}", nanousd < 0 ? "-" : "", magnitude / kNanoPerUsd, magnitude % kNanoPerUsd);
  const std::size_t least = text.size() - kDecimals + 2;
  while (text.size() > least && text.back() == '0') text.pop_back();
  return text;
}

Result<std::int64_t> parse_usd(std::string_view text, std::string_view what) {
  const Error wrong{
      ErrorCode::kInvalidInput,
      fmt::format("{}: '{}' is not an amount of dollars such as 12.50, with at most nine decimals and below "
                  "9,000,000,000",
                  what, text.substr(0, 40))};
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string fraction(point == std::string_view::npos ? "0" : text.substr(point + 1));
  if (!is_digits(whole) || !is_digits(fraction) || fraction.size() > kDecimals || whole.size() > kDecimals + 1)
    return wrong;
  fraction.resize(kDecimals, '0');
  std::int64_t usd = 0, nano = 0;
  std::from_chars(whole.data(), whole.data() + whole.size(), usd);
  std::from_chars(fraction.data(), fraction.data() + fraction.size(), nano);
  if (usd >= 9'000'000'000) return wrong;
  return usd * kNanoPerUsd + nano;
}

}  // namespace r1
