// arithmetic.cpp: addition, subtraction and multiplication in columns.
#include <algorithm>

#include <fmt/format.h>

#include "tasks/registry.h"
#include "tasks/writing.h"

namespace r1 {
namespace {

std::string ask(Rng& rng, Language language, const std::string& term) {
  constexpr std::string_view kEnglish[] = {"What is {}?", "Compute {}.", "{}=?"};
  constexpr std::string_view kChinese[] = {"{}等于多少？", "计算{}。", "{}=？"};
  const std::string_view form = language == Language::kEnglish ? draw_one(rng, kEnglish) : draw_one(rng, kChinese);
  return fmt::format(fmt::runtime(form), term);
}

Problem written(Rng& rng, const std::string& term, std::string key, const std::string& lines, std::int64_t result) {
  Problem problem;
  problem.language = draw_language(rng);
  problem.prompt = ask(rng, problem.language, term);
  problem.key = std::move(key);
  problem.answer = std::to_string(result);
  problem.trace = written_trace(term + "\n" + lines, problem.answer);
  return problem;
}

Problem draw_addition(Rng& rng) {
  const std::int64_t a = draw_by_digits(rng, 5), b = draw_by_digits(rng, 5);
  return written(rng, fmt::format("{}+{}", a, b), fmt::format("add {} {}", std::min(a, b), std::max(a, b)),
                 addition_lines(a, b), a + b);
}

Problem draw_subtraction(Rng& rng) {
  const std::int64_t x = draw_by_digits(rng, 5), y = draw_by_digits(rng, 5);
  const std::int64_t a = std::max(x, y), b = std::min(x, y);
  return written(rng, fmt::format("{}-{}", a, b), fmt::format("subtract {} {}", a, b),
                 // Zeros in front are dropped at the end, as a person does.
                 subtraction_lines(a, b), a - b);
}

Problem draw_multiplication(Rng& rng) {
  const int a = draw_between(rng, 100, 999), b = draw_between(rng, 10, 99);
  const std::string term = rng.below(2) == 0 ? fmt::format("{}*{}", a, b) : fmt::format("{}*{}", b, a);
  return written(rng, term, fmt::format("multiply {} {}", b, a), long_multiplication_lines(a, b), std::int64_t{a} * b);
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

}  // namespace r1
