// expressions.cpp: an expression of two to four small numbers, multiplied and divided first, with parentheses now and
// then: 3+4*2, (17-5)/4, 84/7, 5-9.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr int kMostValue = 999, kMostSmallFactor = 12, kMostLargeFactor = 99;
constexpr std::string_view kValueEn[] = {"What is {}?", "Compute {}.",  "{}=?",          "{}",
                                         "{}=",         "Evaluate {}.", "Calculate {}.", "How much is {}?"};
constexpr std::string_view kValueZh[] = {"{}等于多少？", "计算{}。",   "{}=？",      "{}",
                                         "{}=",          "{}等于几？", "{}是多少？", "算一下{}。"};

// numbers[0] signs[0] numbers[1] ...; `group`: the first of two numbers in parentheses, -1 without.
struct Sum {
  std::vector<int> numbers;
  std::string signs;
  int group = -1;

  std::string text() const {
    std::string text;
    for (int i = 0; i < static_cast<int>(numbers.size()); ++i) {
      if (i > 0) text += signs[i - 1];
      text += fmt::format("{}{}{}", i == group ? "(" : "", numbers[i], group >= 0 && i == group + 1 ? ")" : "");
    }
    return text;
  }
  // Where to begin: in the parentheses, else at the first product or quotient, else at the left.
  int next() const {
    const std::size_t factor = signs.find_first_of("*/");
    return group >= 0 ? group : factor != signs.npos ? static_cast<int>(factor) : 0;
  }
};

// Nothing where the head would be too small for it, the quotient is no whole number, or a negative number would stand
// behind a sign.
std::optional<int> small_result(char sign, int a, int b, bool is_first) {
  const bool is_large =
      std::min(std::abs(a), std::abs(b)) > kMostSmallFactor || std::max(std::abs(a), std::abs(b)) > kMostLargeFactor;
  if (sign == '*' && is_large) return std::nullopt;
  if (sign == '/' && (b == 0 || b > kMostSmallFactor || a % b != 0)) return std::nullopt;
  const int value = sign == '+' ? a + b : sign == '-' ? a - b : sign == '*' ? a * b : a / b;
  if (std::abs(value) > kMostValue || (value < 0 && !is_first)) return std::nullopt;
  return value;
}

// The lines of its working, "4*2=8" and what is left, "3+8"; nothing where a step has no result.
std::optional<std::string> worked(Sum& sum) {
  std::string lines;
  while (!sum.signs.empty()) {
    const int i = sum.next(), a = sum.numbers[i], b = sum.numbers[i + 1];
    const std::optional<int> value = small_result(sum.signs[i], a, b, i == 0);
    if (!value) return std::nullopt;
    lines += fmt::format("{}{}{}={}\n", a, sum.signs[i], b, *value);
    sum.numbers[i] = *value;
    sum.numbers.erase(sum.numbers.begin() + i + 1);
    sum.signs.erase(static_cast<std::size_t>(i), 1);
    sum.group = -1;
    if (sum.signs.size() > 1 || (sum.signs.size() == 1 && i == 1)) lines += sum.text() + "\n";
  }
  return lines;
}

Sum draw_sum(Rng& rng) {
  Sum sum;
  const int n = draw_between(rng, 2, 4), most = rng.below(3) == 0 ? 2 * kMostSmallFactor : kMostLargeFactor;
  for (int i = 0; i < n; ++i) {
    if (i > 0) sum.signs += "+-*/"[rng.below(4)];
    const bool is_factor = i > 0 && (sum.signs.back() == '*' || sum.signs.back() == '/');
    sum.numbers.push_back(is_factor ? draw_between(rng, 2, kMostSmallFactor) : draw_between(rng, 1, most));
  }
  if (n > 2 && rng.below(2) == 0) sum.group = draw_between(rng, 0, n - 2);
  return sum;
}

// Of two numbers only what the tasks of columns don't ask: quotients, and differences below 0.
bool is_of_columns(const Sum& sum) {
  return sum.signs.size() == 1 &&
         (sum.signs == "+" || sum.signs == "*" || (sum.signs == "-" && sum.numbers[0] >= sum.numbers[1]));
}

// Coarser than the problem, so that no order of what commutes makes another problem of it.
std::string sum_key(const Sum& sum, int value) {
  std::vector<int> numbers = sum.numbers;
  std::string signs = sum.signs;
  std::sort(numbers.begin(), numbers.end());
  std::sort(signs.begin(), signs.end());
  return fmt::format("expression {} {} {}", fmt::join(numbers, " "), signs, value);
}

Problem draw_expression(Rng& rng) {
  for (;;) {
    const Sum sum = draw_sum(rng);
    Sum rest = sum;
    const std::optional<std::string> lines = worked(rest);
    if (!lines || is_of_columns(sum)) continue;
    const int value = rest.numbers[0];
    Problem problem;
    problem.language = draw_language(rng);
    problem.prompt =
        fmt::format(fmt::runtime(draw_form(rng, problem.language, kValueEn, kValueZh)), draw_notation(rng, sum.text()));
    problem.key = sum_key(sum, value);
    problem.answer = std::to_string(value);
    problem.trace = written_trace(sum.text() + "\n" + *lines, problem.answer);
    return problem;
  }
}

}  // namespace

const Task kExpressions = {.name = "expressions",
                           .summary = "two to four small numbers, products first",
                           .draw = draw_expression,
                           .is_right = is_same_number,
                           .n_problems = 99.0 * 99 * 99};  // at least: sums of three, in any order

}  // namespace r1
