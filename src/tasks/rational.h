// rational.h: exact fractions; what leaves 64 bits is no value, so a grader cannot be made to wrap around.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace r1 {

struct Rational {
  std::int64_t numerator = 0, denominator = 1;  // lowest terms, denominator > 0

  bool operator==(const Rational&) const = default;
};

std::optional<Rational> make_rational(std::int64_t numerator, std::int64_t denominator);
// left `operation` right; operation is one of + - * /. No value: overflow, or a division by zero.
std::optional<Rational> apply(char operation, Rational left, Rational right);

// The whole of `text` as 12, -12, 1.25 or -3/4, at most 15 digits a part. Leading zeros, exponents, signs other than
// one
// '-', and digits other than ASCII's are refused.
std::optional<Rational> parse_rational(std::string_view text);

}  // namespace r1
