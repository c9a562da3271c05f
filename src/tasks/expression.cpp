// expression.cpp: the recursive descent; the grammar stands above its functions.
#include "tasks/expression.h"

namespace r1 {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  std::optional<Expression> whole() {
    const std::optional<Rational> value = sum();
    skip_space();
    if (!value || !rest_.empty()) return std::nullopt;
    return Expression{*value, std::move(numbers_)};
  }

 private:
  // sum = product (("+" | "-") product)*
  std::optional<Rational> sum() {
    std::optional<Rational> left = product();
    while (left) {
      const char operation = take('+') ? '+' : take('-') ? '-' : '\0';
      if (operation == '\0') break;
      left = combine(operation, *left, product());
    }
    return left;
  }

  // product = factor (("*" | "/") factor)*
  std::optional<Rational> product() {
    std::optional<Rational> left = factor();
    while (left) {
      const char operation = take('*') || take_sign("×") ? '*' : take('/') || take_sign("÷") ? '/' : '\0';
      if (operation == '\0') break;
      left = combine(operation, *left, factor());
    }
    return left;
  }

  // factor = number | "(" sum ")"
  std::optional<Rational> factor() {
    if (!take('(')) return number();
    if (++depth_ > kMaxExpressionDepth) return std::nullopt;
    const std::optional<Rational> inside = sum();
    --depth_;
    return inside && take(')') ? inside : std::nullopt;
  }

  std::optional<Rational> number() {
    std::size_t n = 0;
    std::int64_t value = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') {
      if (n == kMaxNumberDigits) return std::nullopt;
      value = value * 10 + (rest_[n++] - '0');
    }
    if (n == 0 || (n > 1 && rest_[0] == '0')) return std::nullopt;
    rest_.remove_prefix(n);
    numbers_.push_back(value);
    return Rational{value, 1};
  }

  static std::optional<Rational> combine(char operation, Rational left, std::optional<Rational> right) {
    return right ? apply(operation, left, *right) : std::nullopt;
  }

  void skip_space() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  }
  bool take(char c) { return take_sign({&c, 1}); }
  bool take_sign(std::string_view sign) {
    skip_space();
    if (!rest_.starts_with(sign)) return false;
    rest_.remove_prefix(sign.size());
    return true;
  }

  std::string_view rest_;
  int depth_ = 0;
  std::vector<std::int64_t> numbers_;
};

}  // namespace

std::optional<Expression> parse_expression(std::string_view text) {
  if (text.size() > kMaxExpressionBytes) return std::nullopt;
  return Parser(text).whole();
}

}  // namespace r1
