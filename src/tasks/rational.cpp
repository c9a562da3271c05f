// rational.cpp: checked arithmetic on fractions, and their parser.
#include "tasks/rational.h"

#include <numeric>

namespace r1 {
namespace {

constexpr int kMaxDigits = 15;

std::optional<std::int64_t> product(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

std::optional<Rational> sum(Rational left, Rational right) {
  const auto a = product(left.numerator, right.denominator), b = product(right.numerator, left.denominator);
  const auto denominator = product(left.denominator, right.denominator);
  std::int64_t numerator = 0;
  if (!a || !b || !denominator || __builtin_add_overflow(*a, *b, &numerator)) return std::nullopt;
  return make_rational(numerator, *denominator);
}

// Digits at the front of `text`, which are removed from it.
std::string_view take_digits(std::string_view& text) {
  std::size_t n = 0;
  while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
  const std::string_view digits = text.substr(0, n);
  text.remove_prefix(n);
  return digits;
}

std::int64_t value_of(std::string_view digits) {
  std::int64_t value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

bool is_plain(std::string_view digits) {
  return !digits.empty() && digits.size() <= kMaxDigits && (digits.size() == 1 || digits[0] != '0');
}

}  // namespace

std::optional<Rational> make_rational(std::int64_t numerator, std::int64_t denominator) {
  // The least number has no opposite; without it, everything below can be negated.
  if (denominator == 0 || numerator == INT64_MIN || denominator == INT64_MIN) return std::nullopt;
  const std::int64_t divisor = std::gcd(numerator, denominator) * (denominator < 0 ? -1 : 1);
  return Rational{numerator / divisor, denominator / divisor};
}

std::optional<Rational> apply(char operation, Rational left, Rational right) {
  if (operation == '+') return sum(left, right);
  if (operation == '-') return sum(left, {-right.numerator, right.denominator});
  const bool divides = operation == '/';
  const auto numerator = product(left.numerator, divides ? right.denominator : right.numerator);
  const auto denominator = product(left.denominator, divides ? right.numerator : right.denominator);
  if (!numerator || !denominator) return std::nullopt;
  return make_rational(*numerator, *denominator);
}

std::optional<Rational> parse_rational(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::string_view whole = take_digits(text);
  if (!is_plain(whole)) return std::nullopt;
  std::int64_t numerator = value_of(whole), denominator = 1;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    const std::string_view decimals = take_digits(text);
    if (decimals.empty() || whole.size() + decimals.size() > kMaxDigits) return std::nullopt;
    for (std::size_t i = 0; i < decimals.size(); ++i) denominator *= 10;
    numerator = numerator * denominator + value_of(decimals);
  } else if (text.starts_with('/')) {
    text.remove_prefix(1);
    const std::string_view below = take_digits(text);
    if (!is_plain(below)) return std::nullopt;
    denominator = value_of(below);
  }
  if (!text.empty()) return std::nullopt;
  return make_rational(negative ? -numerator : numerator, denominator);
}

}  // namespace r1
