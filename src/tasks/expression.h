// expression.h: value and numbers of "(8-3)*21", read by recursive descent within limits. Nothing is evaluated that is
// not + - * / (also written × ÷) of whole numbers: no signs, powers, functions, or digits glued together.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tasks/rational.h"

namespace r1 {

inline constexpr int kMaxExpressionBytes = 256, kMaxExpressionDepth = 16, kMaxNumberDigits = 9;

struct Expression {
  Rational value;
  std::vector<std::int64_t> numbers;  // as written, from left to right
};

// No value: not an expression, beyond a limit, a division by zero, or an overflow.
std::optional<Expression> parse_expression(std::string_view text);

}  // namespace r1
