// arithmetic.cpp: addition, subtraction and multiplication in columns.
#include <algorithm>

#include <fmt/format.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

constexpr std::string_view kTermEn[] = {
    "What is {}?", "Compute {}.",        "{}=?", "{}", "{}=", "Calculate {}.", "How much is {}?",
    "What's {}?",  "Please work out {}."};
constexpr std::string_view kTermZh[] = {
    "{}等于多少？", "计算{}。", "{}=？", "{}", "{}=", "{}等于几？", "请计算{}。", "{}是多少？", "算一下{}。"};

struct ColumnOperation {
  char sign;
  std::string_view name;
  std::string_view english[5], chinese[5];  // in words; {0} and {1} are the numbers
};
constexpr ColumnOperation kPlus = {
    '+',
    "add",
    {"What is {} plus {}?", "Add {} and {}.", "What is the sum of {} and {}?", "{} plus {}", "Add {} to {}."},
    {"{}加{}等于多少？", "{}加上{}是多少？", "{}与{}的和是多少？", "{}加{}等于几？", "{}加{}"}};
constexpr ColumnOperation kMinus = {
    '-',
    "subtract",
    {"What is {} minus {}?", "{} minus {}", "What is the difference between {} and {}?", "Subtract {1} from {0}.",
     "Take {1} from {0}."},
    {"{}减{}等于多少？", "{}减去{}是多少？", "{}与{}的差是多少？", "{}减{}等于几？", "{}减{}"}};
constexpr ColumnOperation kTimes = {
    '*',
    "multiply",
    {"What is {} times {}?", "Multiply {} by {}.", "What is the product of {} and {}?", "{} x {}", "What is {}x{}?"},
    {"{}乘{}等于多少？", "{}乘以{}是多少？", "{}与{}的积是多少？", "{}x{}等于几？", "{} x {}"}};

std::string ask(Rng& rng, Language language, const ColumnOperation& operation, std::int64_t a, std::int64_t b) {
  if (rng.below(4) == 0) {
    return fmt::format(fmt::runtime(draw_form(rng, language, operation.english, operation.chinese)), a, b);
  }
  const std::string term = draw_notation(rng, fmt::format("{}{}{}", a, operation.sign, b));
  return fmt::format(fmt::runtime(draw_form(rng, language, kTermEn, kTermZh)), term);
}

Problem written(Rng& rng, const ColumnOperation& operation, std::int64_t a, std::int64_t b, const std::string& lines,
                std::int64_t result) {
  const bool commutes = operation.sign != '-';
  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = ask(rng, problem.language, operation, a, b);
  problem.key = fmt::format("{} {} {}", operation.name, commutes ? std::min(a, b) : a, commutes ? std::max(a, b) : b);
  problem.answer = std::to_string(result);
  problem.trace = written_trace(fmt::format("{}{}{}\n{}", a, operation.sign, b, lines), problem.answer);
  return problem;
}

Problem draw_addition(Rng& rng) {
  const std::int64_t a = draw_by_digits(rng, 5), b = draw_by_digits(rng, 5);
  return written(rng, kPlus, a, b, addition_lines(a, b), a + b);
}

Problem draw_subtraction(Rng& rng) {
  const std::int64_t x = draw_by_digits(rng, 5), y = draw_by_digits(rng, 5);
  const std::int64_t a = std::max(x, y), b = std::min(x, y);
  // Zeros in front are dropped at the end, as a person does.
  return written(rng, kMinus, a, b, subtraction_lines(a, b), a - b);
}

Problem draw_product(Rng& rng, std::int64_t a, int b) {
  const std::string lines = long_multiplication_lines(a, b);
  return rng.below(2) == 0 ? written(rng, kTimes, a, b, lines, a * b) : written(rng, kTimes, b, a, lines, a * b);
}

Problem draw_multiplication(Rng& rng) {
  const int a = draw_between(rng, 100, 999);
  return draw_product(rng, a, draw_between(rng, 10, 99));
}

Problem draw_short_product(Rng& rng) {
  for (;;) {
    const std::int64_t a = draw_by_digits(rng, 3), b = draw_by_digits(rng, 2);
    if (a < 100 || b < 10) return draw_product(rng, a, static_cast<int>(b));
  }
}

}  // namespace

const Task kAddition = {.name = "addition",
                        .summary = "sums of two numbers of up to 5 digits, in columns",
                        .draw = draw_addition,
                        .is_right = is_same_number,
                        .n_problems = 100'000.0 * 100'001 / 2};
const Task kSubtraction = {.name = "subtraction",
                           .summary = "differences of two numbers of up to 5 digits, in columns",
                           .draw = draw_subtraction,
                           .is_right = is_same_number,
                           .n_problems = 100'000.0 * 100'001 / 2};
const Task kMultiplication = {.name = "multiplication",
                              .summary = "3 digits by 2, with partial products",
                              .draw = draw_multiplication,
                              .is_right = is_same_number,
                              .n_problems = 900.0 * 90};
const Task kProducts = {.name = "products",
                        .summary = "the same of fewer digits: 7*8, 12*13, 250*4",
                        .draw = draw_short_product,
                        .is_right = is_same_number,
                        .n_problems = 100.0 * 101 / 2 + 900.0 * 10};

}  // namespace r1
